"""Pages: the JavaScript and the style of widgets, from the files beside this one."""

from __future__ import annotations

from importlib.resources import files


def read_script(name: str) -> str:
    """Read the JavaScript of a widget, after the functions that all share: a widget's module imports nothing."""
    return read("fields.js") + read(f"{name}.js")


def read_style() -> str:
    """Read the style of all widgets."""
    return read("widgets.css")


def read(name: str) -> str:
    """Read a file of this folder."""
    return files("analysis.widgets").joinpath(name).read_text(encoding="utf-8")
