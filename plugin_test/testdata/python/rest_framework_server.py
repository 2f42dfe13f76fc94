"""Serves the routes of a JSON file with Django REST framework, and says in X-Served which one it took a request for.

Each route has an optional format at its end, by format_suffix_patterns.
"""

import json
import logging
import re
import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    SECRET_KEY="a test",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": []},
)
django.setup()
logging.disable()  # it warns of each request that it does not serve

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.urlpatterns import format_suffix_patterns  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


def view(methods):
    """A view with a method of its own for each route of one pattern."""

    def serving(name):
        def serve(self, request, *args, **kwargs):
            text = ascii(f"{request.method} {request.get_full_path()}: path {request.path_info}, arguments {kwargs}")
            response = HttpResponse(text, content_type="text/plain")
            response["X-Served"] = name
            return response

        return serve

    return type("View", (APIView,), {method.lower(): serving(name) for method, name in methods.items()}).as_view()


def translated(pattern):
    pattern = re.sub(r"\{(\w+)\}", r"<str:\1>", pattern.lstrip("/"))
    return re.sub(r"\*$", "<path:rest>", pattern)


with open(sys.argv[1], encoding="utf-8") as f:
    by_pattern = {}
    for r in json.load(f):
        by_pattern.setdefault(r["pattern"], {})[r["method"]] = r["name"]

urlpatterns = format_suffix_patterns([path(translated(p), view(methods)) for p, methods in by_pattern.items()])


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
server.set_app(WSGIHandler())
print(server.server_address[1], flush=True)
server.serve_forever()
