"""Checks of prompts: settings that a model would refuse, found before anything is sent.

The service finds them record by record, in a job that waits for hours and then ends Completed. Sources: the families'
own pages, facts/models.csv and facts/generations.csv. `additional_fields` are the way around a rule that no longer
holds, but none around the plan: what would replace a field of the body, or cost more than the plan reckons with, is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from analysis.errors import ModelError, PromptError
from analysis.facts.models import Model, find_model
from analysis.families import FAMILIES, Family, find_family
from analysis.families.family import add_fields
from analysis.prompts import Prompt
from analysis.requests.schemas import check_schema_fields

Violation = tuple[str, str]  # reason and cure
MIN_THINKING_TOKENS = 1024
ANY = (0, float("inf"))
DEFAULT_TEMPERATURE = 1  # of the models that accept no sampling parameters
# In Converse these have no stop sequences: langgenius/dify-official-plugins#1767, langchain-ai/langchain-aws#664.
NO_STOP = re.compile(r"openai\.|qwen\.|deepseek\.v")
# In Converse these have no system text: Amazon Bedrock User Guide, "Supported models and model features" of Converse.
NO_SYSTEM = re.compile(r"amazon\.titan-t|cohere\.command-(text|light)|mistral\.(mistral-7b|mixtral)|ai21\.j2")
# The model is a field of the job, and a batch job cannot stream.
FOREIGN = ("model", "modelId", "stream")
# Members of a request of Converse that the model's own fields must not hide, where a prompt has no place for them.
MEMBERS = {
    "additionalModelRequestFields": "write what is in it as additional_fields",
    "additionalModelResponseFieldPaths": "leave it out: no column would have what it adds",
    "promptVariables": "write {{ name }} in the text",
    "requestMetadata": "leave it out: a batch job takes no metadata of a record; tag the job",
    "serviceTier": "leave it out: a batch job has a price of its own",
    "system": "write the text under '# System'",
    "toolConfig": "set invocation_type to InvokeModel, and write the tools as the model's own format has them",
}
# Every name that a format has, or has had, for the most tokens of an answer; a format may know two of them.
MOST_TOKENS = {
    "max_tokens", "max_completion_tokens", "max_gen_len", "max_length", "max_new_tokens", "max_output_tokens",
    "max_tokens_to_sample", "maxNewTokens", "maxOutputTokens", "maxTokenCount", "maxTokens",
}  # fmt: skip
# How many answers one request asks for, each of up to max_tokens: OpenAI and Jamba, Cohere, Jurassic, and servers of
# imported models.
ANSWERS = {"n", "best_of", "num_generations", "num_return_sequences", "numResults"}
# Classes of service with prices of their own; a batch job takes none.
PRICED = {"service_tier", "serviceTier", "performanceConfig", "speed", "inference_geo"}
LONG_CONTEXT = "context-1m"  # the beta of Claude by which a request of more than 200,000 tokens has a higher price
EFFORT_BETA = "effort"
TEXTS = {"messages", "message", "prompt", "inputText", "chat_history"}
# Where the header, or the text below it, sets what a body calls otherwise.
OWN_KEYS = {
    **dict.fromkeys(MOST_TOKENS, "max_tokens"),
    **dict.fromkeys(("topP", "p"), "top_p"),
    **dict.fromkeys(("topK", "k"), "top_k"),
    **dict.fromkeys(("stop", "stopSequences"), "stop_sequences"),
    **dict.fromkeys(("temperature", "top_p", "top_k", "stop_sequences")),
}


def check_settings(prompt: Prompt) -> None:
    """Raise a PromptError for a prompt whose records its model would refuse.

    Raises
    ------
    PromptError
        A setting that the family does not have, that is out of its range, or that the model has dropped; two settings
        that exclude each other; a max_tokens above the model's ceiling; thinking that it cannot do.
    ModelError
        A model whose requests this package cannot write.
    """
    model = find_model(prompt.model_id)
    family = find_family(model, prompt.invocation_type)
    violations = (
        *check_fields(prompt),
        *check_schema_fields(prompt),
        *check_replaced(prompt, family),
        *check_members(prompt),
        *check_output(prompt, model),
        *check_max_tokens(prompt, model),
        *check_ranges(prompt, model, family),
        *check_stop_sequences(prompt, model, family),
        *check_converse(prompt, model),
        *check_sampling(prompt, model),
        *check_thinking(prompt, model),
        *check_effort(prompt, model),
    )
    for reason, cure in violations:
        raise PromptError(prompt.name, reason, cure)


def check_fields(prompt: Prompt) -> Iterator[Violation]:
    """Find fields that belong to the job or the call, not to a record."""
    for name in FOREIGN:
        if name in prompt.additional_fields:
            yield f"additional_fields has {name!r}, which no record of a batch job may have", f"leave {name!r} out"


def check_members(prompt: Prompt) -> Iterator[Violation]:
    """Find members of Converse that would be hidden among the model's own fields, where nothing reads them."""
    for name, cure in MEMBERS.items() if prompt.invocation_type == "Converse" else ():
        if name in prompt.additional_fields:
            yield f"additional_fields has {name!r}, which no record of a batch job takes by Converse", cure


