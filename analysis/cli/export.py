"""The command `export`: write the answers of a run to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from analysis.cli.app import app, say
from analysis.errors import ColumnError, show_names


@app.command()
def export(
    run: Annotated[str, Argument(metavar="RUN", help="Folder of a run that was collected, or its name below runs/.")],
    file: Annotated[Path, Argument(metavar="FILE", help="The file to write, by its end: .csv, .xlsx or .parquet.")],
    column: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="Column to write, in this order; can be given several times. By default all."),
    ] = None,
    replace: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--replace", help="Replace FILE if it is there; otherwise it stays, and the command ends."),
    ] = False,
) -> None:
    """Write the answers of a run to a file that others open.

    One row per call, prompt and sample, with the columns of the call beside it: its transcript too, unless --column
    names those to write. Texts are never formulas, and what a spreadsheet has no room for is counted and said.
    """
    from analysis.outputs.export import write_answers
    from analysis.runs import scan_answers

    answers = scan_answers(run)
    known, wanted = answers.collect_schema().names(), [*dict.fromkeys(column or [])]
    for name in wanted:
        if name not in known:
            raise ColumnError("--column", f"no column {name!r}", f"there are {show_names(known, most=len(known))}")
    say(write_answers(answers.select(wanted or known), file, replace=replace))
