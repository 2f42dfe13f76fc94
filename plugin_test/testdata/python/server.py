"""Serves the routes of a JSON file with http.server, and says in X-Served which one it took a request for.

Paths are read as http.server's own file handler reads them: decoded, with dot segments resolved and slashes merged; and
without regard to case, as on the file systems where that is the rule. Methods and paths may be overridden by header, as in
the frameworks that have it.
"""

import json
import posixpath
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


def compiled(route):
    pattern = re.escape(route["pattern"].rstrip("/"))
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", pattern)
    pattern = re.sub(r"\\\*$", ".+", pattern)
    return re.compile(f"^{pattern}/?$", re.IGNORECASE)


with open(sys.argv[1], encoding="utf-8") as f:
    routes = [(r["name"], r["method"], compiled(r)) for r in json.load(f)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # or each answer is two packets, and waits for an acknowledgement

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self):
        method, target = self.command.upper(), self.path
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            method = self.headers.get(name, method).upper()
        for name in ("X-Original-URL", "X-Rewrite-URL"):
            target = self.headers.get(name, target)
        path = posixpath.normpath(unquote(target.split("?", 1)[0].split("#", 1)[0]))
        method = "GET" if method == "HEAD" else method
        served = next((n for n, m, p in routes if m == method and p.match(path)), None)
        body = ascii(f"{self.command} {self.path}: path {path}").encode()
        self.send_response(200 if served else 404)
        if served:
            self.send_header("X-Served", served)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
