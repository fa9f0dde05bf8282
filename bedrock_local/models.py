"""The catalogue of models: which accept batch jobs, and the limits of their requests.

Sources: "Supported Regions and models for batch inference" (2026), also for the models that need an inference
profile; output limits as the service enforces them, or the model's page; context windows from the models' cards; the
rules of Claude from the "Request and Response" page of Anthropic Messages and migration guides; ends from "Model
lifecycle" and the cards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from typing import Literal

PROFILE = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")


# The end of an id that names a release, and the version in the rest: claude-3-5-sonnet, nova-2-lite, deepseek.v3.2.
RELEASE = re.compile(r"(-20\d{6})?(-v\d+(:\d+)?|-\d:\d)?$")
VERSION = re.compile(r"(?<!\d)(\d{1,2})(?:[-.](\d{1,2}))?(?=[-.:]|$)")
# Lines in which a new version may have a new name (fable, premier); in others the name has to be a known one.
LINES = (
    re.compile(r"anthropic\.claude-"),
    re.compile(r"amazon\.nova-(?!.*(?:embed|canvas|reel|sonic))"),
    re.compile(r"meta\.llama"),
)


@dataclass(frozen=True)
class Model:
    """A model by its base id.

    Attributes
    ----------
    base
        Without region prefix or ARN.
    takes_batch
        Whether CreateModelInvocationJob accepts it.
    needs_profile
        Whether it can be invoked on demand only through an inference profile.
    own_regions
        Regions in which it can be invoked without a profile all the same.
    max_output_tokens
        The limit of max_tokens; not checked when None.
    context_tokens
        The limit of a prompt; not checked when None.
    sampling
        Which sampling parameters it accepts: `free` (all), `one` (temperature or top_p) or `none` (defaults only).
    thinking
        Which `thinking` a Claude model accepts: `never`; a `budget` of tokens; `adaptive`; `both`; or `always`, which
        cannot be disabled. Other models think `always` or `never`.
    thinks_by_default
        Whether a Claude model thinks where a request does not say.
    effort
        Whether a Claude model takes `output_config.effort`: `no`, `yes`, or `capped`, at `high` where thinking is off.
    takes_forced_tools
        Whether a Claude model can be made to call a tool.
    ends
        The day on which it left Bedrock, or leaves it; missing where none is known.
    """

    base: str
    takes_batch: bool = True
    needs_profile: bool = False
    own_regions: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    sampling: Literal["free", "one", "none"] = "free"
    thinking: Literal["never", "budget", "both", "adaptive", "always"] = "never"
    thinks_by_default: bool = False
    effort: Literal["no", "yes", "capped"] = "yes"
    takes_forced_tools: bool = True
    ends: date | None = None

    @property
    def provider(self) -> str:
        """The first part of the id."""
        return self.base.split(".")[0]

    @property
    def short_name(self) -> str:
        """The model's name in an answer of Anthropic Messages, such as `claude-haiku-4-5-20251001`."""
        return re.sub(r"-v\d+(:\d+)?$", "", self.base.split(".", 1)[-1])


claude_3 = partial(Model, context_tokens=200_000, effort="no")
claude_4 = partial(claude_3, needs_profile=True, thinking="budget")
claude_45 = partial(claude_4, max_output_tokens=64_000, sampling="one")
claude_1m = partial(Model, needs_profile=True, max_output_tokens=128_000, context_tokens=1_000_000)
claude_46 = partial(claude_1m, sampling="one", thinking="both")
claude_47 = partial(claude_1m, sampling="none", thinking="adaptive")
claude_5 = partial(claude_47, effort="capped", thinks_by_default=True)
on_demand_5 = partial(claude_5, takes_batch=False)
always_5 = partial(on_demand_5, thinking="always")
gpt_oss = partial(Model, max_output_tokens=128_000, context_tokens=128_000, thinking="always")
on_demand = partial(Model, takes_batch=False)
palmyra = partial(on_demand, needs_profile=True, max_output_tokens=8_192)
llama_32 = partial(Model, needs_profile=True, max_output_tokens=2_048, ends=date(2026, 7, 7))

