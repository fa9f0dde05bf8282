"""Notebooks: run one with parameters it knows, keep the executed copy, and turn it into a page."""

from __future__ import annotations

import ast
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.errors import NotebookError

# Without this the kernel prints a warning that its connection is not encrypted.
QUIET = ["--IPKernelApp.log_level=50"]
UNSAID: tuple[Any, ...] = ("", {}, math.inf)  # parameters that say nothing, and a cost that was agreed to before
LINK = re.compile(r'(<a href="[a-z_]+)\.ipynb"')


def find_notebooks() -> Path:
    """Find the folder of notebooks: `notebooks/` here, or beside the package.

    Raises
    ------
    NotebookError
        Neither is there.
    """
    places = [Path("notebooks"), Path(__file__).parents[2] / "notebooks"]
    for place in places:
        if (place / "prepare.ipynb").exists():
            return place.resolve()
    raise NotebookError(places[0].resolve(), "no notebooks here", "run from the folder of the project")


def run_notebook(notebook: Path, parameters: Mapping[str, Any], into: Path) -> Path:
    """Run a notebook in its own folder and keep the executed copy.

    Parameters
    ----------
    notebook
        Has one cell tagged `parameters`.
    parameters
        Values by name; those not given keep their defaults.
    into
        The folder of executed copies; the copy keeps the notebook's name, and is there after a failure too.

    Returns
    -------
    copy
        Path of the executed notebook.

    Raises
    ------
    NotebookError
        The notebook does not know a parameter, or a cell failed: its number, its first line and the error are given.
        The kernel was killed, as happens when memory runs out.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    check_parameters(notebook, parameters)
    into.mkdir(parents=True, exist_ok=True)
    copy = into / notebook.name
    try:
        papermill.execute_notebook(
            os.path.relpath(notebook),  # the copy notes it, and is to be read elsewhere
            copy,
            parameters=dict(parameters),
            cwd=notebook.parent,
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=QUIET,
            coalesce_streams=True,  # or a bar leaves a line for every step
        )
    except papermill.PapermillExecutionError as error:
        raise NotebookError(copy, describe_failure(error), "open the copy to see the cell") from error
    except DeadKernelError as error:
        raise NotebookError(copy, "its kernel was killed", "most often memory ran out: take fewer calls") from error
    return copy


def describe_failure(error: Any) -> str:
    """Name the failing cell and what it said."""
    first = next((line for line in error.source.splitlines() if line.strip()), "")
    return f"cell {error.exec_count} ({first}) failed: {error.ename.rsplit('.', 1)[-1]}: {error.evalue}"


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse a parameter that the notebook does not know; papermill would only warn."""
    known = list_parameters(notebook)
    for name in parameters:
        if name not in known:
            raise NotebookError(notebook.name, f"no parameter {name!r}", f"there are {', '.join(known)}")


def list_parameters(notebook: Path) -> dict[str, str]:
    """List the parameters of a notebook with their defaults, as they are written."""
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(notebook.name, f"{len(tagged)} cells tagged 'parameters'", "tag one")
    assigned = [line for line in ast.parse(tagged[0]).body if isinstance(line, ast.AnnAssign) and line.value]
    return {ast.unparse(line.target): ast.unparse(line.value) for line in assigned if line.value}


def export_page(copy: Path) -> Path:
    """Write an executed notebook as an HTML page that runs no script and asks for nothing; code is left out."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(copy, as_version=4)  # type: ignore[no-untyped-call]
    exporter: Any = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic", exclude_input=True, exclude_output_prompt=True, exclude_anchor_links=True
    )
    body, _ = exporter.from_notebook_node(notebook)
    page = copy.with_suffix(".html")
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    text = render_page(
        "page.html",
        run=copy.parent.name,
        title=copy.stem,
        body=Markup(LINK.sub(r'\1.html"', body)),  # noqa: S704 -- nbconvert has escaped what is not HTML
        parameters={name: value for name, value in given.items() if value not in UNSAID},
    )
    page.write_text(text, encoding="utf-8")
    return page


def render_page(template: str, **values: Any) -> str:
    """Fill in a page of the folder `pages`; everything that is not markup is escaped."""
    pages = PackageLoader("analysis.reports", "pages")
    environment = Environment(loader=pages, autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(values)
