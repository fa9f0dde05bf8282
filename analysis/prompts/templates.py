"""Templates: text with variables, rendered for one call in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from analysis.prompts.bounds import TemplateLimitError, check_size

if TYPE_CHECKING:
    import jinja2
    from jinja2 import nodes

    from analysis.prompts.sandbox import BoundedEnvironment

MOST_TAGS = 10_000  # variables and statements; each is compiled to some lines of Python
UNDEFINED = re.compile(r"'(\w+)' is undefined")
# What jinja2 says of a name that stands in the template. Where an item is looked up by a value, the name is that value.
NAMED = re.compile(
    r"'[\w. ]+' has no attribute '(\w+)'|access to attribute '(\w+)' of '\w+' object is unsafe\.|"
    r"No (?:filter|test) named '(\w+)'\."
)
# Their words are Python's and jinja2's own, and the names of types.
PLAIN_ERRORS = ("OverflowError", "RecursionError", "TypeError", "ZeroDivisionError")


class TemplateError(Exception):
    """A template cannot be read, or fails on a call; its text holds no word of the call."""


class UnknownVariableError(TemplateError):
    """A template uses a variable that the call does not have."""


def render_text(template: str, values: Mapping[str, Any]) -> str:
    """Render a template with the values of a call, which are inserted unchanged.

    Raises
    ------
    UnknownVariableError
        The template uses a variable that is not among the values.
    TemplateError
        The template fails on these values, or would not end.
    """
    from analysis.prompts.sandbox import WORK, Work

    compiled = compile_text(template)
    pieces, chars = [], 0
    try:
        for piece in compiled.root_render_func(compiled.new_context({**values, WORK: Work()})):
            pieces.append(piece)
            chars = check_size(chars + len(piece))
    except Exception as error:  # a template is a program and can raise anything
        # Without the cause: its text may quote the call, and a notebook that shows it is handed on.
        if variable := find_unknown_variable(template, str(error)):
            raise UnknownVariableError(f"no variable {variable!r}") from None
        raise TemplateError(describe_failure(compiled, template, error)) from None
    return "".join(pieces)


def describe_failure(compiled: jinja2.Template, template: str, error: Exception) -> str:
    """Return the line of the template in which an error arose, and what is wrong, without a value of the call."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == compiled.filename:
            line = compiled.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    where = "" if line is None else f"line {line}: "
    return where + describe_error(template, error)


def describe_error(template: str, error: Exception) -> str:
    """Return the text of an error as far as it holds no value of the call."""
    kind, text = type(error).__name__, str(error)
    named = NAMED.fullmatch(text)
    if isinstance(error, TemplateLimitError) or (named and is_word_of(named[named.lastindex or 1], template)):
        return text
    # A keyword is a name that a template may take from a value: f(**{transcript: 1}).
    return text if kind in PLAIN_ERRORS and "keyword" not in text else kind


def find_unknown_variable(template: str, error: str) -> str | None:
    """Return the variable of a template that an error is about; None for any other error."""
    undefined = UNDEFINED.fullmatch(error)
    return undefined[1] if undefined and is_word_of(undefined[1], template) else None


def is_word_of(name: str, template: str) -> bool:
    """Return whether a name stands in a template."""
    return re.search(rf"\b{re.escape(name)}\b", template) is not None


# Cached by the text, since a Prompt with additional fields, a dict, cannot be hashed.
@cache
def compile_text(template: str) -> jinja2.Template:
    """Compile a template in the sandbox, in which an undefined variable raises an error.

    Raises
    ------
    TemplateError
        The template is not valid, or nested too deeply.
    """
    from jinja2 import TemplateSyntaxError

    tags = template.count("{{") + template.count("{%")
    if tags > MOST_TAGS:
        raise TemplateError(f"the template has {tags:,} tags, and may have {MOST_TAGS:,}: loop over a column instead")
    try:
        return make_environment().from_string(template)
    except TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno} of the template: {error.message}") from error
    except (RecursionError, SyntaxError, ValueError, MemoryError) as error:
        # Python compiles what jinja2 has made of it, and takes neither a hundred brackets nor twenty loops in another.
        raise TemplateError(f"the template cannot be compiled ({error}): nest it less deeply") from error


def make_environment() -> BoundedEnvironment:
    """Make the sandbox, in which a template cannot reach anything but the call's values, and comes to an end."""
    from analysis.prompts.sandbox import BoundedEnvironment

    return BoundedEnvironment()


def find_variables(template: str) -> set[str]:
    """Find the variables of a template that a call must have."""
    from jinja2.meta import find_undeclared_variables

    return find_undeclared_variables(make_environment().parse(template))


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
