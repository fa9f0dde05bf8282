"""Notebooks: run one with checked parameters, keep the executed copy, and convert it to a page."""

from __future__ import annotations

import base64
import math
import os
import re
import shutil
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.errors import NotebookError, StorageError, escape_controls, needs_extra
from analysis.files import make_private, replace_when_whole
from analysis.prompts.files import list_schema_files
from analysis.reports.parameters import check_notebook

# Otherwise the kernel prints a warning that its connection is not encrypted.
QUIET = ["--IPKernelApp.log_level=50"]
# Seconds for the start of a kernel and for the output of a cell that has ended: the defaults of 60 and of 4 are too
# short on a busy machine.
KERNEL_TIMEOUT_S = 600
NOT_SHOWN: tuple[Any, ...] = ("", {}, math.inf)  # values left out of a page: empty ones, and a budget without limit
JUDGES = "prompts/judges"
LINK = re.compile(r'<a href="([a-z_]+)\.ipynb"[^>]*>(.*?)</a>')


# A name of a column above a table, as `show_table` writes it.
HEADING = re.compile(r'(<th class="col_heading[^"]*")( ?>)([a-z][a-z0-9_]*)</th>')
# Parts of these names, and what people call them; the first that fits is taken.
WORDS = {
    "_usd_per_1000_calls": " (USD) per 1,000 calls",
    "_usd_per_million": " (USD per million tokens)",
    "_usd_per_call": " (USD) per call",
    "_usd_low": " (USD), low",
    "_usd_high": " (USD), high",
    "_usd_estimate": " (USD), estimate",
    "_usd": " (USD)",
}
TITLES = {
    "stop": "ended by",
    "truncated": "cut off",
    "truncated_cost_usd": "spent on cut-off answers (USD)",
    "failed_cost_usd": "spent on failed records (USD)",
    "estimated": "tokens estimated",
    "max_tokens": "max_tokens",
    "suggested_max_tokens": "suggested max_tokens",
    "why": "why not answered",
    "why_not": "why not asked again",
    "room": "asked with max_tokens",
    "job_key": "job",
    "job_try": "try",
    "was_within": "bill within estimate",
    "agrees": "manifest agrees",
    "share_low": "share, low",
    "share_high": "share, high",
    "length_from": "input tokens from",
    "length_to": "to",
}


# For git: calls, runs and reports hold what customers said.
IGNORED = "/calls/\n/runs/\n/reports/\n/lab/\n.ipynb_checkpoints/\n"


def find_notebooks() -> Path:
    """Find the folder of notebooks: `notebooks/` here, or else those that came with the package."""
    here = Path("notebooks").resolve()
    return here if (here / "prepare.ipynb").exists() else find_own_notebooks()


def find_own_notebooks() -> Path:
    """Find the notebooks that came with the package: inside it where a wheel was installed, beside it in a clone.

    Raises
    ------
    NotebookError
        The package came without notebooks.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package / "notebooks", package.parent / "notebooks"):
        if (place / "prepare.ipynb").exists():
            return place
    raise NotebookError(package / "notebooks", "no notebooks here", "install batchbook from a wheel or a clone")


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy the notebooks and prompts that came with the package to `notebooks/` in a folder, which may be a new one.

    The files of schemas that the prompts name are copied too. A `.gitignore` is written where there is none, so that
    git takes no calls, runs and reports.

    Returns
    -------
    copies
        The files that were written, notebooks first.

    Raises
    ------
    StorageError
        There is a `notebooks` in the folder already, which is left as it is; or the folder cannot be made.
    """
    source, target = find_own_notebooks(), folder / "notebooks"
    try:
        target.mkdir(parents=True)
    except OSError as error:
        reason = "exists already" if target.exists() else f"cannot be made ({error.strerror})"
        raise StorageError(target, reason, "choose another folder; nothing was written") from error
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text(IGNORED, encoding="utf-8")
    files = [
        *sorted(source.glob("*.ipynb")),
        *sorted(source.glob("prompts/*.md")),
        *sorted(source.glob(f"{JUDGES}/*.md")),
    ]
    files += list_schema_files(file for file in files if file.suffix == ".md")
    for place in {(target / file.relative_to(source)).parent for file in files}:
        place.mkdir(parents=True, exist_ok=True)
    # Contents alone: an installed package may be read-only, and its copies are there to be edited.
    return [Path(shutil.copyfile(file, target / file.relative_to(source))) for file in files]