MODELS = {
    model.base: model
    for model in (
        claude_5("anthropic.claude-opus-5"),
        claude_46("anthropic.claude-opus-4-6-v1", own_regions=("eu-west-2",)),
        # It takes an effort with a beta; without it nobody has tried.
        claude_45("anthropic.claude-opus-4-5-20251101-v1:0", effort="yes"),
        claude_46("anthropic.claude-sonnet-4-6", own_regions=("eu-west-2",)),
        claude_45("anthropic.claude-sonnet-4-5-20250929-v1:0"),
        claude_45("anthropic.claude-haiku-4-5-20251001-v1:0"),
        claude_4("anthropic.claude-sonnet-4-20250514-v1:0", max_output_tokens=64_000, ends=date(2026, 10, 14)),
        claude_4("anthropic.claude-3-7-sonnet-20250219-v1:0", max_output_tokens=64_000, ends=date(2026, 4, 28)),
        claude_3("anthropic.claude-3-5-sonnet-20241022-v2:0", max_output_tokens=8_192, ends=date(2026, 7, 30)),
        claude_3("anthropic.claude-3-5-sonnet-20240620-v1:0", max_output_tokens=8_192, ends=date(2026, 7, 30)),
        claude_3("anthropic.claude-3-5-haiku-20241022-v1:0", max_output_tokens=8_192, ends=date(2026, 6, 19)),
        # It has no card any more; the day on which it ended is not known.
        claude_3("anthropic.claude-3-opus-20240229-v1:0", max_output_tokens=4_096, ends=date(2026, 10, 7)),
        claude_3("anthropic.claude-3-sonnet-20240229-v1:0", max_output_tokens=4_096, ends=date(2026, 7, 30)),
        claude_3("anthropic.claude-3-haiku-20240307-v1:0", max_output_tokens=4_096, ends=date(2026, 9, 10)),
        # They answer on demand, but projects that tried them in batch were refused (July to October 2026), or their
        # cards say that they take none.
        claude_4("anthropic.claude-opus-4-1-20250805-v1:0", takes_batch=False, ends=date(2027, 1, 8)),
        claude_47("anthropic.claude-opus-4-7", takes_batch=False),
        claude_47("anthropic.claude-opus-4-8", takes_batch=False),
        on_demand_5("anthropic.claude-sonnet-5"),
        on_demand_5("anthropic.claude-sonnet-5-5", takes_forced_tools=False),
        on_demand_5("anthropic.claude-haiku-5-5"),
        always_5("anthropic.claude-opus-5-5", takes_forced_tools=False),
        always_5("anthropic.claude-fable-5"),
        always_5("anthropic.claude-fable-5-1", takes_forced_tools=False),
        always_5("anthropic.claude-mythos-5"),
        always_5("anthropic.claude-mythos-5-1", takes_forced_tools=False),
        Model("amazon.nova-2-lite-v1:0", needs_profile=True, max_output_tokens=65_535, context_tokens=1_000_000),
        # Documented are 5,000 for Nova 1; refusals of the service name 10,000, and 32,000 for Premier.
        Model("amazon.nova-lite-v1:0", max_output_tokens=10_000, context_tokens=300_000),
        Model("amazon.nova-micro-v1:0", max_output_tokens=10_000, context_tokens=128_000),
        Model("amazon.nova-pro-v1:0", max_output_tokens=10_000, context_tokens=300_000),
        Model(
            "amazon.nova-premier-v1:0",
            needs_profile=True,
            max_output_tokens=32_000,
            context_tokens=1_000_000,
            ends=date(2026, 9, 14),
        ),
        Model("deepseek.v3.2", max_output_tokens=163_840),
        Model("deepseek.v3-v1:0"),
        Model("google.gemma-3-4b-it"),
        Model("google.gemma-3-12b-it", max_output_tokens=131_072),
        Model("google.gemma-3-27b-it", max_output_tokens=131_072),
        Model("meta.llama3-1-8b-instruct-v1:0", max_output_tokens=2_048),
        Model("meta.llama3-1-70b-instruct-v1:0", max_output_tokens=2_048),
        Model("meta.llama3-1-405b-instruct-v1:0", max_output_tokens=2_048, ends=date(2026, 7, 7)),
        llama_32("meta.llama3-2-1b-instruct-v1:0"),
        llama_32("meta.llama3-2-3b-instruct-v1:0"),
        llama_32("meta.llama3-2-11b-instruct-v1:0"),
        llama_32("meta.llama3-2-90b-instruct-v1:0"),
        # Enforced by Converse; the page of InvokeModel says 2,048.
        Model("meta.llama3-3-70b-instruct-v1:0", max_output_tokens=4_096),
        Model("meta.llama4-scout-17b-instruct-v1:0", needs_profile=True, max_output_tokens=8_192),
        Model("meta.llama4-maverick-17b-instruct-v1:0", needs_profile=True, max_output_tokens=8_192),
        Model("minimax.minimax-m2"),
        Model("minimax.minimax-m2.1", max_output_tokens=196_608),
        # Batch quotas of them exist, but the table of models with batch inference has none of them.
        Model("minimax.minimax-m2.5"),
        Model("nvidia.nemotron-super-3-120b"),
        Model("zai.glm-5"),
        Model("mistral.ministral-3-3b-instruct"),
        Model("mistral.ministral-3-8b-instruct", max_output_tokens=262_144),
        Model("mistral.ministral-3-14b-instruct", max_output_tokens=262_144),
        Model("mistral.voxtral-mini-3b-2507"),
        Model("mistral.voxtral-small-24b-2507"),
        Model("mistral.magistral-small-2509"),
        Model("mistral.mistral-large-3-675b-instruct", max_output_tokens=262_144),
        Model("mistral.devstral-2-123b"),
        Model("mistral.mistral-large-2407-v1:0", max_output_tokens=8_192),
        Model("mistral.mistral-small-2402-v1:0", max_output_tokens=8_192),
        Model("moonshot.kimi-k2-thinking", max_output_tokens=262_144, thinking="always"),
        Model("moonshotai.kimi-k2.5", max_output_tokens=262_144),
        Model("nvidia.nemotron-nano-9b-v2"),
        Model("nvidia.nemotron-nano-12b-v2"),
        Model("nvidia.nemotron-nano-3-30b"),
        gpt_oss("openai.gpt-oss-20b-1:0"),
        gpt_oss("openai.gpt-oss-120b-1:0"),
        gpt_oss("openai.gpt-oss-safeguard-20b"),
        gpt_oss("openai.gpt-oss-safeguard-120b"),
        Model("qwen.qwen3-32b-v1:0", max_output_tokens=32_768),
        Model("qwen.qwen3-coder-30b-a3b-v1:0"),
        Model("qwen.qwen3-235b-a22b-2507-v1:0", max_output_tokens=262_144),
        Model("qwen.qwen3-coder-480b-a35b-v1:0"),
        Model("qwen.qwen3-next-80b-a3b", max_output_tokens=262_144),
        Model("qwen.qwen3-vl-235b-a22b"),
        Model("qwen.qwen3-coder-next"),
        Model("zai.glm-4.7", max_output_tokens=202_752),
        Model("zai.glm-4.7-flash", max_output_tokens=202_752),
        # Not in the table of models with batch inference.
        on_demand("ai21.jamba-1-5-large-v1:0", max_output_tokens=4_096, ends=date(2026, 11, 26)),
        on_demand("ai21.jamba-1-5-mini-v1:0", max_output_tokens=4_096, ends=date(2026, 11, 26)),
        on_demand("amazon.titan-text-express-v1", max_output_tokens=8_192),
        on_demand("amazon.titan-text-lite-v1", max_output_tokens=4_096),
        on_demand("amazon.titan-text-premier-v1:0", max_output_tokens=3_072),
        on_demand("cohere.command-light-text-v14", max_output_tokens=4_096),
        on_demand("cohere.command-r-plus-v1:0", ends=date(2026, 8, 19)),
        on_demand("cohere.command-r-v1:0", ends=date(2026, 8, 19)),
        on_demand("cohere.command-text-v14", max_output_tokens=4_096),
        on_demand("deepseek.r1-v1:0", needs_profile=True, max_output_tokens=32_768, thinking="always"),
        on_demand("meta.llama3-8b-instruct-v1:0", max_output_tokens=2_048),
        on_demand("meta.llama3-70b-instruct-v1:0", max_output_tokens=2_048),
        on_demand("mistral.mistral-7b-instruct-v0:2", max_output_tokens=8_192),
        on_demand("mistral.mistral-large-2402-v1:0", max_output_tokens=8_192),
        on_demand("moonshotai.kimi-k3", needs_profile=True, context_tokens=1_000_000),
        on_demand("mistral.mixtral-8x7b-instruct-v0:1", max_output_tokens=4_096),
        palmyra("writer.palmyra-x4-v1:0", context_tokens=122_880),
        palmyra("writer.palmyra-x5-v1:0", context_tokens=1_040_000),
    )
}

