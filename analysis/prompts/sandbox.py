"""The sandbox of templates: jinja2 without what is random, and with an end to what one rendering can do.

A template is a program, and prompts are shared. Loops, calls, filters and values are counted here before they can use
up time or memory, so the same template ends in the same way on any machine. Of jinja2's generated code only what
grows a value is rerouted: loops, literals, `~` and filters, each through a method of the environment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, filters, nodes, pass_context, pass_eval_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEscapeFormatter, SandboxedFormatter
from jinja2.utils import Namespace
from markupsafe import Markup

from analysis.prompts.bounds import (
    MOST_CHARS,
    STEP,
    TemplateLimitError,
    accept,
    check_center,
    check_format,
    check_indent,
    check_join,
    check_json,
    check_numbers,
    check_parts,
    check_percent,
    check_power,
    check_product,
    check_replacement,
    check_round,
    check_size,
    check_tabs,
    check_tags,
    check_widths,
    check_wordwrap,
    check_written,
    measure,
)

MOST_WORK = 100_000_000  # characters that are made on the way; about two seconds
MOST_SECONDS = 10  # processor time; for what is counted by the turn and not by the length, such as comparisons
LOOKS = 64  # turns between two looks at the clock
WORK, COUNTED, CHECKED = "(work)", "(counted)", "(checked)"  # not names that a template can write

# Not what a prompt needs: random ones would give every machine another request, the others make HTML or debug.
DROPPED_FILTERS = ("pprint", "random", "urlize", "xmlattr")
DROPPED_METHODS = {"encode", "from_bytes", "maketrans", "to_bytes", "translate"}


class Work:
    """What one rendering may still do."""

    def __init__(self) -> None:
        self.left, self.turns = MOST_WORK, 0
        self.end_s = time.thread_time() + MOST_SECONDS

    def spend(self, chars: int) -> None:
        """Count one step that makes some characters."""
        self.left -= chars + STEP
        self.turns += 1
        if self.left < 0 or chars > MOST_CHARS or (self.turns % LOOKS == 0 and time.thread_time() > self.end_s):
            check_size(chars)
            raise TemplateLimitError("it does not come to an end: loop over less, or join less text")


class BoundedFormatter(SandboxedFormatter):
    """`str.format` without fields wider than a text may be."""

    chars = 0

    def format_field(self, value: Any, format_spec: str) -> Any:
        """Format one field, and count the characters of all."""
        check_widths(format_spec)
        text = super().format_field(value, format_spec)
        self.chars += len(text)
        check_size(self.chars)
        return text


class BoundedEscapeFormatter(BoundedFormatter, SandboxedEscapeFormatter):
    """The same for text that is marked as safe."""


class PlainNamespace(Namespace):
    """A namespace that is written in one word: two that hold each other would have no end."""

    def __repr__(self) -> str:
        return "namespace"


class BoundedGenerator(CodeGenerator):
    """Writes the code of a template, with what grows a value led through the environment."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 -- jinja2's way
        """Count the turns of a loop, each with the text that stands in it."""
        cost = sum(len(data.data) for part in node.body for data in part.find_all(nodes.TemplateData))
        counted = nodes.Const(cost, lineno=node.lineno)
        node.iter = nodes.Filter(node.iter, COUNTED, [counted], [], None, None, lineno=node.lineno)
        super().visit_For(node, frame)

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        """Measure a list."""
        self.write("environment.measured(context, ")
        super().visit_List(node, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        """Measure a dict."""
        self.write("environment.measured(context, ")
        super().visit_Dict(node, frame)
        self.write(")")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        """Measure a tuple; one that takes values apart is none."""
        if node.ctx != "load":
            super().visit_Tuple(node, frame)
            return
        self.write("environment.measured(context, ")
        super().visit_Tuple(node, frame)
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        """Join texts by a method that measures them."""
        self.write("environment.concatenate(context, (")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:  # noqa: N802
        """Measure what a filter returns; two are this module's own, and no filters that a template can name."""
        if node.node is not None and node.name in OWN_FILTERS:
            self.write(f"environment.{OWN_FILTERS[node.name]}(context, ")
            self.visit(node.node, frame)
            self.write("".join(f", {each.as_const()}" for each in node.args) + ")")
            return
        if node.node is not None:
            node.node = nodes.Filter(node.node, CHECKED, [], [], None, None, lineno=node.lineno)
        self.write("environment.measured(context, ")
        super().visit_Filter(node, frame)
        self.write(")")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which a template cannot change the call, reach anything else, or go on without end."""

    code_generator_class = BoundedGenerator
    # Intercepted operators are not computed while a template is compiled either.
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=finish, keep_trailing_newline=True, optimized=False)
        del self.globals["lipsum"]
        self.globals["namespace"] = PlainNamespace
        for name in DROPPED_FILTERS:
            del self.filters[name]
        self.filters |= GUARDED_FILTERS

    def checked(self, _: Context, value: Any) -> Any:
        """Return what a filter is given; raise for a function, whose text is an address."""
        if type(value) is not str and callable(value) and not isinstance(value, Undefined):
            check_written(value)
        return value

    def measured(self, context: Context, value: Any) -> Any:
        """Count the size of a value, and return it."""
        context.parent[WORK].spend(len(value) if type(value) is str else measure(value))
        return value

    def count_turns(self, context: Context, values: Iterable[Any], chars: int = 0) -> Iterator[Any]:
        """Yield values, and count each with the text that stands in its turn."""
        work = find_work(context)
        for each in values:
            work.spend(chars)
            yield each

    def concatenate(self, context: Context, values: Sequence[Any]) -> str:
        """Join values as `~` does."""
        return str(self.measured(context, "".join(str(finish(context, value)) for value in values)))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return whether a template may use an attribute."""
        return attr not in DROPPED_METHODS and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute with an operator whose result is not too large."""
        GUARDED_OPERATORS.get(operator, accept)(left, right)
        return self.measured(context, super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, a method or a function of jinja2."""
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str | bytes):
            # Counted while it is read, since a generator can be read once.
            args = (list(self.count_turns(context, args[0])),) if args and obj.__name__ == "join" else args
            check: Callable[..., None] = GUARDED_METHODS.get(obj.__name__, check_numbers)
            check(owner, *args)
            check_numbers(*kwargs.values())
        elif isinstance(obj, LoopContext) and args:
            args = (self.count_turns(context, args[0]), *args[1:])
        return self.measured(context, super().call(context, obj, *args, **kwargs))

    def call_filter(
        self,
        name: str,
        value: Any,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        context: Context | None = None,
        eval_ctx: Any = None,
    ) -> Any:
        """Apply a filter by its name, as `map` does."""
        value = value if context is None else self.checked(context, value)
        result = super().call_filter(name, value, args, kwargs, context, eval_ctx)
        return result if context is None else self.measured(context, result)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return a bounded function in place of `str.format` and `str.format_map`."""
        return None if super().wrap_str_format(value) is None else partial(format_text, self, value)


def find_work(context: Context) -> Work:
    """Return what a rendering may still do."""
    work: Work = context.parent[WORK]
    return work


@pass_context
def finish(context: Context, value: Any) -> Any:
    """Return a value that is to be written; raise for one that has no text of its own."""
    if type(value) is str:  # nearly every value
        context.parent[WORK].spend(len(value))
        return value
    if value is None:
        raise TemplateLimitError('a value is missing; write {{ name or "not known" }} where it can be missing')
    if not isinstance(value, Undefined):
        find_work(context).spend(measure(value))
        check_written(value)
    return value


@pass_eval_context
def join(eval_context: EvalContext, value: Iterable[Any], d: str = "", attribute: Any = None) -> Any:
    """Join texts as jinja2 does, once their length is known."""
    values = list(value)
    check_join(str(d), values)
    return filters.do_join(eval_context, values, d, attribute)


def guard(name: str, check: Callable[..., None]) -> Callable[..., Any]:
    """Return one of jinja2's filters with a check before it."""
    plain = filters.FILTERS[name]
    # The first argument of some filters is not the value but jinja2's own.
    first = 1 if hasattr(plain, "jinja_pass_arg") else 0

    @wraps(plain)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        check(*args[first:], **kwargs)
        return plain(*args, **kwargs)

    return guarded


