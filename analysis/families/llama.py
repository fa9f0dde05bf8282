"""Meta Llama 3 and 4: one text in the model's chat template.

Sources: Amazon Bedrock User Guide, "Meta Llama models"; the templates are those of Meta's model cards,
"Llama 3 | Model Cards and Prompt formats" and "Llama 4 | ...".
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.facts.models import find_model, split_name
from analysis.families.family import Count, Family, Limits, ParsedAnswer, Sampling, break_tokens, finish_body
from analysis.prompts import Prompt

STOPS = {"stop": "end", "length": "length"}
TOKENS = re.compile(r"<\|\w+\|>")


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Build the body of one request; Llama has no stop sequences and no top_k."""
    fields = {
        "prompt": write_turns(prompt, text),
        "max_gen_len": prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
    }
    return finish_body(fields, prompt)


def write_turns(prompt: Prompt, text: str) -> str:
    """Fill the chat template up to where the model continues; template tokens within the texts are broken."""
    # Llama 4 renamed the tokens of Llama 3; later ones are taken to be as the newest known.
    is_llama_4 = (split_name(find_model(prompt.model_id).base).version or (3, 0)) >= (4, 0)
    start, end, eot = (
        ("header_start", "header_end", "eot") if is_llama_4 else ("start_header_id", "end_header_id", "eot_id")
    )
    turns = [("system", prompt.system)] if prompt.system else []
    written = [
        f"<|{start}|>{role}<|{end}|>\n\n{break_tokens(TOKENS, words)}<|{eot}|>"
        for role, words in [*turns, ("user", text)]
    ]
    return f"<|begin_of_text|>{''.join(written)}<|{start}|>assistant<|{end}|>\n\n"


class LlamaRequest(Struct):
    """The inference parameters of a request that an output line echoes."""

    max_gen_len: Count | None = None
    temperature: float | None = None
    top_p: float | None = None

    def has_own_field(self) -> bool:
        """Return whether `max_gen_len` is there, which only Llama has."""
        return self.max_gen_len is not None

    def sampling(self) -> Sampling:
        """Return the inference parameters in the common names."""
        return Sampling(self.max_gen_len, self.temperature, self.top_p)


class LlamaAnswer(Struct):
    """An answer; the required `generation` distinguishes it from other families' answers."""

    generation: str | None
    prompt_token_count: Count | None = None
    generation_token_count: Count | None = None
    stop_reason: str | None = None

    def parse(self) -> ParsedAnswer:
        """Return generation, stop reason and token counts; the answer does not name the model."""
        return ParsedAnswer(
            None, self.generation, self.stop_reason, self.prompt_token_count, self.generation_token_count
        )


LLAMA = Family(
    name="llama",
    models=re.compile(r"meta\.llama(?!2)"),
    write_request=write_request,
    request=LlamaRequest,
    answer=LlamaAnswer,
    stops=STOPS,
    limits=Limits(stop_sequences=0),
)
