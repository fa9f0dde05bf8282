"""Fault injection: the faults that exist, and whether one applies, by rate and seed.

Whether a fault applies depends on the seed, the fault and its target, and on nothing else: the same seed gives the
same faults, in any order and from any process. The target of a request fault is operation and number of the request.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from bedrock_local.protocol.routing import OPERATIONS, PROVIDER_ROUTES

ERROR_CODES = (400, 403, 408, 424, 429, 500, 503)
# Faults of requests, of any operation or of one: `throttled:GetModelInvocationJob`.
REQUEST_FAULTS = {
    "throttled": "refused with ThrottlingException (429), or SlowDown (503) by S3",
    "internal-error": "refused with InternalServerException or InternalError (500), nothing done",
    "unavailable": "refused with ServiceUnavailableException or ServiceUnavailable (503), nothing done",
    "answer-lost": "carried out, but answered with 500",
    "broken-read": "the body of S3 GetObject ends half-way",
    "stream-throttled": "a stream begins, then throttlingException ends it",
    "stream-model-error": "a stream begins, then modelStreamErrorException ends it",
    "stream-timeout": "a stream begins, then modelTimeoutException ends it (of Converse: modelStreamErrorException)",
    "stream-invalid": "a stream begins, then validationException ends it",
    "stream-internal-error": "a stream begins, then internalServerException ends it",
    "stream-unavailable": "a stream begins, then serviceUnavailableException ends it",
    "stream-cut": "a stream begins, then its connection ends",
}
# The last two only where their body asks for a stream.
STREAMS = ("ConverseStream", "InvokeModelWithResponseStream", "CreateMessage", "CreateChatCompletion")
RECORD_FAULTS = {
    **{f"record-{code}": f"an error line with code {code}" for code in ERROR_CODES},
    "record-truncated": "the answer ends half-way, with the stop reason of max_tokens",
    "record-filtered": "the answer is a refusal, with the stop reason of a content filter",
    "record-lost": "counted as a success, and no line in the output",
    "record-repeated": "two lines in the output",
    "line-unreadable": "the line is not JSON",
    "line-cut": "the line ends half-way",
}
JOB_FAULTS = {
    "job-failed": "the job fails half-way, with a message",
    "job-expired": "the job never begins and expires",
    "job-partial": "the job ends as PartiallyCompleted, half of its records done",
    "job-stopped": "the job is stopped half-way, as if by another user",
    "job-slow": "the job waits ten times as long before it begins",
    "manifest-missing": "no manifest",
    "manifest-wrong": "the manifest's counts and tokens are those of fewer records",
    "manifest-unknown-keys": "the manifest has undocumented keys, and nulls",
}
FAULTS = {**RECORD_FAULTS, **JOB_FAULTS, **REQUEST_FAULTS}


def check_faults(faults: Mapping[str, float]) -> None:
    """Raise a ValueError for a fault or an operation that does not exist; it lists those that do."""
    for name in faults:
        kind, colon, operation = name.partition(":")
        if kind not in FAULTS or (colon and kind not in REQUEST_FAULTS):
            raise ValueError(f"unknown fault {name!r}; choose from {', '.join(FAULTS)}")
        names = [name for operations in OPERATIONS.values() for name in operations]
        names += [name for routes in PROVIDER_ROUTES.values() for _, _, name in routes]
        operations = list(find_operations(kind) or names)
        if colon and operation not in operations:
            raise ValueError(f"unknown operation {operation!r} in {name!r}; choose from {', '.join(operations)}")


def applies(rate: float, seed: int, fault: str, *target: object) -> bool:
    """Return whether a fault applies to a target, such as a file and a line."""
    if not rate:
        return False
    # Not hash(), which differs from process to process.
    digest = hashlib.blake2b(repr((seed, fault, *target)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64


def find_request_fault(operation: str, *, faults: Mapping[str, float], seed: int, folder: Path) -> str:
    """Count a request, and return the fault that applies to it; empty for none."""
    if not faults:
        return ""
    rates = {kind: request_rate(kind, operation, faults) for kind in REQUEST_FAULTS}
    if not any(rates.values()):
        return ""
    number = count_request(operation, folder)
    return next((kind for kind, rate in rates.items() if applies(rate, seed, kind, operation, number)), "")


def request_rate(kind: str, operation: str, faults: Mapping[str, float]) -> float:
    """Return the rate of a fault for an operation: its own, else the one for all operations."""
    operations = find_operations(kind)
    if operations and operation not in operations:
        return 0
    return faults.get(f"{kind}:{operation}", faults.get(kind, 0))


def find_operations(kind: str) -> tuple[str, ...]:
    """Return the only operations that a fault of requests applies to; none where it applies to all."""
    if kind == "broken-read":
        return ("GetObject",)
    return STREAMS if kind.startswith("stream-") else ()


def count_request(operation: str, folder: Path) -> int:
    """Return the number of a request among those of its operation, from 1, over all processes."""
    path = folder / "state" / "requests" / (operation or "other")
    path.parent.mkdir(parents=True, exist_ok=True)
    # One byte per request: appending is atomic, and the position after it is the number, without a lock.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b".")
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)
