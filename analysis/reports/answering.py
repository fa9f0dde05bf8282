"""Answering: who answered a run, a model or the emulator, and by which means and with which faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from analysis.aws.session import EMULATOR
from analysis.runs import Run

PRICES = "Costs are what AWS would charge for these tokens."
BY_EMULATOR = "Answered by the emulator, not by the models named below."
FAULTS = {"record-filtered": "refusals", "record-truncated": "cut off", "record-lost": "lost"}
RESPONDERS = {
    "extract": "Answered by the emulator, which picks sentences from each call: tokens and stop reasons are those of "
    "its answers, and nothing here tells how well a model would answer.",
    "recorded": "Answered by the emulator with answers that were recorded before.",
}


def describe_answering(run: Run) -> list[str]:
    """Describe in sentences who answered a run on the emulator; empty where Bedrock did."""
    sending = run.read_sending()
    if not is_emulated(sending):
        return []
    told = dict.fromkeys(describe_responder(each) for each in list_answering(run, sending))
    faults = dict.fromkeys(fault for each in list_answering(run, sending) for fault in describe_faults(each))
    injected = f"Faults were injected on purpose, to show what a report says of them: {', '.join(faults)}."
    return [*told, PRICES, *([injected] if faults else [])]


def is_emulated(sending: Mapping[str, Any]) -> bool:
    """Return whether a run was sent to an emulator, by its profile or through a server."""
    return sending.get("profile") == EMULATOR or str(sending.get("account", "")).startswith(f"{EMULATOR}:")


def list_answering(run: Run, sending: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List what answered a run, and the runs that answers were taken from; empty entries where that is not known."""
    sources = run.scan_outputs().select(pl.col("taken_from").unique()).collect(engine="streaming")
    taken = {*sources["taken_from"].drop_nulls()}
    beside = [other.read_sending() for other in run.list_beside() if other.folder.name in taken]
    return [each.get("answering", {}) for each in (sending, *beside)]


def describe_responder(answering: Mapping[str, Any]) -> str:
    """Return a sentence on what answered on an emulator."""
    responder = answering.get("responder")
    if responder == "endpoint":
        model = answering.get("model")
        which = f"the model {model}" if model else "a model"
        return f"Answered by {which} of your own, behind the emulator and in place of those named below."
    return RESPONDERS.get(str(responder), BY_EMULATOR)


def describe_faults(answering: Mapping[str, Any]) -> Iterator[str]:
    """Yield each fault that an emulator injected, with its rate."""
    for name, rate in answering.get("faults", {}).items():
        code = name.removeprefix("record-")
        yield f"{100 * rate:.3g} % {FAULTS.get(name) or (f'errors {code}' if code.isdigit() else name)}"
