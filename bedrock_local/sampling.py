"""What a model takes of max_tokens, temperature, top_p and top_k.

The texts are those that the service was seen to give (2026).
"""

from __future__ import annotations

from collections.abc import Mapping

from bedrock_local.errors import ServiceError
from bedrock_local.models import Model

DEFAULTS = {"temperature": 1, "top_p": 0.999, "top_k": None}


def check_ceiling(model: Model, max_tokens: int) -> None:
    """Refuse more output tokens than the model gives."""
    ceiling = model.max_output_tokens
    if ceiling is not None and max_tokens > ceiling:
        reason = f"The maximum tokens you requested exceeds the model limit of {ceiling}."
        cure = f"Try again with a maximum tokens value that is lower than {ceiling}."
        raise ServiceError("ValidationException", f"{reason} {cure}")


def check_sampling(model: Model, asked: Mapping[str, float | None]) -> None:
    """Refuse sampling parameters that the model no longer takes."""
    given = {name: value for name, value in asked.items() if value is not None}
    if model.sampling == "one" and {"temperature", "top_p"} <= given.keys():
        reason = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        raise ServiceError("ValidationException", reason)
    for name, value in given.items():
        if model.sampling == "none" and value != DEFAULTS[name]:
            raise ServiceError("ValidationException", f"`{name}` is deprecated for this model.")
