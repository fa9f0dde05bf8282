"""What the faults of records, jobs and manifests do: functions from values to values.

A record is known by its file and line, a job by its name, so the same seed gives the same faults in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from bedrock_local.faults import RECORD_FAULTS, applies
from bedrock_local.inference import Question, Reply, Responder, count_tokens
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import BEFORE_RUNNING, EndStatus
from bedrock_local.settings import Settings

# Classes and messages of InvokeModel and Converse; Amazon Bedrock API Reference, "Common errors".
RECORD_ERRORS = {
    "record-400": ("ValidationException", "Malformed input request, please reformat your input and try again."),
    "record-403": ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    "record-408": ("ModelTimeoutException", "The request took too long to process. Try again."),
    "record-424": ("ModelErrorException", "The request failed due to an error while processing the model."),
    "record-429": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "record-500": ("InternalServerException", "The system encountered an unexpected error during processing."),
    "record-503": ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
REFUSAL = "I can't help with that."
JOB_ENDS: dict[str, EndStatus] = {
    "job-failed": "Failed",
    "job-expired": "Expired",
    "job-partial": "PartiallyCompleted",
    "job-stopped": "Stopped",
}
SLOW_FACTOR = 10
# The first two are read by gateways; the others are made up, as fields of a later year may look.
UNDOCUMENTED = {
    "cacheReadInputTokenCount": None,
    "cacheWriteInputTokenCount": None,
    "expiredRecordCount": 0,
    "jobMetrics": {"queueSeconds": None, "shards": [1, 2]},
}


def find_record_fault(settings: Settings, file: str, line: int) -> str:
    """Return the fault that applies to a record, by its input file and the number of its line; empty for none."""
    return first_fault(settings, RECORD_FAULTS, file, line)


def inject_fault(responder: Responder, fault: str) -> Responder:
    """Return a responder that raises a fault's error, or changes the reply as it says; other faults do nothing."""

    def respond_with_fault(question: Question) -> Reply:
        if fault in RECORD_ERRORS:
            raise ServiceError(*RECORD_ERRORS[fault])
        return apply_reply_fault(responder(question), fault)

    return respond_with_fault


def apply_reply_fault(reply: Reply, fault: str) -> Reply:
    """Truncate a reply to its half as `max_tokens` would, or replace it by a refusal; other faults do nothing."""
    if fault == "record-truncated":
        return replace(
            reply,
            text=reply.text[: len(reply.text) // 2],
            stop="length",
            output_tokens=reply.output_tokens // 2,
            stop_sequence=None,
        )
    if fault == "record-filtered":
        return replace(reply, text=REFUSAL, stop="filtered", output_tokens=count_tokens(REFUSAL), stop_sequence=None)
    return reply


def apply_line_fault(line: bytes, fault: str) -> bytes:
    """Return the bytes that are written in place of an output line."""
    half = line[: len(line) // 2]
    damaged = {
        "record-lost": b"",
        "record-repeated": line + line,
        "line-unreadable": b"\x00" + half + b"\xff\n",
        "line-cut": half + b"\n",
    }
    return damaged.get(fault, line)


def find_job_end(settings: Settings, job_name: str) -> EndStatus | None:
    """Return the end that a fault makes of a job; None for no fault."""
    fault = first_fault(settings, JOB_ENDS, job_name)
    return JOB_ENDS[fault] if fault else None


def slow_clock(settings: Settings, job_name: str) -> Settings:
    """Make each status before InProgress last ten times as long where `job-slow` applies to the job."""
    if not applies(settings.faults.get("job-slow", 0), settings.seed, "job-slow", job_name):
        return settings
    slow = {status: settings.minimum_seconds(status) * SLOW_FACTOR for status in BEFORE_RUNNING}
    return msgspec.structs.replace(settings, seconds={**settings.seconds, **slow})


def apply_manifest_fault(manifest: Mapping[str, int], settings: Settings, job_name: str) -> dict[str, Any] | None:
    """Return the manifest that a job writes, as the faults change it; None where it writes none."""
    fault = first_fault(settings, ("manifest-missing", "manifest-wrong", "manifest-unknown-keys"), job_name)
    if fault == "manifest-missing":
        return None
    if fault == "manifest-wrong":
        return understate_counts(manifest)
    return {**manifest, **(UNDOCUMENTED if fault else {})}


def understate_counts(manifest: Mapping[str, int]) -> dict[str, int]:
    """Subtract a tenth of the successful records, one at least, from all counts, and as large a share of the tokens."""
    success = manifest["successRecordCount"]
    missing = min(success, max(1, success // 10))
    counts = ("totalRecordCount", "processedRecordCount", "successRecordCount")
    tokens = ("inputTokenCount", "outputTokenCount")
    fewer = {name: manifest[name] - missing for name in counts}
    fewer |= {name: manifest[name] * (success - missing) // max(1, success) for name in tokens}
    return {**manifest, **fewer}


def first_fault(settings: Settings, faults: Iterable[str], *target: object) -> str:
    """Return the first of some faults that applies to a target; empty for none."""
    rates, seed = settings.faults, settings.seed
    return next((fault for fault in faults if applies(rates.get(fault, 0), seed, fault, *target)), "")
