"""Requests to services that the emulator does not have, answered by moto.

Source: the documentation of moto, "Non-Python SDKs and server mode", for its WSGI application and its header.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from bedrock_local.other_services.state_machines import run_state_machines
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import BytesBody, Response, read_all

BODY_BYTES = 100_000_000
ACCOUNT_HEADER = "x-moto-account-id"
# Of one connection, or written by the server itself.
DROPPED = ("connection", "content-length", "date", "server", "transfer-encoding")
CORS = "access-control-"
INSTALL = "pip install 'batchbook[emulator-aws]' and start the emulator again, then moto answers it"


def answer_by_moto(method: str, target: str, headers: Mapping[str, str], body: BinaryIO, account: str) -> Response:
    """Answer a request to a service that the emulator does not have, of the same account, in the region it names."""
    if not has_moto():
        raise ServiceError("UnknownOperationException", f"The emulator does not have this service: {INSTALL}")
    content = read_all(body, BODY_BYTES)
    if content is None:
        raise ServiceError("ValidationException", f"The request body is longer than {BODY_BYTES} bytes.")
    environ = make_environ(method, target, {**headers, ACCOUNT_HEADER: account}, content)
    started: list[Any] = []
    pieces = make_app()(environ, lambda status, fields, *_: started.extend((status, fields)))
    answer = BytesBody(b"".join(pieces))
    status, fields = started
    named = {name.lower(): value for name, value in fields}
    # Moto lets web pages of all sites read its answers; the emulator does not.
    kept = {name: value for name, value in named.items() if name not in DROPPED and not name.startswith(CORS)}
    return Response(int(status.split()[0]), kept, answer)


def has_moto() -> bool:
    """Return whether moto and what its server needs are installed, without importing them."""
    return all(find_spec(module) is not None for module in ("moto", "flask", "flask_cors"))


@cache
def make_app() -> Callable[..., Any]:
    """Make moto's application, when the first request needs it: the import takes a second."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    if find_spec("antlr4"):
        run_state_machines()
    app: Callable[..., Any] = DomainDispatcherApplication(create_backend_app)
    return app


def make_environ(method: str, target: str, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    """Describe a request as PEP 3333 has it."""
    path, _, query = target.partition("?")
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return {
        **named,
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "RAW_URI": target,
        "REQUEST_URI": target,
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(content)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
