"""What the faults of records, jobs and manifests do: plain values in, plain values out.

A record is known by its file and line, a job by its name: the same seed strikes the same ones in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from bedrock_local.faults import RECORD_FAULTS, strikes
from bedrock_local.inference import Question, Reply, Responder, count_tokens
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import BEFORE_RUNNING, EndStatus
from bedrock_local.settings import Settings

# Classes and words of InvokeModel and Converse; Amazon Bedrock API Reference, "Common errors".
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
SLOWNESS = 10
# The first two are read by gateways; the others are made up, as what comes next year may look.
UNKNOWN = {
    "cacheReadInputTokenCount": None,
    "cacheWriteInputTokenCount": None,
    "expiredRecordCount": 0,
    "jobMetrics": {"queueSeconds": None, "shards": [1, 2]},
}


def find_record_fault(settings: Settings, file: str, line: int) -> str:
    """Name the fault that strikes a record, by its input file and the number of its line; empty for none."""
    return first_fault(settings, RECORD_FAULTS, file, line)


def damage_answer(responder: Responder, fault: str) -> Responder:
    """Put an error in the place of an answer, or damage it; other faults leave it as it is."""

    def answer_damaged(question: Question) -> Reply:
        if fault in RECORD_ERRORS:
            raise ServiceError(*RECORD_ERRORS[fault])
        return damage_reply(responder(question), fault)

    return answer_damaged


def damage_reply(reply: Reply, fault: str) -> Reply:
    """Cut a reply in half as `max_tokens` does, or make a refusal of it; other faults leave it as it is."""
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


def damage_line(line: bytes, fault: str) -> bytes:
    """Give the bytes that stand in the output in place of a line."""
    half = line[: len(line) // 2]
    damaged = {
        "record-lost": b"",
        "record-repeated": line + line,
        "line-unreadable": b"\x00" + half + b"\xff\n",
        "line-cut": half + b"\n",
    }
    return damaged.get(fault, line)


def find_job_end(settings: Settings, job_name: str) -> EndStatus | None:
    """Give the end that a fault has in store for a job."""
    fault = first_fault(settings, JOB_ENDS, job_name)
    return JOB_ENDS[fault] if fault else None


def slow_down(settings: Settings, job_name: str) -> Settings:
    """Make the clock of a job that `job-slow` strikes stand ten times as long in all that comes before InProgress."""
    if not strikes(settings.faults.get("job-slow", 0), settings.seed, "job-slow", job_name):
        return settings
    slow = {status: settings.lasts(status) * SLOWNESS for status in BEFORE_RUNNING}
    return msgspec.structs.replace(settings, seconds={**settings.seconds, **slow})


def damage_manifest(manifest: Mapping[str, int], settings: Settings, job_name: str) -> dict[str, Any] | None:
    """Give the manifest that a job leaves; None for none."""
    fault = first_fault(settings, ("manifest-missing", "manifest-wrong", "manifest-unknown-keys"), job_name)
    if fault == "manifest-missing":
        return None
    if fault == "manifest-wrong":
        return forget_records(manifest)
    return {**manifest, **(UNKNOWN if fault else {})}


def forget_records(manifest: Mapping[str, int]) -> dict[str, int]:
    """Take a tenth of the good records, one at least, out of all counts, and as large a share of the tokens."""
    success = manifest["successRecordCount"]
    lost = min(success, max(1, success // 10))
    counts = ("totalRecordCount", "processedRecordCount", "successRecordCount")
    tokens = ("inputTokenCount", "outputTokenCount")
    forgotten = {name: manifest[name] - lost for name in counts}
    forgotten |= {name: manifest[name] * (success - lost) // max(1, success) for name in tokens}
    return {**manifest, **forgotten}


def first_fault(settings: Settings, faults: Iterable[str], *target: object) -> str:
    """Name the first of some faults that strikes a target; empty for none."""
    rates, seed = settings.faults, settings.seed
    return next((fault for fault in faults if strikes(rates.get(fault, 0), seed, fault, *target)), "")
