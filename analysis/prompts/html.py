"""HTML of texts that a model is sent or has written, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from analysis.errors import escape_controls

LONG = "white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere; max-height: 24em; overflow: auto"


def format_texts(texts: Mapping[str, str]) -> str:
    """Format each text under its title, as it is; two dollar amounts are no formula in `pre`."""
    return "".join(
        f"<h4>{escape(escape_controls(title))}</h4><pre style='{LONG}'>{escape(escape_controls(text))}</pre>"
        for title, text in texts.items()
    )
