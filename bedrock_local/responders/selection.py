"""Selection of a responder by its name in the settings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bedrock_local.inference import Responder
from bedrock_local.responders.extract import extract
from bedrock_local.responders.openai_endpoint import Endpoint
from bedrock_local.responders.process_state import PROCESS
from bedrock_local.responders.recorded import RecordedAnswers

RECORDED = (".jsonl", ".jsonl.out")
CHOICES = (
    "extract, worker, the URL of an OpenAI-compatible endpoint (http://127.0.0.1:8080/v1) "
    "or the path of a .jsonl or .jsonl.out file of recorded answers"
)


def find_kind(name: str) -> Literal["extract", "worker", "endpoint", "recorded"]:
    """Return the kind of responder that a name stands for; a ValueError lists the choices."""
    if name == "extract":
        return "extract"
    if name == "worker":
        return "worker"
    if name.startswith(("http://", "https://")):
        check_url(name)
        return "endpoint"
    if name.endswith(RECORDED):
        return "recorded"
    raise ValueError(f"unknown responder {name!r}; choose {CHOICES}")


def check_url(url: str) -> None:
    """Refuse a URL without a valid host and port, or with a password or query: keys belong into the environment."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query:
        # Without the URL, which has the secret.
        raise ValueError("the URL of the responder has a password or a query; put the key into OPENAI_API_KEY instead")
    try:
        # `port` raises a ValueError unless it is a number up to 65535.
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise ValueError(f"responder {url!r} is a URL without a host or with an invalid port; choose {CHOICES}")


def open_endpoint(url: str, model: str, workers: int) -> Endpoint:
    """Open an endpoint once, so that all requests of the process share its limit of connections."""
    with PROCESS.lock:
        if (url, model, workers) not in PROCESS.endpoints:
            PROCESS.endpoints[url, model, workers] = Endpoint(url, model=model, workers=workers)
        endpoint: Endpoint = PROCESS.endpoints[url, model, workers]
        return endpoint


@lru_cache(maxsize=2)
def open_recorded(path: Path, modified_ns: int, size: int) -> RecordedAnswers:  # noqa: ARG001 -- part of the cache's key: a changed file is read again
    """Index a file of recorded answers once."""
    return RecordedAnswers(path)


def find_responder(name: str, *, folder: Path, model: str, workers: int) -> Responder | None:
    """Find the responder of a folder by its name in the settings; None for `worker`, as other processes bring one.

    A relative path counts from the folder. A ValueError says what is wrong with the name, or with the file.
    """
    kind = find_kind(name)
    if kind == "worker":
        return None
    if kind == "extract":
        return extract
    if kind == "endpoint":
        return open_endpoint(name, model, workers)
    path = folder / Path(name).expanduser()
    try:
        status = path.stat()
        return open_recorded(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        cure = "put a batch job's output there, or choose another responder in the settings"
        raise ValueError(f"{path}: cannot read recorded answers ({error.strerror}); {cure}") from error
