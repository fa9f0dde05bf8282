"""Answer one request over HTTP of any version: check its origin, find its service and region.

Sources: RFC 9110 for the headers; AWS General Reference, "Signature Version 4", for the credential scope, which names
service and region. Signatures are not checked.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

from bedrock_local.dispatch import handle, write_error
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError, SettingsError
from bedrock_local.protocol.messages import Request, Response, full_headers
from bedrock_local.protocol.routing import OPERATIONS, PROVIDER_ROUTES, find_bedrock_service
from bedrock_local.protocol.timestamps import http_time
from bedrock_local.settings import report_once

LOOPBACK = re.compile(r"127\.0\.0\.1|::1|(?:.+\.)?localhost")
SCOPE = re.compile(r"/\d{8}/(?P<region>[a-z0-9-]{1,20})/(?P<service>[a-z0-9-]+)/aws4_request")
# Takes method, target, headers, body and account.
OtherServices = Callable[[str, str, Mapping[str, str], BinaryIO, str], Response]
LINE_END = re.compile(r"[\r\n\0]+")


def answer_request(
    emulator: Emulator,
    method: str,
    target: str,
    headers: dict[str, str],
    body: Any,
    *,
    answer_others: OtherServices | None = None,
) -> Response:
    """Answer a request; an unexpected exception is an internal error of the service, and its traceback is printed.

    `answer_others` gets the requests to services that the emulator does not have.
    """
    request, region = read_http_request(method, target, headers, body)
    try:
        check_origin(headers)
        if answer_others and request.service not in (*OPERATIONS, *PROVIDER_ROUTES):
            return answer_others(method, target, headers, body, emulator.account)
        is_elsewhere = region not in ("", emulator.region)
        return handle(request, replace(emulator, region=region) if is_elsewhere else emulator)
    except ServiceError as error:
        return write_error(error, request)
    except SettingsError as error:
        report_once(error)
        return write_error(ServiceError("InternalServerException", str(error)), request)
    except ConnectionError:
        raise
    except Exception as error:
        traceback.print_exc()
        return write_error(ServiceError("InternalServerException", f"{type(error).__name__}: {error}"), request)


def response_headers(response: Response) -> dict[str, str]:
    """Return the headers of a response as they are sent; line ends are removed, so that no value adds a header."""
    headers = {"date": http_time(time.time()), **full_headers(response)}
    if not LINE_END.search("".join(headers.values())):
        return headers
    return {name: LINE_END.sub(" ", value) for name, value in headers.items()}


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse requests of web pages: by another host name for this machine, or across origins; links may be followed.

    Browsers send no Origin for pictures and scripts, but Sec-Fetch-Site says that they are for another site: "Fetch
    Metadata Request Headers".
    """
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        raise ServiceError("AccessDeniedException", "The emulator does not answer pages of other sites")
    named = [f"//{headers.get('host', '')}", *([headers["origin"]] if "origin" in headers else [])]
    for url in named:
        name = host_name(url)
        if not LOOPBACK.fullmatch(name):
            reason = f"The emulator answers to 127.0.0.1 and localhost only, not to {name or 'a request without host'}"
            raise ServiceError("AccessDeniedException", reason)


def host_name(url: str) -> str:
    """Return the host of a URL, without its port; empty when it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def read_headers(items: list[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names in lower case; values of a repeated one are joined by commas."""
    headers: dict[str, str] = {}
    for name, value in items:
        value, name = LINE_END.sub("", value).strip(), name.lower()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def read_http_request(method: str, target: str, headers: dict[str, str], body: Any) -> tuple[Request, str]:
    """Convert a request to a Request, and return it with the region that it was signed for; empty for none."""
    if not target.startswith("/"):  # a client that uses this server as a proxy
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, text = target.partition("?")
    query = dict(parse_qsl(text, keep_blank_values=True))
    # A presigned URL carries headers in its query.
    carried = {name.lower(): value for name, value in query.items() if name.lower().startswith("x-amz-")}
    # As a header would bring them: a character for each byte.
    headers = {name: value.encode("utf-8", "replace").decode("latin-1") for name, value in carried.items()} | headers
    found = SCOPE.search(headers.get("authorization", "") or headers.get("x-amz-credential", ""))
    # API keys are of Bedrock alone, and name neither service nor region.
    has_key = not found and (headers.get("authorization", "").startswith("Bearer ") or "x-api-key" in headers)
    service = find_service(found["service"] if found else "bedrock" if has_key else "", path)
    request = Request(service, method, headers.get("host", "").lower(), path, query, headers, body)
    return request, found["region"] if found else ""


def find_service(signing_name: str, path: str) -> str:
    """Return the service that a request was signed for; `bedrock` signs for two, which differ in their paths."""
    if signing_name in ("", "bedrock"):
        return find_bedrock_service(path) or signing_name or "s3"
    return signing_name
