"""Who answers, by the name that the settings give: what the name may be, and the responder behind it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bedrock_local.inference import Responder
from bedrock_local.responders.extract import extract
from bedrock_local.responders.openai_endpoint import Endpoint
from bedrock_local.responders.process_state import PROCESS
from bedrock_local.responders.recorded import Recorded

RECORDED = (".jsonl", ".jsonl.out")
CHOICES = (
    "extract, worker, the URL of an OpenAI-compatible endpoint (http://127.0.0.1:8080/v1), "
    "or the path of a file of recorded answers that ends in .jsonl or .jsonl.out"
)


def kind_of(name: str) -> Literal["extract", "worker", "endpoint", "recorded"]:
    """Tell what a name stands for; a ValueError says what it could be."""
    if name == "extract":
        return "extract"
    if name == "worker":
        return "worker"
    if name.startswith(("http://", "https://")):
        check_url(name)
        return "endpoint"
    if name.endswith(RECORDED):
        return "recorded"
    raise ValueError(f"responder {name!r} is nobody; it can be {CHOICES}")


def check_url(url: str) -> None:
    """Refuse a URL that names no host, or that holds what belongs into the environment."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ValueError("responder is a URL with a password or a query in it; put the key into OPENAI_API_KEY instead")
    try:
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise ValueError(f"responder {url!r} is a URL without host or with a port that is none; it can be {CHOICES}")


def open_endpoint(url: str, model: str, workers: int) -> Endpoint:
    """Open an endpoint once, so that its limit holds for all who ask."""
    with PROCESS.lock:
        if (url, model, workers) not in PROCESS.endpoints:
            PROCESS.endpoints[url, model, workers] = Endpoint(url, model=model, workers=workers)
        endpoint: Endpoint = PROCESS.endpoints[url, model, workers]
        return endpoint


@lru_cache(maxsize=2)
def open_recorded(path: Path, modified_ns: int, size: int) -> Recorded:  # noqa: ARG001 -- a file that changed is read again
    """Read where the recorded answers stand in a file, once."""
    return Recorded(path)


def find_responder(name: str, *, folder: Path, model: str, workers: int) -> Responder | None:
    """Find who answers in a folder, by the name in its settings; nobody in this process for `worker`.

    A path that is relative counts from the folder. A ValueError says what is wrong with the file it names.
    """
    kind = kind_of(name)
    if kind == "worker":
        return None
    if kind == "extract":
        return extract
    if kind == "endpoint":
        return open_endpoint(name, model, workers)
    path = folder / Path(name).expanduser()
    try:
        facts = path.stat()
        return open_recorded(path, facts.st_mtime_ns, facts.st_size)
    except OSError as error:
        cure = "put a batch job's output there, or let the settings name another responder"
        raise ValueError(f"{path}: no recorded answers can be read ({error.strerror}); {cure}") from error