# Models that give vectors and no words; those with batch inference are in its table too.
EMBEDDING_MODELS = {
    model.base: model
    for model in (
        on_demand("amazon.titan-embed-text-v1"),
        Model("amazon.titan-embed-text-v2:0"),
        Model("amazon.titan-embed-image-v1"),
        Model("amazon.nova-2-multimodal-embeddings-v1:0"),
        on_demand("cohere.embed-english-v3"),
        on_demand("cohere.embed-multilingual-v3"),
        on_demand("cohere.embed-v4:0"),
    )
}
ALL_MODELS = MODELS | EMBEDDING_MODELS


def find_model(model_id: str) -> Model | None:
    """Find the model of an id, profile id or ARN; an id of tomorrow has the rules of the newest model that is known.

    None for an id that is neither in the catalogue nor newer than what is there.
    """
    # An ARN ends in the id, which has no slash.
    name = model_id.rsplit("/", 1)[-1]
    prefix = PROFILE.match(name)
    base = name[prefix.end() :] if prefix else name
    return ALL_MODELS.get(base) or infer_model(base)


@cache
def infer_model(base: str) -> Model | None:
    """Infer a model from the newest known one of its name, or else of its line, if its version is later than theirs."""
    words, version = split_name(base)
    line = next((line for line in LINES if line.match(base)), None)
    known = [each for each in MODELS.values() if (line.match(each.base) if line else split_name(each.base)[0] == words)]
    latest = max(map(find_version, known), default=(0, 0))
    if version is None or not known or version <= latest:
        return None
    of_latest = [each for each in known if find_version(each)[0] == latest[0]]
    named = [each for each in of_latest if split_name(each.base)[0] == words]
    takes_batch = any(each.takes_batch for each in known)
    return replace(max(named or of_latest, key=find_version), base=base, takes_batch=takes_batch, own_regions=())


def find_version(model: Model) -> tuple[int, int]:
    """Return the version of a model; the first one has none in its id."""
    return split_name(model.base)[1] or (1, 0)


@cache
def split_name(base: str) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """Split a base id into the words of its name and its version."""
    text = RELEASE.sub("", base)
    found = VERSION.search(text)
    left = text[: found.start()] + text[found.end() :] if found else text
    version = (int(found[1]), int(found[2] or 0)) if found else None
    return tuple(re.split(r"[-.]+", left.strip("-."))), version


def is_profile(model_id: str) -> bool:
    """Return whether an id is of a cross-region inference profile."""
    return bool(PROFILE.match(model_id))


def names_profile(model_id: str) -> bool:
    """Return whether an id or an ARN is of a cross-region inference profile."""
    return is_profile(model_id.rsplit("/", 1)[-1])
