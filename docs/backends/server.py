"""A backend behind Keygate. It believes what the gateway says of the caller, and shows a workspace its own posts alone."""

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OWNER_OF = {"1": "acme", "2": "globex"}  # which workspace a post belongs to


def caller_of(headers):
    """Each identity header is there exactly once, or the request did not come through the gateway: then None."""
    values = [headers.get_all("SocialPatra-" + name, []) for name in ("Workspace", "Key-Id", "Scopes")]
    if any(len(each) != 1 for each in values):
        return None
    (workspace,), (key_id,), (scopes,) = values
    return {"workspace": workspace, "key_id": key_id, "scopes": scopes.split()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        caller = caller_of(self.headers)
        if caller is None:
            self.log(error="a request came past the gateway", client=self.client_address[0])
            return self.answer(403, {"error": "only the gateway may call"})
        self.log(method=self.command, url=self.path, workspace=caller["workspace"], key_id=caller["key_id"])

        path = self.path.split("?", 1)[0]
        post = re.fullmatch("/v1/posts/([^/]+)", path)
        if path == "/v1/me":
            return self.answer(200, caller)
        if post and OWNER_OF.get(post[1]) == caller["workspace"]:
            return self.answer(200, {"id": post[1], "workspace": caller["workspace"]})
        self.answer(404, {"error": "not found"})  # also for another's, as 403 would say that it exists

    do_HEAD = do_GET  # the gateway lets HEAD pass where GET does

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log(self, **fields):  # as JSON: what a client sends must not look like another line of the log
        print(json.dumps(fields), file=sys.stderr, flush=True)

    def log_message(self, *args):
        pass  # http.server's own line knows nothing of keys


if __name__ == "__main__":
    # Loopback: nobody but this machine, where the gateway is, reaches it.
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler)
    print("listening on 127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()
