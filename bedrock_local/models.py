"""The models of the emulator: which take batch jobs, and what their requests may ask for.

Sources: "Supported Regions and models for batch inference" (2026); output ceilings as the service enforces them, or
the model's card; sampling rules from the "Request and Response" page of Anthropic Messages and migration guides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

PROFILE = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")


@dataclass(frozen=True)
class Model:
    """A model by its base id.

    Attributes
    ----------
    base
        Without region prefix or ARN.
    takes_batch
        Whether CreateModelInvocationJob accepts it.
    max_output_tokens
        The ceiling of max_tokens; None is not checked.
    sampling
        `free`, `one` (temperature or top_p) or `none` (defaults only).
    """

    base: str
    takes_batch: bool = True
    max_output_tokens: int | None = None
    sampling: Literal["free", "one", "none"] = "free"

    @property
    def provider(self) -> str:
        """The first part of the id."""
        return self.base.split(".")[0]

    @property
    def short_name(self) -> str:
        """The name that an Anthropic answer carries, such as `claude-haiku-4-5-20251001`."""
        return re.sub(r"-v\d+(:\d+)?$", "", self.base.split(".", 1)[1])


MODELS = {
    model.base: model
    for model in (
        Model("anthropic.claude-opus-5", max_output_tokens=128_000, sampling="none"),
        Model("anthropic.claude-opus-4-6-v1", max_output_tokens=128_000, sampling="one"),
        Model("anthropic.claude-opus-4-5-20251101-v1:0", max_output_tokens=64_000, sampling="one"),
        Model("anthropic.claude-sonnet-4-6", max_output_tokens=128_000, sampling="one"),
        Model("anthropic.claude-sonnet-4-5-20250929-v1:0", max_output_tokens=64_000, sampling="one"),
        Model("anthropic.claude-haiku-4-5-20251001-v1:0", max_output_tokens=64_000, sampling="one"),
        Model("anthropic.claude-sonnet-4-20250514-v1:0", max_output_tokens=64_000),
        Model("anthropic.claude-3-7-sonnet-20250219-v1:0", max_output_tokens=64_000),
        Model("anthropic.claude-3-5-sonnet-20241022-v2:0", max_output_tokens=8_192),
        Model("anthropic.claude-3-5-sonnet-20240620-v1:0", max_output_tokens=8_192),
        Model("anthropic.claude-3-5-haiku-20241022-v1:0", max_output_tokens=8_192),
        Model("anthropic.claude-3-opus-20240229-v1:0", max_output_tokens=4_096),
        Model("anthropic.claude-3-sonnet-20240229-v1:0", max_output_tokens=4_096),
        Model("anthropic.claude-3-haiku-20240307-v1:0", max_output_tokens=4_096),
        # Answer on demand, and were refused when projects tried them in batch (July to October 2026).
        Model("anthropic.claude-opus-4-7", takes_batch=False, max_output_tokens=128_000, sampling="none"),
        Model("anthropic.claude-opus-4-8", takes_batch=False, max_output_tokens=128_000, sampling="none"),
        Model("anthropic.claude-sonnet-5", takes_batch=False, sampling="none"),
        Model("amazon.nova-2-lite-v1:0", max_output_tokens=65_535),
        Model("amazon.nova-lite-v1:0"),
        Model("amazon.nova-micro-v1:0", max_output_tokens=10_000),
        Model("amazon.nova-pro-v1:0"),
        Model("amazon.nova-premier-v1:0"),
        Model("deepseek.v3.2", max_output_tokens=163_840),
        Model("deepseek.v3-v1:0"),
        Model("google.gemma-3-4b-it"),
        Model("google.gemma-3-12b-it", max_output_tokens=131_072),
        Model("google.gemma-3-27b-it", max_output_tokens=131_072),
        Model("meta.llama3-1-8b-instruct-v1:0"),
        Model("meta.llama3-1-70b-instruct-v1:0"),
        Model("meta.llama3-1-405b-instruct-v1:0"),
        Model("meta.llama3-2-1b-instruct-v1:0"),
        Model("meta.llama3-2-3b-instruct-v1:0"),
        Model("meta.llama3-2-11b-instruct-v1:0"),
        Model("meta.llama3-2-90b-instruct-v1:0"),
        Model("meta.llama3-3-70b-instruct-v1:0"),
        Model("meta.llama4-scout-17b-instruct-v1:0", max_output_tokens=8_192),
        Model("meta.llama4-maverick-17b-instruct-v1:0", max_output_tokens=8_192),
        Model("minimax.minimax-m2"),
        Model("minimax.minimax-m2.1", max_output_tokens=196_608),
        Model("mistral.ministral-3-3b-instruct"),
        Model("mistral.ministral-3-8b-instruct", max_output_tokens=262_144),
        Model("mistral.ministral-3-14b-instruct", max_output_tokens=262_144),
        Model("mistral.voxtral-mini-3b-2507"),
        Model("mistral.voxtral-small-24b-2507"),
        Model("mistral.magistral-small-2509"),
        Model("mistral.mistral-large-3-675b-instruct", max_output_tokens=262_144),
        Model("mistral.devstral-2-123b"),
        Model("mistral.mistral-large-2407-v1:0"),
        Model("mistral.mistral-small-2402-v1:0"),
        Model("moonshot.kimi-k2-thinking", max_output_tokens=262_144),
        Model("moonshotai.kimi-k2.5", max_output_tokens=262_144),
        Model("nvidia.nemotron-nano-9b-v2"),
        Model("nvidia.nemotron-nano-12b-v2"),
        Model("nvidia.nemotron-nano-3-30b"),
        Model("openai.gpt-oss-20b-1:0", max_output_tokens=128_000),
        Model("openai.gpt-oss-120b-1:0", max_output_tokens=128_000),
        Model("openai.gpt-oss-safeguard-20b"),
        Model("openai.gpt-oss-safeguard-120b"),
        Model("qwen.qwen3-32b-v1:0", max_output_tokens=32_768),
        Model("qwen.qwen3-coder-30b-a3b-v1:0"),
        Model("qwen.qwen3-235b-a22b-2507-v1:0", max_output_tokens=262_144),
        Model("qwen.qwen3-coder-480b-a35b-v1:0"),
        Model("qwen.qwen3-next-80b-a3b", max_output_tokens=262_144),
        Model("qwen.qwen3-vl-235b-a22b"),
        Model("qwen.qwen3-coder-next"),
        Model("zai.glm-4.7", max_output_tokens=202_752),
        Model("zai.glm-4.7-flash", max_output_tokens=202_752),
    )
}


def find_model(model_id: str) -> Model | None:
    """Find the model behind an id, profile id or ARN; None when the emulator knows none."""
    name = model_id.rsplit("/", 1)[-1]
    prefix = PROFILE.match(name)
    return MODELS.get(name[prefix.end() :] if prefix else name)


def is_profile(model_id: str) -> bool:
    """Tell whether an id is that of a cross-region inference profile."""
    return bool(PROFILE.match(model_id))
