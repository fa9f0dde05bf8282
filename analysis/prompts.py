"""Prompts: Markdown files with a header, and the text that a prompt renders for a call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from analysis.errors import AnalysisError, PromptError

if TYPE_CHECKING:
    import jinja2
    from jinja2 import nodes
    from jinja2.sandbox import SandboxedEnvironment

MOST_SAMPLES = 1000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
HEADER = re.compile(r"\A---\n(.*?)\n---[ \t]*\n(.*)\Z", re.DOTALL)
PARTS = re.compile(
    r"\A\s*(?:# System[ \t]*\n(?P<system>.*?)^)?# User[ \t]*\n(?P<template>.*)\Z", re.DOTALL | re.MULTILINE
)


class Prompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model is asked about each call, and with which parameters.

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

    def __post_init__(self) -> None:
        check_name(self.name, "the prompt's name")
        if not self.template.strip():
            raise PromptError(
                self.name, "the template is empty", "write the text for the model, with {{ transcript }} in it"
            )
        if self.max_tokens < 1 or not 1 <= self.samples <= MOST_SAMPLES:
            raise PromptError(self.name, f"max_tokens must be 1 or more, samples 1 to {MOST_SAMPLES}")
        if self.repeat < 1:
            raise PromptError(self.name, f"repeat is {self.repeat}", "write 1, or a higher number to ask again")
        compile_template(self)


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
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import SandboxedEnvironment

    if not find_undeclared_variables(SandboxedEnvironment().parse(prompt.template)):
        reason = "the template uses no column of a call, so every call would get the same request"
        raise PromptError(prompt.name, reason, "write {{ transcript }} where the transcript belongs")


def read_prompts(where: str | Path | Iterable[str | Path]) -> list[Prompt]:
    """Read prompt files.

    Parameters
    ----------
    where
        A file, a folder (its `*.md` files by name), or several of these.

    Returns
    -------
    prompts
        In the order given.

    Raises
    ------
    PromptError
        There is no file, a header is invalid, or two prompts have one name; the error names the file.
    """
    places = [where] if isinstance(where, str | Path) else list(where)
    files = [file for place in places for file in list_prompt_files(Path(place))]
    prompts = [read_prompt(file) for file in files]
    names = [prompt.name for prompt in prompts]
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            raise PromptError(file, f"the name {name!r} is used by {names.count(name)} prompts", "give each its own")
    return prompts


def list_prompt_files(place: Path) -> list[Path]:
    """List the prompt files of a folder, or the one file."""
    files = sorted(place.glob("*.md")) if place.is_dir() else [place]
    if not files:
        raise PromptError(place, "no prompt files", "put .md files there")
    return files


def read_prompt(file: Path) -> Prompt:
    """Read one prompt file: a header between `---` lines, then `# System` (may be left out) and `# User`."""
    try:
        # Editors on Windows put a byte order mark in front, which utf-8-sig removes.
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(file, f"cannot be read ({error})") from error
    header = HEADER.match(text)
    parts = PARTS.match(header[2]) if header else None
    if not header or not parts:
        raise PromptError(file, "not a prompt file", "write a header between '---' lines, '# System', then '# User'")
    try:
        fields = msgspec.yaml.decode(header[1], type=dict[str, Any])
        check_header(fields)
        texts = {"system": (parts["system"] or "").strip(), "template": parts["template"].strip()}
        return msgspec.convert({"name": file.stem} | fields | texts, Prompt)
    except msgspec.MsgspecError as error:
        raise PromptError(file, str(error), f"the header can have {', '.join(HEADER_KEYS)}") from error
    except PromptError as error:
        raise PromptError(file, error.reason, error.cure) from error


def check_header(fields: Mapping[str, Any]) -> None:
    """Raise an error for a text in the header, which the one below the header would replace without notice."""
    for field, title in {"system": "# System", "template": "# User"}.items():
        if field in fields:
            raise PromptError("header", f"{field!r} is not a field of the header", f"write it under '{title}'")


def render(prompt: Prompt, call: Mapping[str, Any]) -> str:
    """Render the user's text for one call.

    Values of the call are inserted unchanged: braces, tags and quotes in a transcript are not interpreted.

    Raises
    ------
    PromptError
        The template uses a variable that the call does not have; the error lists those that it has.
    """
    from jinja2 import UndefinedError

    try:
        return compile_template(prompt).render(call)
    except UndefinedError as error:
        variable = re.sub(r"^'(.*)' is undefined$", r"no variable '\1'", str(error))
        raise PromptError(prompt.name, variable, f"a template can use {', '.join(call)}") from error
    except Exception as error:  # a template is a program and can raise anything
        raise PromptError(prompt.name, f"the template fails on call {call.get('call_id')!r}: {error}") from error


def compile_template(prompt: Prompt) -> jinja2.Template:
    """Compile the template of a prompt, once per process; an error names the line of a mistake."""
    from jinja2 import TemplateSyntaxError

    try:
        return compile_text(prompt.template)
    except TemplateSyntaxError as error:
        raise PromptError(prompt.name, f"line {error.lineno} of the template: {error.message}") from error


# Cached by the text, since a Prompt with additional fields, a dict, cannot be hashed.
@cache
def compile_text(template: str) -> jinja2.Template:
    """Compile a text in the sandbox, in which an undefined variable raises an error."""
    return make_environment().from_string(template)


def make_environment() -> SandboxedEnvironment:
    """Make the sandbox, in which a template cannot reach anything but the call's values."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(undefined=StrictUndefined, finalize=refuse_missing, keep_trailing_newline=True)


def split_template(template: str) -> tuple[list[str], list[str]] | None:
    """Split a template into texts and the variables between them; None if it has anything but plain variables."""
    from jinja2.nodes import Name, TemplateData

    texts, names = [""], []
    for node in list_nodes(make_environment().parse(template)):
        if isinstance(node, TemplateData):
            texts[-1] += node.data
        # In jinja2 `self` is the template, not a variable.
        elif isinstance(node, Name) and node.name != "self":
            names.append(node.name)
            texts.append("")
        else:
            return None
    return texts, names


def list_nodes(template: nodes.Template) -> Iterator[nodes.Node]:
    """Yield the nodes that a template outputs, in order; statements are yielded too."""
    from jinja2.nodes import Output

    for node in template.body:
        yield from node.nodes if isinstance(node, Output) else [node]


def refuse_missing(value: Any) -> Any:
    """Return the value, or raise an error for None; `{{ mood or "not known" }}` writes something instead."""
    if value is None:
        raise ValueError('a value is missing; write {{ name or "not known" }} where it can be missing')
    return value
