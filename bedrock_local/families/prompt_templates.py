"""The call in the chat template of a prompt: the tokens of the template are no part of what is asked.

Sources: "Meta Llama models", "Mistral AI text completion" and "DeepSeek models" of the Amazon Bedrock User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """The tokens of a chat template.

    Attributes
    ----------
    turns
        Role of the text after a token, by token.
    first
        Role of the text before the first of them.
    others
        Tokens that say nothing of roles.
    """

    turns: Mapping[str, str]
    first: str
    others: re.Pattern[str]


def read_prompt(prompt: str, template: Template) -> tuple[str, str]:
    """Give the system text and the user's text of a prompt; a prompt without a template is the user's."""
    marks = "|".join(re.escape(mark) for mark in template.turns)
    before, *rest = re.split(f"({marks})", prompt)
    turns = [(template.first if rest else "user", before)]
    turns += [(template.turns[mark], text) for mark, text in zip(rest[::2], rest[1::2], strict=True)]
    plain = [(role, template.others.sub("", text).strip()) for role, text in turns]
    return join(plain, "system"), join(plain, "user")


def join(turns: list[tuple[str, str]], role: str) -> str:
    """Join the texts of a role."""
    return "\n\n".join(text for who, text in turns if who == role and text)
