"""A prompt, and the text that it renders for a call."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from html import escape
from typing import Any, Literal

import msgspec

from analysis.errors import AnalysisError, PromptError, escape_controls, show_name, show_names
from analysis.files import has_lone_surrogates
from analysis.prompts.html import format_texts
from analysis.prompts.schemas import check_schema
from analysis.prompts.templates import (
    TemplateError,
    UnknownVariableError,
    compile_text,
    find_variables,
    render_text,
)

MOST_SAMPLES = 1000
MOST_TOKENS = 10**9  # of an answer; more than any model has, and sums of many fit 64 bits
MOST_FIELDS = 10_000  # values in additional_fields, each as often as it occurs
MOST_DEPTH = 32
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}")
NOT_SENT = ("name", "samples", "expects", "region")
BY_NAME = "write Prompt(name=..., model_id=..., template=..., max_tokens=...), each with its name"


class Expectations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the answers to a prompt shall be like; `measure_answers` says which are not. Nothing of it is sent.

    Attributes
    ----------
    max_words
        The most words, divided at white space.
    headings
        Texts that each begin a line.
    json_keys
        Keys of the one JSON object that an answer is.
    forbidden_openings
        Texts with which no answer begins, in any case.
    """

    max_words: int | None = None
    headings: tuple[str, ...] = ()
    json_keys: tuple[str, ...] = ()
    forbidden_openings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_words is not None and self.max_words < 1:
            raise PromptError("expects", f"max_words is {self.max_words}", "write 1 or more")
        for name in ("headings", "json_keys", "forbidden_openings"):
            if not all(text.strip() for text in getattr(self, name)):
                raise PromptError("expects", f"a text of {name} is empty", "leave it out")


class CheckedWhenCalled(msgspec.StructMeta):
    """The type of Prompt: calling it checks names and types of the arguments, as reading a prompt file does."""

    def __call__(self, *unnamed: Any, **fields: Any) -> Any:
        """Convert the arguments, or raise a PromptError that says what to pass."""
        if unnamed:
            raise PromptError("Prompt", f"{len(unnamed)} of its arguments have no name", BY_NAME)
        try:
            return msgspec.convert(fields, self)
        except msgspec.ValidationError as error:
            raise PromptError(show_name(fields.get("name", "Prompt")), str(error), BY_NAME) from error


