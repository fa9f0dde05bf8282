"""What a Claude model refuses in whichever form it is asked: sampling, thinking, effort, an answer begun for it.

Sources: "Request and Response" of Anthropic Messages; a provider adapter tested live on 2026-09-29 and migration guides
to 2026-10-08; the texts as reported in aws-samples/bedrock-access-gateway#191, BerriAI/litellm#9524,
danny-avila/LibreChat#8346, vercel/ai#7927, earendil-works/pi#7081, ex-machina-co/opencode-anthropic-auth#159 and
anomalyco/opencode#29760.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_local.models import Model

DEFAULTS = {"temperature": 1, "top_p": 0.999, "top_k": None}
ADAPTIVE = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
BY_DEFAULT = (
    'Thinking defaults to adaptive mode when not specified; use "thinking.type.enabled" with "budget_tokens" for '
    "extended thinking."
)
# Claude 3.5 Haiku, the second 3.5 Sonnet, and all after them.
CACHING = re.compile(r"anthropic\.claude-(3-5-haiku|3-5-sonnet-20241022|3-7|[a-z]+-\d)")
THOUGHTFUL = ("anthropic.claude-opus-5", "anthropic.claude-sonnet-5")


def find_claude_violations(model: Model, wishes: Mapping[str, Any], *, last_role: str) -> Iterator[str]:
    """Name what the model refuses of wishes that have the right form, by the names of Anthropic Messages."""
    yield from find_sampling_violations(model, wishes)
    yield from find_thinking_violations(model, wishes)
    if wishes.get("output_config") is not None and model.sampling == "free":
        # Structured output and effort came with the models of 4.5.
        yield "output_config: Extra inputs are not permitted"
    if last_role == "assistant" and model.thinking in ("both", "adaptive", "always"):
        yield "This model does not support assistant message prefill. The conversation must end with a user message."


def find_sampling_violations(model: Model, wishes: Mapping[str, Any]) -> Iterator[str]:
    """Name sampling parameters that the model no longer takes."""
    given = {name: wishes[name] for name in DEFAULTS if wishes.get(name) is not None}
    if model.sampling == "one" and {"temperature", "top_p"} <= given.keys():
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    for name, value in given.items():
        if model.sampling == "none" and value != DEFAULTS[name]:
            yield f"`{name}` is deprecated for this model."


def find_thinking_violations(model: Model, wishes: Mapping[str, Any]) -> Iterator[str]:
    """Name what the model refuses of `thinking`, and what does not go with it."""
    thinking = wishes.get("thinking") or {}
    kind = thinking.get("type")
    if kind and model.thinking == "never":
        yield "thinking: Extra inputs are not permitted"
    if kind == "adaptive" and model.thinking == "budget":
        yield "adaptive thinking is not supported on this model"
    if kind == "enabled" and model.thinking in ("adaptive", "always"):
        yield f'"thinking.type.enabled" is not supported for this model. {ADAPTIVE}'
    if kind == "disabled" and model.thinking == "always":
        yield f'"thinking.type.disabled" is not supported for this model. {BY_DEFAULT}'
    if kind == "enabled" and thinking["budget_tokens"] >= wishes["max_tokens"]:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if kind in ("enabled", "adaptive"):
        yield from find_clashes(wishes)


def find_clashes(wishes: Mapping[str, Any]) -> Iterator[str]:
    """Name sampling parameters that do not go with thinking; temperature 1 is as good as none."""
    if wishes.get("temperature") not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."
    if (wishes.get("top_p") or 1) < 0.95:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    if wishes.get("top_k") is not None:
        yield "`top_k` must be unset when thinking is enabled."


def is_thinking(model: Model, thinking: Mapping[str, Any] | None) -> bool:
    """Tell whether the model thinks; the newest do so unless they are told not to."""
    if thinking:
        return thinking.get("type") in ("enabled", "adaptive")
    return model.thinking == "always" or model.base.startswith(THOUGHTFUL)


def shows_thought(model: Model, thinking: Mapping[str, Any] | None) -> bool:
    """Tell whether the answer shows the thought: the newest models leave it out unless a summary is asked for."""
    return model.thinking in ("budget", "both") or (thinking or {}).get("display") == "summarized"


def counts_cache(model: Model) -> bool:
    """Tell whether the model's answers count what was read from a cache, and written to it."""
    return bool(CACHING.match(model.base))
