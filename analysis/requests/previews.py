"""Previews: the record of one call and one prompt, and its answer, for tuning a prompt before a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from analysis.aws.session import make_client, open_session
from analysis.errors import PromptError, escape_controls
from analysis.facts.models import find_model
from analysis.facts.prices import find_prices
from analysis.families import find_family
from analysis.jobs.on_demand import invoke_once
from analysis.metrics.estimates import estimate_costs
from analysis.prompts import Prompt, read_prompts
from analysis.prompts.html import format_texts
from analysis.requests.prompt_checks import check_settings
from analysis.requests.records import describe_record


@dataclass(frozen=True, repr=False)
class Preview:
    """One record as it would be sent and, if the model was asked, its answer.

    Attributes
    ----------
    system, text
        The system text and the user's text that the model gets.
    input_tokens
        An estimate: bytes of text / 4.
    max_tokens
        The most tokens that an answer may have.
    cost_usd_high
        The cost of the record in a batch job if the answer has `max_tokens`; None when no price is known.
    answer, stop, answer_tokens
        The model's text, why it stopped, and its tokens; None if the model was not asked.
    """

    system: str
    text: str
    input_tokens: int
    max_tokens: int
    cost_usd_high: float | None
    answer: str | None = None
    stop: str | None = None
    answer_tokens: int | None = None

    def heading(self) -> str:
        """Format tokens and price as one sentence."""
        price = (
            "no price is known" if self.cost_usd_high is None else f"at most {self.cost_usd_high:.6f} USD in a batch"
        )
        return f"About {self.input_tokens:,} tokens in, up to {self.max_tokens:,} out: {price}."

    def list_parts(self) -> dict[str, str]:
        """Map titles to texts: system, user and, if there is one, answer."""
        system = {"System": self.system} if self.system else {}
        title = f"Answer ({self.answer_tokens} tokens, stop: {self.stop})"
        answer = {title: self.answer or ""} if self.stop is not None else {}
        return {**system, "User": self.text, **answer}

    def __repr__(self) -> str:
        parts = (f"--- {title}\n{text}" for title, text in self.list_parts().items())
        return escape_controls("\n\n".join([self.heading(), *parts]))

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.heading())}</p>{format_texts(self.list_parts())}"


def preview(
    prompt: Prompt | str | Path, call: Mapping[str, Any], *, profile: str | None = None, region: str = ""
) -> Preview:
    """Show the text, the tokens and the price of one record and, with a profile, the model's answer.

    Parameters
    ----------
    prompt
        The prompt to look at, or its file.
    call
        One call: a row of `read_calls`, such as `calls.row(0, named=True)` in polars.
    profile, region
        AWS profile (`emulator`: an account in a folder) with which the model is asked, at the on-demand price, and the
        Region where the prompt names none. Without a profile nothing is sent.

    Raises
    ------
    PromptError
        The template does not fit the call, `call` is not a row, or the model would refuse a parameter of the prompt.
    """
    prompt = read_one(prompt)
    check_settings(prompt)
    if not isinstance(call, Mapping):
        cure = "give a row: calls.row(0, named=True) in polars, calls.iloc[0].to_dict() in pandas"
        raise PromptError(prompt.name, f"a {type(call).__name__} is not one call", cure)
    text, tokens, request = describe_record(prompt, call)
    row = {"variant": prompt.name, "model_id": prompt.model_id, "input_tokens_estimate": tokens}
    there = prompt.region or region
    prices = find_prices(prompt.model_id, region=there)
    estimate = estimate_costs(pl.DataFrame([row | {"max_tokens": prompt.max_tokens}]), prices)
    shown = Preview(prompt.system, text, tokens, prompt.max_tokens, estimate["cost_usd_high"][0])
    if profile is None:
        return shown
    client = make_client(open_session(profile, region=there), "bedrock-runtime")
    reply = invoke_once(client, prompt.model_id, prompt.invocation_type, request)
    return add_answer(shown, prompt, reply)


def read_one(where: Prompt | str | Path) -> Prompt:
    """Read the one prompt of a file; a prompt is itself."""
    prompts = read_prompts(where)
    if len(prompts) != 1:
        raise PromptError("preview", f"{len(prompts)} prompts were passed", "pass one of them")
    return prompts[0]


def add_answer(shown: Preview, prompt: Prompt, reply: bytes) -> Preview:
    """Return the preview with the model's answer added."""
    family = find_family(find_model(prompt.model_id), prompt.invocation_type)
    parsed = family.read_answer(reply)
    stop = family.find_stop(parsed.stop_reason) or "unknown"
    return replace(shown, answer=parsed.text, stop=stop, answer_tokens=parsed.output_tokens)
