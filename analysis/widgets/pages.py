"""Pages: the JavaScript and the style of widgets, from the files beside this one, and the problems that they show."""

from __future__ import annotations

from importlib.resources import files

from botocore.exceptions import BotoCoreError, ClientError

from analysis.errors import AnalysisError, escape_controls

# What a widget shows: all that its callback raises would be seen in the log of JupyterLab alone.
PROBLEMS = (AnalysisError, BotoCoreError, ClientError, OSError)


def read_script(name: str) -> str:
    """Read the JavaScript of a widget, after the functions that all share: a widget's module imports nothing."""
    return read("fields.js") + read(f"{name}.js")


def read_style() -> str:
    """Read the style of all widgets."""
    return read("widgets.css")


def read(name: str) -> str:
    """Read a file of this folder."""
    return files("analysis.widgets").joinpath(name).read_text(encoding="utf-8")


def describe(problem: Exception) -> str:
    """Describe what went wrong; AWS's own words do not go through an error of ours."""
    return escape_controls(str(problem))