class Prompt(msgspec.Struct, metaclass=CheckedWhenCalled, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model is asked about each call, and with which parameters; a notebook shows its texts.

    Attributes
    ----------
    name
        The name of the variant: lower-case letters, digits and `-`, at most 40 characters.
    model_id
        The id of a foundation model or inference profile, as Bedrock spells it.
    template
        The user's text as a jinja2 template; it can use `{{ transcript }}` and every other column of a call.
    system
        The system text; sent unchanged.
    invocation_type
        `InvokeModel` (the model's own request format) or `Converse` (one format for all models).
    max_tokens
        The most tokens an answer may have.
    temperature, top_p, top_k
        Sampling parameters; not sent when None, and refused by newer models.
    stop_sequences
        Texts at which an answer ends.
    samples
        The number of answers to the same call.
    repeat
        1; a higher number gives every record another id, so that what has been answered is asked again.
    additional_fields
        Further fields of the request body, as the model names them.
    expects
        What the answers shall be like; not sent, and no part of a record's id.
    schema
        The JSON Schema of the object that an answer is; `read_json_answers` reads answers by it.
    schema_by
        How the model is told: `format` (a field of the request), `tool` (the input of one that it has to call) or
        `words` (after the user's text); by default `format` where the model is known to take it, else `words`.
    region
        The AWS Region in which the calls are asked; by default the one that the run is sent to. No part of a record's
        id: an answer from one Region is an answer to the same request in another.
    """

    name: str
    model_id: str
    template: str
    system: str = ""
    invocation_type: Literal["InvokeModel", "Converse"] = "InvokeModel"
    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] = ()
    samples: int = 1
    repeat: int = 1
    additional_fields: dict[str, Any] = {}
    expects: Expectations | None = None
    schema: dict[str, Any] | None = None
    schema_by: Literal["", "format", "tool", "words"] = ""
    region: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "the prompt's name")
        if not self.template.strip():
            raise PromptError(
                self.name, "the template is empty", "write the text for the model, with {{ transcript }} in it"
            )
        if not (1 <= self.max_tokens <= MOST_TOKENS and 1 <= self.samples <= MOST_SAMPLES):
            reason = f"max_tokens must be 1 to {MOST_TOKENS:,}, samples 1 to {MOST_SAMPLES}"
            raise PromptError(self.name, reason)
        if not 1 <= self.repeat <= MOST_TOKENS:
            raise PromptError(self.name, f"repeat is {self.repeat}", "write 1, or a higher number to ask again")
        if self.region and not REGION.fullmatch(self.region):
            raise PromptError(self.name, f"region {self.region!r} is not the name of a Region", "write us-west-2")
        if any(map(has_lone_surrogates, (self.template, self.system, self.model_id, *self.stop_sequences))):
            raise PromptError(self.name, "a text has half of a surrogate pair, which is not a character", "remove it")
        if re.search(r"\s|\{|^$", self.model_id):
            reason = "model_id is empty or a text with spaces or braces"
            raise PromptError(self.name, reason, "give the model's id as Bedrock spells it, and the text as template")
        check_json(self.name, self.additional_fields)
        if self.schema is not None:
            check_json(self.name, self.schema, what="schema has")
            check_schema(self.name, self.schema)
        elif self.schema_by:
            raise PromptError(self.name, "schema_by says how a schema is told, and there is none", "add a schema")
        try:
            compile_text(self.template)
        except TemplateError as error:
            raise PromptError(self.name, str(error)) from error.__cause__

    @property
    def digest(self) -> str:
        """The first 8 hex digits of a SHA-256 of all that is sent: name, samples, `expects` and Region do not count."""
        return hashlib.sha256(msgspec.json.encode(list_sent(self), order="deterministic")).hexdigest()[:8]

    def replace(self, **changes: Any) -> Prompt:
        """Return a copy with some fields changed, checked as a new prompt.

        Raises
        ------
        PromptError
            There is no such field, or a value cannot be used.
        """
        return Prompt(**(msgspec.structs.asdict(self) | changes))

    def _repr_html_(self) -> str:
        about = describe_settings(list_settings(self))
        system = {"System": self.system} if self.system else {}
        # MathJax passes over code, as over the texts in pre.
        heading = f"<p><b>{escape(self.name)}</b> <code>{escape(escape_controls(about))}</code></p>"
        return heading + format_texts({**system, "User": self.template})


class PromptList(list[Prompt]):
    """A list of prompts of which a notebook shows the texts."""

    def _repr_html_(self) -> str:
        return "<hr>".join(prompt._repr_html_() for prompt in self)


def list_sent(prompt: Prompt) -> dict[str, Any]:
    """Return the fields that are sent; without those of the default value, so that a new field changes no digest."""
    sent = list_settings(prompt) | {"system": prompt.system, "template": prompt.template}
    return {name: value for name, value in sent.items() if name not in NOT_SENT}


def list_settings(prompt: Prompt) -> dict[str, Any]:
    """Return the model, the limit, and what else differs from the defaults, without name and texts."""
    bare = Prompt(name=prompt.name, model_id=prompt.model_id, template=prompt.template)
    fields, defaults = msgspec.to_builtins(prompt), msgspec.to_builtins(bare)
    del fields["system"]
    always = ("model_id", "invocation_type", "max_tokens")
    return {name: value for name, value in fields.items() if name in always or value != defaults[name]}


def describe_settings(settings: Mapping[str, Any]) -> str:
    """Describe settings in a line, each as in a prompt's header."""
    shown = {name: list(value["properties"]) if name == "schema" else value for name, value in settings.items()}
    return " · ".join(f"{name}: {describe_setting(value)}" for name, value in shown.items())


def describe_setting(value: Any) -> str:
    """Describe the value of a setting, without what is empty in it."""
    if isinstance(value, Mapping):
        return "; ".join(
            f"{name} {describe_setting(each)}" for name, each in value.items() if each not in (None, [], ())
        )
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


HEADER_KEYS = [name for name in Prompt.__struct_fields__ if name not in {"system", "template"}]


def check_name(name: str, of_what: str, *, error: type[AnalysisError] = PromptError) -> None:
    """Raise an error for a name that job names and S3 keys do not allow."""
    if not NAME.fullmatch(name):
        cure = "use at most 40 lower-case letters, digits and '-', beginning with a letter or digit"
        raise error(of_what, f"{name!r} cannot be used in job names and S3 keys", cure)


def check_template(prompt: Prompt) -> None:
    """Raise an error for a template that makes the same text of every call.

    Raises
    ------
    PromptError
        The template uses no column of a call, as when `{{ transcript }}` is misspelt `{ transcript }`.
    """
    if not find_variables(prompt.template):
        reason = "the template uses no column of a call, so every call would get the same request"
        raise PromptError(prompt.name, reason, "write {{ transcript }} where the transcript belongs")


def check_json(name: str, fields: Mapping[str, Any], *, what: str = "additional_fields have") -> None:
    """Raise an error for fields that JSON cannot hold, or that have more values than a request could."""
    inside: list[tuple[Any, int]] = [(fields, 0)]
    for _ in range(MOST_FIELDS):
        if not inside:
            return
        value, depth = inside.pop()
        if depth > MOST_DEPTH:
            raise PromptError(name, f"{what} values nested more than {MOST_DEPTH} deep", "nest them less")
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            inside += [(child, depth + 1) for child in value.values()]
        elif isinstance(value, list | tuple):
            inside += [(child, depth + 1) for child in value]
        elif not is_json(value):
            cure = "write texts, numbers, true, false, lists and objects; a date in quotes"
            raise PromptError(name, f"{what} a {type(value).__name__}, which JSON cannot hold", cure)
    raise PromptError(name, f"{what} more than {MOST_FIELDS:,} values", "send fewer")


def is_json(value: Any) -> bool:
    """Return whether a value that holds no others is one of JSON, within 64 bits."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, str) and not has_lone_surrogates(value))


def render(prompt: Prompt, call: Mapping[str, Any]) -> str:
    """Render the user's text for one call.

    Values of the call are inserted unchanged: braces, tags and quotes in a transcript are not interpreted.

    Raises
    ------
    PromptError
        The template uses a variable that the call does not have, and the error lists those that it has; or it fails on
        this call, or would not end. No error quotes the call.
    """
    try:
        return render_text(prompt.template, call)
    except UnknownVariableError as error:
        raise PromptError(prompt.name, str(error), f"a template can use {show_names(call)}") from None
    except TemplateError as error:
        call_id = show_name(call.get("call_id"))
        raise PromptError(prompt.name, f"the template fails on call {call_id!r}, {error}") from None
