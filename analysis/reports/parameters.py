"""Parameters of a notebook: the names and types that its tagged cell declares, and whether values fit them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.errors import NotebookError, describe_passed, needs_extra, show_name

# The types that a parameter may be declared with, in words. A whole number is a number too, and no truth value is one.
TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("a text", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("True or False", (bool,)),
    "list": ("a list", (list, tuple)),
    "dict": ("a dict", (dict,)),
}
# How the command of papermill is given a value of a type; -p makes a number of what looks like one, and no list.
OPTIONS = {"str": "-r {} TEXT", "list": "-y '{}: [...]'", "dict": "-y '{}: {{...}}'"}
INJECTED = "# Parameters\n"  # how the cell begins that papermill adds after the parameters
OF_PAPERMILL = "PAPERMILL_"  # the names that its option --inject-paths adds


def check_parameters() -> None:
    """Check the parameters of the notebook that calls this by the names and types that its first cell declares.

    The declaration is the cell of parameters as it was last executed, such as `corpus_calls: int = 1000000`. The cell
    that papermill adds after it may only set names of it. Outside of a notebook there is no such cell, and nothing is
    checked.

    Raises
    ------
    NotebookError
        papermill sets a name that the notebook does not declare, or a value is of another type.
    """
    ipython = sys.modules.get("IPython")
    if shell := ipython.get_ipython() if ipython else None:
        check_cells(shell.user_ns.get("In", ()), shell.user_ns)


def check_cells(cells: Iterable[str], values: Mapping[str, Any]) -> None:
    """Check the values of a notebook by its executed cells: the last one that declares, and what papermill injected."""
    declared: dict[str, str] = {}
    injected: set[str] = set()
    for source in cells:
        if found := read_types(source):
            declared, injected = found, set()
        elif source.startswith(INJECTED):
            injected = list_assigned(source)
    names = {name for name in injected if not name.startswith(OF_PAPERMILL)}
    given = {name: values[name] for name in (*declared, *sorted(names)) if name in values}
    check_values("parameters", declared, given)


def check_values(where: str, declared: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Raise for the first value whose name is not declared, or whose type is another one."""
    for name in sorted(values, key=declared.__contains__):  # a misspelt name explains more than a type
        if name not in declared:
            raise NotebookError(where, f"no parameter {show_name(name)!r}", f"there are {', '.join(declared)}")
        wanted, kinds = TYPES.get(declared[name], ("", (object,)))
        value = values[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
            option = OPTIONS.get(declared[name])
            cure = f"pass {wanted}" + (f", to papermill by {option.format(name)}" if option else "")
            raise NotebookError(where, f"{name} is {describe_passed(value)} and not {wanted}", cure)


def read_types(source: str) -> dict[str, str]:
    """Read names and types of a cell that declares parameters and does nothing else; empty for any other cell."""
    lines = parse_cell(source)
    found = {ast.unparse(line.target): ast.unparse(line.annotation) for line in lines if is_declaration(line)}
    return found if len(found) == len(lines) else {}


def list_assigned(source: str) -> set[str]:
    """List the names that a cell assigns at its top."""
    assigned = [line for line in parse_cell(source) if isinstance(line, ast.Assign)]
    return {ast.unparse(target) for line in assigned for target in line.targets}


def parse_cell(source: str) -> list[Any]:
    """Parse a cell; no lines where it is not Python."""
    try:
        return list(ast.parse(source).body)
    except (SyntaxError, ValueError):
        return []


def is_declaration(line: ast.stmt) -> bool:
    """Return whether a line is as `name: type = value`."""
    return isinstance(line, ast.AnnAssign) and line.value is not None


def check_notebook(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raise for a parameter that a notebook does not declare, or of another type; papermill would only warn."""
    check_values(notebook.name, read_types(read_declaration(notebook)), parameters)


def list_parameters(notebook: Path) -> dict[str, str]:
    """List the parameters of a notebook with their defaults, as they are written."""
    lines = filter(is_declaration, parse_cell(read_declaration(notebook)))
    return {ast.unparse(line.target): ast.unparse(line.value) for line in lines}


def read_declaration(notebook: Path) -> str:
    """Read the cell of parameters of a notebook.

    Raises
    ------
    NotebookError
        There is none, or several.
    """
    with needs_extra("notebooks", "list_parameters"):
        import nbformat

    cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(notebook.name, f"{len(tagged)} cells tagged 'parameters'", "tag one")
    return str(tagged[0])
