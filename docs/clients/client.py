#!/usr/bin/env python3
"""Calls an API behind Keygate, and again when it may. With the key in the environment:

    python3 client.py https://api.example.com/v1/posts
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request

ATTEMPTS = 5
LONGEST_WAIT = 60  # seconds; the next day's quota may be hours away


class Refused(Exception):
    """The API said no, and waiting does not change that, or not soon."""


def call(url, key, method="GET", body=None, headers=None):
    """Returns the body of the answer, or raises Refused."""
    for attempt in range(1, ATTEMPTS + 1):
        request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
        # Unredirected, or urllib would take the key along to another host.
        request.add_unredirected_header("Authorization", "Bearer " + key)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            status, retry_after, text = error.code, error.headers["Retry-After"], error.read().decode(errors="replace")
        code = problem_code(text)
        seconds = seconds_to_wait(status, code, retry_after, attempt)
        if seconds is None or seconds > LONGEST_WAIT or attempt == ATTEMPTS:
            raise Refused(f"HTTP {status}: {text.strip()}")
        wait = seconds * random.uniform(1, 1.5)  # never earlier than told, and not all at once
        print(f"HTTP {status} {code}: waiting {wait:.2f} s", file=sys.stderr)
        time.sleep(wait)


def problem_code(text):
    try:
        return json.loads(text)["code"]
    except (ValueError, KeyError, TypeError):
        return ""  # not an answer of Keygate


def seconds_to_wait(status, code, retry_after, attempt):
    """None for requests that are not to be sent again."""
    if code in ("cost_too_high", "too_many_failures") and not retry_after:
        return None  # waiting does not help
    if status == 429 or code == "store_unavailable":
        return int(retry_after) if (retry_after or "").isdecimal() else 2 ** (attempt - 1)
    return None


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(call(sys.argv[1], os.environ["SOCIALPATRA_API_KEY"]))
    except Refused as refused:
        sys.exit(str(refused))