def check_replaced(prompt: Prompt, family: Family) -> Iterator[Violation]:
    """Find fields that would replace what the prompt's own text and parameters have put into the body."""
    bare = replace(prompt, additional_fields={})
    body = family.write_request(bare, "text")
    if prompt.invocation_type == "Converse":
        # Converse refuses a name that its own body has in another place: "The additional field system conflicts with an
        # existing field" (danny-avila/LibreChat#14246).
        more = body.get("additionalModelRequestFields", {})
        body = dict.fromkeys(TEXTS) | add_fields(add_fields(body, write_native_body(bare)), more)
    for path in find_shared(prompt.additional_fields, body):
        name = path.rpartition(".")[2]
        yield f"additional_fields has {path!r}, which the body has already", cure_replaced(name)


def write_native_body(prompt: Prompt) -> dict[str, Any]:
    """Write the body that a prompt would have by InvokeModel; empty where that format is not known."""
    try:
        family = find_family(find_model(prompt.model_id), "InvokeModel")
    except ModelError:
        return {}
    return family.write_request(replace(prompt, invocation_type="InvokeModel"), "text")


def find_shared(fields: Mapping[str, Any], body: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the dotted paths of the fields that a body has too; an object of both is searched further."""
    for name, value in fields.items():
        if isinstance(value, dict) and isinstance(body.get(name), dict):
            yield from find_shared(value, body[name], f"{path}{name}.")
        elif name in body:
            yield f"{path}{name}"


def cure_replaced(name: str) -> str:
    """Return where a prompt sets what a field of the body holds."""
    if name in TEXTS:
        return "write the text under '# User'"
    if name in {"system", "preamble"}:
        return "write the text under '# System'"
    return f"set {OWN_KEYS[name] or name} in the header" if name in OWN_KEYS else f"leave {name!r} out"


def check_output(prompt: Prompt, model: Model) -> Iterator[Violation]:
    """Find fields by which an answer may have more tokens than max_tokens, or tokens another price."""
    for path, value in walk_fields(prompt.additional_fields):
        name = path.rpartition(".")[2]
        if name in MOST_TOKENS and isinstance(value, int | float):
            reason = f"additional_fields has {path!r}, a second limit beside max_tokens, by which the plan reckons"
            yield reason, "set max_tokens in the header"
        elif name in ANSWERS and value != 1 and isinstance(value, int | float):
            reason = f"additional_fields has {path!r}, which asks for several answers at once, and the plan reckons one"
            yield reason, "set samples in the header"
        elif name in PRICED:
            yield f"additional_fields has {path!r}, which changes the price that the plan reckons with", "leave it out"
        elif name == "anthropic_beta" and any(str(beta).startswith(LONG_CONTEXT) for beta in as_list(value)):
            reason = f"additional_fields have the beta {LONG_CONTEXT}, with a price that the plan does not reckon with"
            yield reason, "leave it out: newer models have the context without it"
        elif name == "maxReasoningEffort" and value == "high" and model.provider == "amazon":
            # Amazon Nova 2 User Guide, "Extended thinking": such an answer may have 128,000 tokens, whatever is asked.
            yield f"{model.base} takes no max_tokens where {name} is high", "write low or medium"


def as_list(value: Any) -> list[Any]:
    """Return a list, or a single value as one."""
    return value if isinstance(value, list) else [value]


def walk_fields(fields: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every field of nested objects with its dotted path; lists hold tools and schemas, not parameters."""
    for name, value in fields.items():
        yield f"{path}{name}", value
        if isinstance(value, dict):
            yield from walk_fields(value, f"{path}{name}.")


def check_max_tokens(prompt: Prompt, model: Model) -> Iterator[Violation]:
    """Find a max_tokens above the ceiling of the model; a newer one than is known may have a higher one."""
    ceiling = model.max_output_tokens
    if ceiling and not model.follows and prompt.max_tokens > ceiling:
        reason = f"max_tokens is {prompt.max_tokens:,}; {model.base} refuses more than {ceiling:,}"
        yield reason, f"set max_tokens to {ceiling} or less"


def check_ranges(prompt: Prompt, model: Model, family: Family) -> Iterator[Violation]:
    """Find settings that the format does not have, or that are out of its bounds."""
    ranges = {
        "temperature": family.limits.temperature,
        "top_p": family.limits.top_p,
        "top_k": find_top_k_range(model, family),
    }
    for name, bounds in ranges.items():
        value = getattr(prompt, name)
        if value is None:
            continue
        if bounds is None:
            yield f"{model.base} has no {name}", f"leave {name} out"
        elif not bounds[0] <= value <= bounds[1]:
            yield f"{name} is {value:g}; {model.base} takes {bounds[0]:g} to {bounds[1]:g}", f"choose another {name}"


def check_stop_sequences(prompt: Prompt, model: Model, family: Family) -> Iterator[Violation]:
    """Find stop sequences where the format has none, or takes fewer."""
    most = family.limits.stop_sequences
    if most is not None and len(prompt.stop_sequences) > most:
        has = f"takes {most:,} stop sequences at most" if most else "has no stop sequences"
        yield f"{model.base} by {prompt.invocation_type} {has}", "leave out the others" if most else "leave them out"


def find_top_k_range(model: Model, family: Family) -> tuple[float, float] | None:
    """Find the bounds of top_k; in Converse they are those of the model's own format, where that is known."""
    own = [other for other in FAMILIES if other.models.match(model.base)] if family.name == "converse" else [family]
    return own[0].limits.top_k if own else ANY


def check_converse(prompt: Prompt, model: Model) -> Iterator[Violation]:
    """Find fields that Converse accepts and that the model does not support."""
    if prompt.invocation_type != "Converse":
        return
    if prompt.stop_sequences and NO_STOP.match(model.base):
        yield f"{model.base} by Converse has no stop sequences", "leave them out, or set invocation_type to InvokeModel"
    if prompt.system and NO_SYSTEM.match(model.base):
        yield f"{model.base} by Converse has no system text", "write it under '# User'"


def check_sampling(prompt: Prompt, model: Model) -> Iterator[Violation]:
    """Find sampling parameters that the model no longer accepts, or of which it accepts only one."""
    settings = {name: getattr(prompt, name) for name in ("temperature", "top_p", "top_k")}
    sent = {name: value for name, value in settings.items() if value is not None}
    dropped = [name for name, value in sent.items() if (name, value) != ("temperature", DEFAULT_TEMPERATURE)]
    if model.sampling == "none" and dropped:
        yield f"{model.base} refuses {' and '.join(dropped)}", f"leave out {' and '.join(dropped)}"
    if model.sampling == "one" and {"temperature", "top_p"} <= sent.keys():
        yield f"{model.base} refuses temperature and top_p together", "keep one of them"


def check_thinking(prompt: Prompt, model: Model) -> Iterator[Violation]:
    """Find settings of thinking that a Claude model does not accept, or that leave no tokens for the answer."""
    thinking = prompt.additional_fields.get("thinking")
    if model.provider != "anthropic" or not isinstance(thinking, dict):
        return
    kind = thinking.get("type")
    if kind and model.thinking == "never":
        yield f"{model.base} cannot think", "leave thinking out"
    if kind == "adaptive" and model.thinking == "budget":
        yield f"{model.base} takes no adaptive thinking", "write thinking: {type: enabled, budget_tokens: 1024} or more"
    if kind == "disabled" and model.thinking == "always":
        yield f"thinking of {model.base} cannot be disabled", "leave thinking out"
    if kind == "enabled":
        yield from check_budget(prompt, model, thinking.get("budget_tokens"))


def check_budget(prompt: Prompt, model: Model, budget: Any) -> Iterator[Violation]:
    """Find a budget for thinking that a Claude model does not accept, and what cannot be set beside one."""
    if model.thinking in {"adaptive", "always"}:
        yield f"{model.base} takes no budget for thinking", "write thinking: {type: adaptive}"
    elif not isinstance(budget, int) or budget < MIN_THINKING_TOKENS:
        yield f"budget_tokens of thinking is {budget}, and the least is {MIN_THINKING_TOKENS:,}", "raise budget_tokens"
    elif budget >= prompt.max_tokens:
        reason = f"budget_tokens of thinking is {budget:,} of {prompt.max_tokens:,} max_tokens: no answer has room"
        yield reason, "raise max_tokens above the budget"
    if prompt.temperature not in (None, DEFAULT_TEMPERATURE):
        yield f"temperature is {prompt.temperature:g}, and a model that thinks takes none", "leave temperature out"


def check_effort(prompt: Prompt, model: Model) -> Iterator[Violation]:
    """Find an effort that a Claude model does not accept."""
    fields = prompt.additional_fields
    config, thinking = fields.get("output_config"), fields.get("thinking")
    effort = config.get("effort") if isinstance(config, dict) else None
    if effort is None or model.provider != "anthropic":
        return
    betas = [str(beta) for beta in as_list(fields.get("anthropic_beta"))]
    if model.effort == "no":
        yield f"{model.base} takes no effort", "leave effort out"
    if model.effort == "beta" and not any(beta.startswith(EFFORT_BETA) for beta in betas):
        yield f"{model.base} takes an effort by its beta alone", f"add anthropic_beta: [{EFFORT_BETA}-2025-11-24]"
    is_off = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    if model.effort == "capped" and is_off and effort in {"xhigh", "max"}:
        yield f"{model.base} takes effort {effort} only where it thinks", "write high, or leave thinking out"