def run_notebook(notebook: Path, parameters: Mapping[str, Any], into: Path) -> Path:
    """Run a notebook in its own folder and keep the executed copy.

    Parameters
    ----------
    notebook
        Has one cell tagged `parameters`.
    parameters
        Values by name; those not given keep their defaults.
    into
        Folder of executed copies; the copy has the notebook's name, and is written after a failure too.

    Returns
    -------
    copy
        Path of the executed notebook.

    Raises
    ------
    NotebookError
        The notebook has no such parameter, or one of another type; a cell failed (the message has its number, its first
        line and the error); or the kernel was killed, as happens when memory runs out.
    """
    with needs_extra("notebooks", "run_notebook"):
        import papermill
        from nbclient.exceptions import DeadKernelError

    check_notebook(notebook, parameters)
    if not into.exists():
        into.mkdir(parents=True)
        make_private(into, into.parent)  # executed notebooks show transcripts
    copy = into / notebook.name
    try:
        papermill.execute_notebook(
            os.path.relpath(notebook),  # the copy contains this path and may be shown elsewhere
            copy,
            parameters=dict(parameters),
            cwd=notebook.parent,  # where its relative paths start
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=QUIET,
            start_timeout=KERNEL_TIMEOUT_S,
            iopub_timeout=KERNEL_TIMEOUT_S,
            coalesce_streams=True,  # otherwise every step of a progress bar is a line
        )
    except papermill.PapermillExecutionError as error:
        raise NotebookError(copy, describe_failure(error), "open the copy to see the cell") from error
    except DeadKernelError as error:
        raise NotebookError(copy, "its kernel was killed", "memory may have run out: use fewer calls") from error
    return copy


def describe_failure(error: Any) -> str:
    """Return number and first line of the failed cell, and its error."""
    first = next((line for line in error.source.splitlines() if line.strip()), "")
    return f"cell {error.exec_count} ({first}) failed: {error.ename.rsplit('.', 1)[-1]}: {error.evalue}"


def export_page(copy: Path, titles: Mapping[str, str] | None = None) -> Path:
    """Write an executed notebook as an HTML page without scripts, requests and code.

    A heading of a table that is the name of a column is written for people, as `cost (USD) per 1,000 calls`, and so is
    that name in the text; the name is shown where the mouse rests on the heading.

    Parameters
    ----------
    copy
        From `run_notebook`.
    titles
        Of the report's pages by their names without `.html`, for links at the top; a link in the text to a notebook
        without such a page becomes text. By default there are no links at the top, and each notebook has a page.
    """
    with needs_extra("notebooks", "export_page"):
        import nbformat
        from nbconvert import HTMLExporter

    notebook = nbformat.read(copy, as_version=4)  # type: ignore[no-untyped-call]
    shrink_images(notebook)
    # Only the body: Jupyter's whole page loads scripts from the network.
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
        body=Markup(write_for_people(link_pages(body, titles))),  # noqa: S704 -- nbconvert has escaped what is not HTML
        titles=titles or {},
        parameters={name: value for name, value in given.items() if value not in NOT_SHOWN},
    )
    with replace_when_whole(page) as unfinished:  # a page that is there says that its stage is done
        unfinished.write_text(text, encoding="utf-8")
    return page


def shrink_images(notebook: Any) -> None:
    """Write the images of a notebook in 256 colours, which a plot does not exceed by much: a third of the bytes."""
    from PIL import Image

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for data in (output["data"] for output in outputs if "image/png" in output.get("data", {})):
        with Image.open(BytesIO(base64.b64decode(data["image/png"]))) as image:
            coloured = image.convert("RGBA")
        page = Image.new("RGBA", coloured.size, "white")
        file = BytesIO()
        Image.alpha_composite(page, coloured).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            file, "PNG", optimize=True
        )
        data["image/png"] = base64.b64encode(file.getvalue()).decode()


def link_pages(body: str, titles: Mapping[str, str] | None) -> str:
    """Write links to notebooks as links to their pages, and as text where the report has no such page."""

    def link(found: re.Match[str]) -> str:
        name, text = found.groups()
        return text if titles is not None and name not in titles else f'<a href="{name}.html">{text}</a>'

    return LINK.sub(link, body)


def write_for_people(body: str) -> str:
    """Write the names of the columns of a page's tables for people, above the tables and where its text names them."""
    for name in {found[3] for found in HEADING.finditer(body)}:
        if (title := name_for_people(name)) != name:
            body = body.replace(f"<code>{name}</code>", f"<em>{title}</em>")
    return HEADING.sub(write_heading, body)


def write_heading(found: re.Match[str]) -> str:
    """Write the heading of a column for people, with the column's name as its tooltip."""
    tag, end, name = found.groups()
    return f'{tag} title="{name}"{end}{name_for_people(name)}</th>'


def name_for_people(name: str) -> str:
    """Return what people call a column, from its name."""
    if name in TITLES:
        return TITLES[name]
    ending = next((ending for ending in WORDS if name.endswith(ending)), "")
    return name.removesuffix(ending).replace("_", " ") + WORDS.get(ending, "")


def render_page(template: str, **values: Any) -> str:
    """Render a template of the folder `pages`; every value that is not Markup is escaped, and so are controls."""
    pages = PackageLoader("analysis.reports", "pages")
    environment = Environment(loader=pages, autoescape=True, undefined=StrictUndefined, finalize=escape_text)
    return environment.get_template(template).render(values)


def escape_text(value: Any) -> Any:
    """Escape what would reorder the line of a page; Markup is the package's own."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else escape_controls(value)