def format_text(environment: BoundedEnvironment, method: Any, /, *args: Any, **kwargs: Any) -> str:
    """Format a text as `str.format` and `str.format_map` do."""
    text = method.__self__
    is_safe = isinstance(text, Markup)
    formatter = BoundedEscapeFormatter(environment, escape=text.escape) if is_safe else BoundedFormatter(environment)
    check_written([*args, *kwargs.values()])
    positions, names = ((), args[0]) if method.__name__ == "format_map" else (args, kwargs)
    written: str = type(text)(formatter.vformat(text, positions, names))
    return written


# What the generated code calls in place of a filter.
OWN_FILTERS = {COUNTED: "count_turns", CHECKED: "checked"}
GUARDED_OPERATORS: dict[str, Callable[[Any, Any], None]] = {
    "*": check_product,
    "**": check_power,
    "%": check_percent,
}
GUARDED_METHODS: dict[str, Callable[..., None]] = {
    "expandtabs": check_tabs,
    "join": check_join,
    "replace": check_replacement,
}
GUARDED_FILTERS: dict[str, Callable[..., Any]] = {
    "batch": guard("batch", check_parts),
    "center": guard("center", check_center),
    "format": guard("format", check_format),
    "indent": guard("indent", check_indent),
    "join": join,
    "replace": guard("replace", check_replacement),
    "round": guard("round", check_round),
    "slice": guard("slice", check_parts),
    "string": guard("string", check_written),
    "striptags": guard("striptags", check_tags),
    "tojson": guard("tojson", check_json),
    "wordwrap": guard("wordwrap", check_wordwrap),
}
