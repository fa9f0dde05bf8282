"""The commands `new`, `lab` and `make-calls`: what a user begins with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from analysis.cli.app import app, say
from analysis.errors import StorageError, check_extra

NEXT_STEPS = """
Next:
    cd {folder}
    batchbook make-calls    # synthetic calls; --calls also takes your own
    batchbook run --calls calls/synthetic.parquet --prompts notebooks/prompts/paragraph.md
    batchbook lab    # the same, step by step, in JupyterLab"""


@app.command()
def new(
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Folder for the notebooks; made if it does not exist.")],
) -> None:
    """Copy the notebooks and prompts to a folder.

    They go to FOLDER/notebooks, which must not exist yet: nothing is overwritten.
    """
    from analysis.reports.notebooks import copy_notebooks

    copies = copy_notebooks(folder)
    notebooks, prompts = (sum(copy.suffix == ending for copy in copies) for ending in (".ipynb", ".md"))
    say(f"{notebooks} notebooks and {prompts} prompts in {folder / 'notebooks'}")
    say(NEXT_STEPS.format(folder=shlex.quote(str(folder))))


@app.command()
def lab(
    options: Annotated[
        list[str] | None, Argument(metavar="[-- OPTIONS]", help="Options of jupyter lab, as -- --no-browser.")
    ] = None,
) -> None:
    """Open copies of the notebooks in JupyterLab, at the loop that tunes a prompt.

    The copies are in the folder lab, which git ignores: an executed notebook shows what customers said. A copy that you
    have edited, or executed and saved, stays; delete it to get the notebook anew.
    """
    import os
    import subprocess

    from analysis.reports.lab import LAB, update_copies
    from analysis.reports.notebooks import find_notebooks

    check_extra("notebooks", "batchbook lab")
    for copy in update_copies(find_notebooks(), Path(LAB)):
        say(f"{copy} is yours and stays; delete it to get the notebook as it is now.")
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *as_root, "--notebook-dir", ".", *(options or [])]
    raise typer.Exit(subprocess.call([*command, f"{LAB}/tune.ipynb"]))  # noqa: S603 -- the user's own options


@app.command("make-calls")
def write_synthetic_calls(
    calls: Annotated[int, Option(metavar="NUMBER", help="How many calls.")] = 1200,
    out: Annotated[Path, Option(metavar="FILE", help="The Parquet file to write.")] = Path("calls/synthetic.parquet"),
    seed: Annotated[int, Option(metavar="NUMBER", help="Same seed, same calls.")] = 0,
) -> None:
    """Write synthetic support calls to a Parquet file.

    One row per call, with the transcript and the details that it was made from.
    """
    from analysis.synthetic import make_calls

    made = make_calls(calls, seed=seed)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("wb") as file:
            made.write_parquet(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(out, f"cannot be written ({reason})", "give another file as --out") from error
    say(f"{calls:,} calls in {out}")
