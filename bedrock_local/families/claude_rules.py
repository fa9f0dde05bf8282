"""What Claude models refuse, by InvokeModel and Converse alike: sampling, thinking, effort, a prefilled answer.

Sources: "Request and Response" of Anthropic Messages; a provider adapter tested live on 2026-09-29 and migration guides
to 2026-10-08; the texts as reported in aws-samples/bedrock-access-gateway#191, BerriAI/litellm#9524,
danny-avila/LibreChat#8346, vercel/ai#7927, earendil-works/pi#7081, ex-machina-co/opencode-anthropic-auth#159 and
anomalyco/opencode#29760; of forced tools in 567-labs/instructor#2681 and langchain-ai/langchain-aws#1274.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_local.families.claude_schemas import find_schema_violations
from bedrock_local.models import Model

# Values that models without sampling still accept.
DEFAULTS = {"temperature": 1, "top_p": 0.999, "top_k": None}
ADAPTIVE = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
BY_DEFAULT = (
    'Thinking defaults to adaptive mode when not specified; use "thinking.type.enabled" with "budget_tokens" for '
    "extended thinking."
)
# Claude 3.5 Haiku, the second 3.5 Sonnet, and all after them.
CACHES_PROMPTS = re.compile(r"anthropic\.claude-(3-5-haiku|3-5-sonnet-20241022|3-7|[a-z]+-\d)")


def find_claude_violations(model: Model, parameters: Mapping[str, Any], *, last_role: str) -> Iterator[str]:
    """Find what the model refuses of parameters that match the schema; their names are those of Anthropic Messages."""
    yield from find_sampling_violations(model, parameters)
    yield from find_thinking_violations(model, parameters)
    if forces_tool(parameters) and not model.takes_forced_tools:
        yield 'tool_choice: type "tool" and "any" are not supported for this model'
    if parameters.get("output_config") is not None and model.sampling == "free":
        # Structured output and effort came with the models of 4.5.
        yield "output_config: Extra inputs are not permitted"
    yield from find_effort_violations(model, parameters)
    yield from find_schema_violations(model, parameters)
    if last_role == "assistant" and model.thinking in ("both", "adaptive", "always"):
        yield "This model does not support assistant message prefill. The conversation must end with a user message."


def find_sampling_violations(model: Model, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Find sampling parameters that the model no longer accepts."""
    given = {name: parameters[name] for name in DEFAULTS if parameters.get(name) is not None}
    if model.sampling == "one" and {"temperature", "top_p"} <= given.keys():
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    for name, value in given.items():
        if model.sampling == "none" and value != DEFAULTS[name]:
            yield f"`{name}` is deprecated for this model."


def find_thinking_violations(model: Model, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Find what the model refuses of `thinking`, and parameters that cannot be combined with it."""
    thinking = parameters.get("thinking") or {}
    kind = thinking.get("type")
    if kind and model.thinking == "never":
        yield "thinking: Extra inputs are not permitted"
    if kind == "adaptive" and model.thinking == "budget":
        yield "adaptive thinking is not supported on this model"
    if kind == "enabled" and model.thinking in ("adaptive", "always"):
        yield f'"thinking.type.enabled" is not supported for this model. {ADAPTIVE}'
    if kind == "disabled" and model.thinking == "always":
        yield f'"thinking.type.disabled" is not supported for this model. {BY_DEFAULT}'
    if kind == "enabled" and thinking["budget_tokens"] >= parameters["max_tokens"]:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if kind in ("enabled", "adaptive"):
        yield from find_thinking_conflicts(parameters)


def find_effort_violations(model: Model, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Find an effort that the model does not take, or takes only while it thinks; the second wording is our own."""
    effort = (parameters.get("output_config") or {}).get("effort")
    if effort is None:
        return
    if model.effort == "no":
        yield "This model does not support the effort parameter"
    is_off = (parameters.get("thinking") or {}).get("type") == "disabled"
    if model.effort == "capped" and is_off and effort in ("xhigh", "max"):
        yield f"output_config.effort: '{effort}' is not supported when thinking is disabled. Use 'high' or lower."


def find_thinking_conflicts(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Find what cannot be combined with thinking: a forced tool, and sampling parameters but a temperature of 1."""
    if forces_tool(parameters):
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if parameters.get("temperature") not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."
    if (parameters.get("top_p") or 1) < 0.95:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    if parameters.get("top_k") is not None:
        yield "`top_k` must be unset when thinking is enabled."


def forces_tool(parameters: Mapping[str, Any]) -> bool:
    """Return whether a tool has to be called."""
    return (parameters.get("tool_choice") or {}).get("type") in ("tool", "any")


def is_thinking(model: Model, thinking: Mapping[str, Any] | None) -> bool:
    """Return whether the model thinks; the newest models do unless thinking is disabled."""
    if thinking:
        return thinking.get("type") in ("enabled", "adaptive")
    return model.thinking == "always" or model.thinks_by_default


def shows_reasoning(model: Model, thinking: Mapping[str, Any] | None) -> bool:
    """Return whether the answer shows the reasoning; the newest models leave it empty unless a summary is requested."""
    return model.thinking in ("budget", "both") or (thinking or {}).get("display") == "summarized"


def reports_cache_tokens(model: Model) -> bool:
    """Return whether the model's answers count tokens read from a cache and written to it."""
    return bool(CACHES_PROMPTS.match(model.base))
