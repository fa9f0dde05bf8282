"""The sandbox of templates: jinja2 without what is random, and with an end to what one rendering can do.

A template is a program, and prompts are shared. Loops, calls, filters and values are counted here before they can use
up time or memory, so the same template ends in the same way on any machine. Of jinja2's generated code only what
grows a value is rerouted: loops, literals, `~` and filters, each through a method of the environment.
"""

from __future__ import annotations

import re
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

MOST_CHARS = 10_000_000  # of one value, and of the whole text; a million tokens are about four million
MOST_WORK = 100_000_000  # characters that are made on the way; about two seconds
STEP = 100  # what a loop's turn, a call or an item costs, in characters
MOST_SECONDS = 10  # processor time; for what is counted by the turn and not by the length, such as comparisons
LOOKS = 64  # turns between two looks at the clock
MOST_BITS = 20_000  # of a whole number
MOST_PARTS = 100_000  # lists that a list is divided into
MOST_DIGITS = 300  # of a rounded number
MOST_INDENT = 16  # of JSON
MOST_LOOKING = 10**9  # characters that are passed over again and again, for tags and for the ends of words
WORK, COUNTED, CHECKED = "(work)", "(counted)", "(checked)"  # not names that a template can write

# Not what a prompt needs: random ones would give every machine another request, the others make HTML or debug.
DROPPED_FILTERS = ("pprint", "random", "urlize", "xmlattr")
DROPPED_METHODS = {"encode", "from_bytes", "maketrans", "to_bytes", "translate"}
WIDTH = re.compile(r"\d+")


class TemplateLimitError(Exception):
    """A template asks for more than a rendering may use, or writes what is no text; it never quotes a call."""


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


def check_written(value: Any) -> None:
    """Raise for a value whose text is an address in memory, different on every machine, or Python's word for bytes."""
    inside = [] if isinstance(value, str) else [value]
    while inside:
        each = inside.pop()
        kind = type(each)
        if isinstance(each, dict):
            inside += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            inside += each
        elif isinstance(each, bytes):
            raise TemplateLimitError("bytes are no text")
        elif callable(each) or hasattr(kind, "__next__") or getattr(kind, "__repr__", None) is object.__repr__:
            raise TemplateLimitError(f"a {kind.__name__} is no text; call a method with (), read a generator by |list")


def measure(value: Any) -> int:
    """Return the size of a value in characters, with all that its lists hold as often as they hold it."""
    if isinstance(value, str):
        return check_size(len(value))
    size, inside = 0, [value]
    while inside:
        each = inside.pop()
        if isinstance(each, str | bytes):
            size += len(each)
        elif isinstance(each, int) and each.bit_length() > MOST_BITS:
            raise TemplateLimitError("a number is too large")
        elif isinstance(each, dict):
            inside += [*each, *each.values()]
        elif isinstance(each, list | tuple | set):
            inside += each
        size = check_size(size + STEP)
    return size


def check_size(chars: int) -> int:
    """Return a number of characters; raise for more than a text may have."""
    if chars > MOST_CHARS:
        raise TemplateLimitError(f"it makes more than {MOST_CHARS:,} characters")
    return chars


def check_numbers(*values: Any) -> None:
    """Raise for a number that would be a width, or another size, beyond all bounds."""
    for value in values:
        if isinstance(value, int):
            check_size(value)


def check_widths(spec: str) -> None:
    """Raise for a width in a format that is longer than a text may be."""
    for width in WIDTH.findall(spec):
        # By its digits where there are many: of very many Python would make no number.
        check_size(int(width) if len(width) <= len(str(MOST_CHARS)) else MOST_CHARS + 1)


def check_percent(left: Any, right: Any) -> None:
    """Check a text that `%` formats, whose every field may be as wide as the widest."""
    if isinstance(left, str | bytes):
        text = left if isinstance(left, str) else repr(left)
        check_widths(text)
        check_written(right)
        widest = max((int(width) for width in WIDTH.findall(text)), default=0)
        check_size(len(text) + text.count("%") * (widest + measure(right)))
        if "*" in text:
            raise TemplateLimitError("a width given by * is not read")


def check_product(left: Any, right: Any) -> None:
    """Check a text or list that is repeated; the product of two numbers is measured afterwards."""
    for one, number in ((left, right), (right, left)):
        if isinstance(one, str | bytes | list | tuple) and isinstance(number, int):
            check_size(measure(one) * max(number, 0))


def check_power(left: Any, right: Any) -> None:
    """Check a power of whole numbers."""
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MOST_BITS:
        raise TemplateLimitError("a number is too large")


def accept(*_: Any) -> None:
    """Accept what makes nothing larger than what it is given."""


def check_replacement(text: Any, old: Any, new: Any, *_: Any, **__: Any) -> None:
    """Check the length of a text after a replacement."""
    texts = [one if isinstance(one, str | bytes) else str(one) for one in (text, old, new)]
    check_size(len(texts[0]) + texts[0].count(texts[1]) * len(texts[2]))  # type: ignore[arg-type]


def check_join(separator: Any, values: Sequence[Any]) -> None:
    """Check the length of joined texts."""
    check_written(values)
    check_size(measure(values) + len(separator) * len(values))


def check_tabs(text: Any, tabsize: int = 8) -> None:
    """Check the length of a text in which tabs become spaces."""
    check_size(len(text) + text.count("\t" if isinstance(text, str) else b"\t") * tabsize)


def check_center(_: Any, width: Any = 80) -> None:
    """Check the width of a centred text."""
    check_numbers(width)


def check_indent(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    """Check the length of a text whose lines are indented."""
    indent = len(width) if isinstance(width, str) else width
    check_size(len(text) + (text.count("\n") + 1) * indent)


def check_wordwrap(text: Any, width: int = 79, _: Any = None, wrapstring: str | None = None, **__: Any) -> None:
    """Check the length of a wrapped text, and how often the rest of its longest word is copied."""
    check_size(len(text) * len(wrapstring or "\n"))
    check_looking(max(map(len, text.split()), default=0) ** 2 // max(width, 1))


def check_parts(_: Any, *args: Any, **kwargs: Any) -> None:
    """Check the number of parts that a list is divided into."""
    if any(isinstance(each, int) and each > MOST_PARTS for each in (*args, *kwargs.values())):
        raise TemplateLimitError(f"a list has at most {MOST_PARTS:,} parts")


def check_json(value: Any, indent: int | None = None) -> None:
    """Check the length of JSON."""
    measure(value)
    if indent is not None and indent > MOST_INDENT:
        raise TemplateLimitError(f"JSON is indented by {MOST_INDENT} at most")


def check_round(_: Any, precision: int = 0, *__: Any) -> None:
    """Check the digits that a number is rounded to."""
    if abs(precision) > MOST_DIGITS:
        raise TemplateLimitError(f"a number is rounded to {MOST_DIGITS} digits at most")


def check_format(text: Any, *args: Any, **kwargs: Any) -> None:
    """Check a text that the filter `format` fills in by `%`."""
    check_percent(str(text), args or kwargs)


def check_tags(value: Any) -> None:
    """Check how often a text is searched for the end of a tag."""
    text = str(value)
    check_looking(text.count("<") * len(text))


def check_looking(chars: int) -> None:
    """Raise for a text that would be passed over too often."""
    if chars > MOST_LOOKING:
        raise TemplateLimitError("the text is too long for this filter")


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
