"""The application: its help and version, what it prints, and how it ends."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer import Option

from analysis.errors import AnalysisError, CallsError, escape_controls, show_path

STILL_RUNNING = 3
HAS_ERRORS = 4  # of `doctor`: a run would fail or be refused
UNANSWERED = 5  # records of a run have no answer
INTERRUPTED = 130
# What typer raises for a wrong option or argument; of that class it exports a subclass.
USAGE_ERROR: Any = typer.BadParameter.__base__

app = typer.Typer(
    help="Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def show_version(wanted: bool) -> None:  # noqa: FBT001 -- typer's way
    """Print the version of the installed package and exit."""
    if wanted:
        say(f"batchbook {version('batchbook')}")
        raise typer.Exit


@app.callback()
def read_options(
    version: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--version", help="Print the version and exit.", callback=show_version),
    ] = False,
) -> None:
    """Read the options that stand before a command."""


def say(text: object, *, err: bool = False) -> None:
    """Print a text; names of files, calls and columns in it cannot command the terminal."""
    typer.echo(escape_controls(str(text)), err=err)


def show_progress(line: str) -> None:
    """Overwrite the previous line of progress; print nothing where the output is not a terminal."""
    if sys.stderr.isatty():
        typer.echo(f"\r{line:<60}\r", nl=False, err=True)


def describe(error: AnalysisError) -> str:
    """Describe an error; a cure that is a call of Python becomes the command that was typed, with further options."""
    if not isinstance(error, CallsError) or not error.arguments:
        return str(error)
    options: list[str] = []
    for name, value in error.arguments.items():
        options += ["--empty", value] if name == "empty" else ["--column", f"{name}={value or ''}"]
    return f"{AnalysisError.__str__(error)}: {show_path(shlex.join([*sys.argv, *options]))}"


def main() -> None:
    """Run the command; print an error of the package as one sentence instead of a traceback."""
    try:
        sys.exit(app(standalone_mode=False))
    except AnalysisError as error:
        say(f"batchbook: {describe(error)}", err=True)
        sys.exit(1)
    except USAGE_ERROR as error:
        # It quotes what was typed, which a shell may have made of the names of files.
        error.message = escape_controls(error.message)
        error.show()
        sys.exit(error.exit_code)
    except typer.Abort:
        say("Aborted.", err=True)
        sys.exit(1)
