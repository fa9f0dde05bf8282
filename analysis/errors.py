"""The errors of this package, as one small tree.

AnalysisError
├── CallsError       a file of calls cannot be read, or its content is not calls
├── ColumnError      a frame lacks a column that the function reads
├── PromptError      a prompt file is invalid, or its template does not fit a call
├── ModelError       the request format of a model is not known
├── RunError         a run folder is missing, has another request, or lacks an earlier step
├── QuotaError       Amazon Bedrock would not accept the records in a batch job
├── BudgetError      sending the records would cost more than was agreed to
├── JobError         a batch job was refused, or ended in a way that needs a decision
│   ├── InputError   an input file is not as it was prepared, so that its job was not created
│   └── WaitError    jobs have not ended, or not been created, in the time that they were to be waited for
├── StorageError     a file, folder or s3:// address cannot be read or written
├── NotebookError    a notebook does not have a parameter, or failed in a cell
└── ExtraError       a library of an extra, such as `notebooks`, is not installed

A bad record in a batch raises none of these: it is a row of the outputs whose `error_message` says what happened.
What a reader must know beside numbers that are right as such is a warning, ComparisonNotice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any, Protocol, TypeGuard

# Modules of an extra that the package imports, or that a kernel of its notebooks needs.
EXTRAS = {"notebooks": ("anywidget", "ipykernel", "matplotlib", "nbconvert", "nbformat", "pandas", "papermill", "PIL")}
# What a terminal obeys (all controls but tab and line feed), line ends that only some programs know, and what reorders
# the text around it: Unicode Standard Annex 9, "Directional Formatting Characters".
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
# What is longer is no name but a text: the first line of a table without a header, or a transcript given as an id.
NAME_CHARS, NAME_SPACES = 80, 6
# No terminal can be sent a half of a surrogate pair, which stands for a byte in the name of a file.
CONTROL = re.compile(f"[{CONTROLS}\ud800-\udfff]")


class HasColumns(Protocol):
    """A frame of any library."""

    columns: Iterable[object]


class AnalysisError(Exception):
    """The base of all errors: where it happened, what is wrong and, where one is known, the cure.

    Attributes
    ----------
    where
        The file, row, run, job or parameter that the error is about, as text.
    reason
        What is wrong with it.
    cure
        What to do next; may be empty.
    """

    def __init__(self, where: object, reason: str, cure: str = "") -> None:
        super().__init__(str(where), reason, cure)
        self.where, self.reason, self.cure = str(where), reason, cure

    def __str__(self) -> str:
        return escape_controls(f"{show_path(self.where)}: {self.reason}" + (f"; {self.cure}" if self.cure else ""))


class CallsError(AnalysisError):
    """A file of calls cannot be read, or its content is not calls.

    Attributes
    ----------
    arguments
        Arguments of `read_calls` that would read it, where such are the cure; empty otherwise.
    asked
        The arguments that were passed, so that the cure is a whole call, or a whole command.
    """

    def __init__(self, where: object, reason: str, cure: str = "", *, arguments: dict[str, Any] | None = None) -> None:
        super().__init__(where, reason, cure)
        self.arguments = arguments or {}
        self.asked: dict[str, Any] = {}

    def __str__(self) -> str:
        return super().__str__() + (f": {escape_controls(self.format_call())}" if self.arguments else "")

    def format_call(self) -> str:
        """Format a call of `read_calls` that has the arguments."""
        place, *others = ({"where": self.where} | self.asked | self.arguments).items()
        return f"read_calls({', '.join([repr(str(place[1])), *(f'{name}={value!r}' for name, value in others)])})"


class ColumnError(AnalysisError):
    """A frame lacks a column that the function reads."""


class PromptError(AnalysisError):
    """A prompt file is invalid, or its template does not fit the call."""


class ModelError(AnalysisError):
    """The request format of a model, or of a way to invoke it, is not known."""


class RunError(AnalysisError):
    """A run folder is missing, was prepared for another request, or lacks an earlier step."""


class QuotaError(AnalysisError):
    """The records do not fit the quotas of Amazon Bedrock for one batch job."""


class BudgetError(AnalysisError):
    """Sending the records would cost more than was agreed to, or nothing was agreed to."""


class JobError(AnalysisError):
    """A batch job was refused, or ended in a way that needs a decision of a person."""


class InputError(JobError):
    """An input file of the job `where` is not as it was prepared: nothing was sent."""


class WaitError(JobError):
    """Jobs have not ended, or not been created, in the time that they were to be waited for; they go on without us."""


class StorageError(AnalysisError):
    """A file, folder or s3:// address cannot be read or written."""


class NotebookError(AnalysisError):
    """A notebook does not have a parameter, or one of its cells failed."""


class ExtraError(AnalysisError, ImportError):
    """A library of an extra is not installed."""


class ComparisonNotice(UserWarning):
    """What must be known beside the numbers of a comparison: they are right, and may mean something else."""


def escape_controls(text: str) -> str:
    r"""Replace the characters that a terminal obeys and those that reorder a line by escapes, such as `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def describe_passed(value: object) -> str:
    """Describe an argument that is of the wrong kind, in a few words; no text of a call is quoted."""
    kind = type(value).__name__
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, str):
        return f"the text {value!r}" if show_name(value) == value else show_name(value)
    if isinstance(value, list | tuple):
        return f"a {kind} that begins with {with_article(type(value[0]).__name__)}" if value else f"an empty {kind}"
    if is_frame(value):
        return f"a frame with the columns {show_names(value.columns, most=6)}"
    return with_article(kind)


def is_frame(value: Any) -> TypeGuard[HasColumns]:
    """Return whether a value is a DataFrame of some library, without importing any."""
    return type(value).__name__ == "DataFrame" and hasattr(value, "columns")


def with_article(noun: str) -> str:
    """Put `a` or `an` before a noun."""
    return f"{'an' if noun[:1] in 'AEIOUaeiou' else 'a'} {noun}"


def show_names(names: Iterable[object], *, most: int = 20) -> str:
    """Format the first of some names for a message; a long one is not quoted, since it may be a transcript."""
    remaining = iter(names)
    shown = [show_name(name) for name in islice(remaining, most)]
    return ", ".join(shown) + (", ..." if next(remaining, None) is not None else "")


def show_path(path: object) -> str:
    r"""Format the path of a file for a message, whole: a line feed in it would write a line of its own."""
    return escape_controls(str(path)).replace("\n", r"\n")


def show_name(name: object) -> str:
    """Format an id or the name of a column for a message, on one line."""
    text = show_path(name)
    return text if len(text) <= NAME_CHARS and text.count(" ") <= NAME_SPACES else f"a text of {len(text):,} characters"


@contextmanager
def needs_extra(extra: str, feature: str) -> Iterator[None]:
    """Convert the error of an import into one that says which extra to install for a feature.

    Raises
    ------
    ExtraError
        A module that is imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = str(error.name).split(".")[0]
        raise ExtraError(feature, f"{library} is not installed", f"pip install 'batchbook[{extra}]'") from error


def check_extra(extra: str, feature: str) -> None:
    """Raise an ExtraError where a module of an extra is not installed, without importing any: papermill is slow."""
    with needs_extra(extra, feature):
        for module in EXTRAS[extra]:
            if find_spec(module) is None:
                raise ModuleNotFoundError(name=module)
