"""Chat templates: a prompt is split at their tokens into the texts of the system and of the user.

Sources: "Meta Llama models", "Mistral AI text completion" and "DeepSeek models" of the Amazon Bedrock User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """The special tokens of a chat template.

    Attributes
    ----------
    roles
        Role of the text after a token, by token.
    first_role
        Role of the text before the first of these tokens.
    other_tokens
        Tokens that do not set a role; they are removed.
    """

    roles: Mapping[str, str]
    first_role: str
    other_tokens: re.Pattern[str]


def read_prompt(prompt: str, template: Template) -> tuple[str, str]:
    """Return the system text and the user's text of a prompt; a prompt without tokens is all the user's."""
    tokens = "|".join(re.escape(token) for token in template.roles)
    # The group makes re.split keep the tokens: text, token, text, token, text.
    before, *rest = re.split(f"({tokens})", prompt)
    turns = [(template.first_role if rest else "user", before)]
    turns += [(template.roles[token], text) for token, text in zip(rest[::2], rest[1::2], strict=True)]
    plain = [(role, template.other_tokens.sub("", text).strip()) for role, text in turns]
    return join_role_texts(plain, "system"), join_role_texts(plain, "user")


def join_role_texts(turns: list[tuple[str, str]], role: str) -> str:
    """Join the texts of one role that are not empty."""
    return "\n\n".join(text for speaker, text in turns if speaker == role and text)
