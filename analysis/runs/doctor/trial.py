"""Trial: one record of each variant, answered on demand before a run is sent; this is paid for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl
from botocore.exceptions import BotoCoreError, ClientError
from narwhals.typing import IntoDataFrame

from analysis.aws.session import EMULATOR, find_region, make_client, open_session
from analysis.display import count, usd
from analysis.errors import AnalysisError
from analysis.facts.models import find_model
from analysis.facts.prices import find_prices
from analysis.families import ParsedAnswer, find_family
from analysis.jobs.on_demand import CALLER_ERRORS, invoke_once
from analysis.metrics.estimates import estimate_costs
from analysis.prompts import Prompt, PromptSource, read_prompts
from analysis.requests.records import describe_record
from analysis.runs.doctor.findings import Finding, explain, find_code, tabulate_findings
from analysis.runs.regions import find_prompt_prices, list_regions
from analysis.transcripts.frames import check_frame, read_frame

CHECK = "answer"


def try_variants(
    calls: IntoDataFrame,
    prompts: PromptSource,
    *,
    profile: str = EMULATOR,
    region: str = "",
    budget_usd: float | None = None,
    ask: Callable[[str], str] = input,
    now: Callable[[], float] = time.monotonic,
) -> pl.DataFrame:
    """Ask one record of each variant on demand, after a yes to the price or within a budget.

    The record is that of the first call by `call_id`. What is asked and answered is not kept and not shown.

    Parameters
    ----------
    calls, prompts
        As `prepare` takes them.
    profile, region
        As in `invoke`. On the emulator nothing is charged, and no question is asked.
    budget_usd
        The most that these records may cost together, at the upper end of their estimate; without it, the price is
        shown and has to be confirmed.
    ask, now
        Prints a question and returns what was typed; returns the time in seconds.

    Returns
    -------
    frame
        One row per variant, in the columns of `diagnose`: `ok` with the seconds, tokens and cost of the answer; `error`
        with the refusal and its cure; `warning` for an answer that was cut off or has no text; `unknown` where nothing
        was asked, with the reason.

    Raises
    ------
    CallsError
        There is no call, or a column is missing.
    PromptError, ModelError
        A prompt does not fit the calls or its model.
    """
    variants = read_prompts(prompts)
    frame = check_frame(read_frame(calls)).sort("call_id").head(1)
    records = [describe_record(prompt, call) for call in frame.iter_rows(named=True) for prompt in variants]
    where = find_region(profile, region)
    highest = find_highest(variants, [tokens for _, tokens, _ in records], where)
    refusal = "" if profile == EMULATOR else find_refusal(highest, len(records), budget_usd, ask)
    if refusal:
        cure = "say yes to the price, or give a budget that covers it (--budget-usd)"
        return tabulate_findings(Finding(CHECK, "unknown", f"{each.name}: {refusal}", cure) for each in variants)
    requests = [request for _, _, request in records]
    return tabulate_findings(ask_each(variants, requests, profile, where, now))


def find_highest(prompts: Sequence[Prompt], tokens: Sequence[int], region: str) -> float | None:
    """Estimate the upper end of what the records cost on demand; missing where a price is not known."""
    columns = ("variant", "model_id", "input_tokens_estimate", "max_tokens")
    rows = [(each.name, each.model_id, size, each.max_tokens) for each, size in zip(prompts, tokens, strict=True)]
    prices = find_prompt_prices(prompts, region)
    costs = estimate_costs(pl.DataFrame(rows, columns, orient="row"), prices, invocation="on_demand")["cost_usd_high"]
    return None if costs.null_count() else float(costs.sum())


def find_refusal(highest: float | None, records: int, budget_usd: float | None, ask: Callable[[str], str]) -> str:
    """Return why the records are not asked; empty where they are within the budget, or confirmed."""
    if budget_usd is not None:
        if budget_usd == math.inf:
            return ""
        if highest is None:
            return "not asked: no price is known for a model, so its cost cannot be checked against a budget"
        within = highest <= budget_usd  # false for a budget of NaN too
        return "" if within else f"not asked: may cost up to {usd(highest)}, and the budget is {usd(budget_usd)}"
    price = "a cost that is not known" if highest is None else f"at most {usd(highest)}"
    question = f"Ask {count(records, 'record')} now, one per variant, on demand, for {price}? [y/N] "
    try:
        answer = ask(question)
    # What a closed terminal, a pytest run and a kernel without a front end raise.
    except (EOFError, OSError, RuntimeError, NotImplementedError):
        return f"not asked: the price, {price}, cannot be confirmed here"
    return "" if answer.strip().lower() in {"y", "yes"} else f"not asked: {price} was not confirmed"


def ask_each(
    prompts: Sequence[Prompt],
    requests: Sequence[Mapping[str, Any]],
    profile: str,
    region: str,
    now: Callable[[], float],
) -> Iterator[Finding]:
    """Ask the record of each variant, and describe what came of it; one that is refused does not stop the others."""
    regions = list_regions({prompt.name: prompt.region for prompt in prompts}, region)
    clients = {each: make_client(open_session(profile, region=each), "bedrock-runtime") for each in regions}
    for prompt, request in zip(prompts, requests, strict=True):
        there = prompt.region or region
        client, began = clients[there], now()
        try:
            reply = invoke_once(client, prompt.model_id, prompt.invocation_type, request)
            yield describe_answer(prompt, reply, now() - began, there)
        except (BotoCoreError, ClientError, AnalysisError) as error:
            reason, cure = explain(error)
            yield Finding(CHECK, "error", f"{prompt.name}: {reason}", CALLER_ERRORS.get(find_code(error), cure))
        except msgspec.DecodeError as error:
            cure = "write invocation_type: Converse in the prompt, whose answers have one form"
            yield Finding(CHECK, "error", f"{prompt.name}: its answer cannot be read ({error})", cure)


def describe_answer(prompt: Prompt, reply: bytes, seconds: float, region: str) -> Finding:
    """Describe an answer by its size, cost and end; what it says is not shown."""
    family = find_family(find_model(prompt.model_id), prompt.invocation_type)
    parsed = family.read_answer(reply)
    stop = family.find_stop(parsed.stop_reason) or "unknown"
    cost = find_cost(prompt.model_id, parsed, region)
    tokens = f"{show(parsed.input_tokens)} tokens in, {show(parsed.output_tokens)} out"
    detail = f"{prompt.name}: answered in {seconds:.1f} s, {tokens}, {usd(cost)}, stop: {stop}"
    if stop == "length":
        return Finding(CHECK, "warning", detail, "raise max_tokens: the answer was cut off")
    if not parsed.text and stop != "tool":
        return Finding(CHECK, "warning", f"{detail}, without text", "look at it by preview(prompt, call, profile=...)")
    return Finding(CHECK, "ok", detail)


def find_cost(model_id: str, answer: ParsedAnswer, region: str) -> float | None:
    """Price an answer on demand; missing where its tokens or the price are not known."""
    prices = find_prices([model_id], region=region).filter(pl.col("invocation") == "on_demand")
    if prices.is_empty() or answer.input_tokens is None or answer.output_tokens is None:
        return None
    rates = prices.row(0, named=True)
    given = (rates["input_usd_per_million"], rates["output_usd_per_million"])
    if None in given:
        return None
    return float((answer.input_tokens * given[0] + answer.output_tokens * given[1]) / 1e6)


def show(number: int | None) -> str:
    """Format a count that may be missing."""
    return "unknown" if number is None else f"{number:,}"
