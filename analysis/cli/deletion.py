"""The command `delete`: delete all that there is of a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from analysis.cli.app import app, say
from analysis.cli.options import SentProfile, SentRegion


@app.command()
def delete(
    run: Annotated[str, Argument(metavar="RUN", help="Folder of the run, its name below runs/, or its s3:// address.")],
    yes: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--yes", help="Delete without a question; the list is printed all the same."),
    ] = False,
    local_only: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--local-only", help="Leave AWS alone, as an account that cannot be reached; S3 keeps what it has."),
    ] = False,
    profile: SentProfile = "",
    region: SentRegion = "",
    bucket: Annotated[
        str, Option(metavar="NAME", help="S3 bucket of the run, if its ledger is lost; by default as it was sent.")
    ] = "",
    prefix: Annotated[str, Option(metavar="FOLDER", help="Folder of runs in that bucket.")] = "batchbook",
    bucket_owner: Annotated[
        str, Option(metavar="ACCOUNT", help="Account that the bucket belongs to; by default as the run was sent.")
    ] = "",
    reports: Annotated[
        Path | None, Option(metavar="FOLDER", help="Folder of reports; by default beside the folder of runs.")
    ] = None,
) -> None:
    """Delete a run: its folder, its reports, its input and output in S3.

    Lists all of it first, with counts and sizes, and asks for a yes. Objects in S3 that no job of the run wrote stay,
    and are named. While jobs are running nothing is deleted: batchbook stop ends them.

    S3 comes first and the folder last: after an interruption, run the same command again to finish.
    """
    from analysis.aws.storage import is_s3_uri
    from analysis.files import explain_file_errors
    from analysis.reports.overview import FIRST_PAGE, write_overview
    from analysis.runs import Run
    from analysis.runs import delete as delete_run
    from analysis.runs.folder import find_folder
    from analysis.runs.judges import list_judge_folders

    def answer(question: str) -> str:
        shown, _, asked = question.rpartition("\n")
        say(shown)
        return "yes" if yes else input(asked)

    folder = find_folder(run, profile=profile, region=region)
    pages = reports or folder.parent.parent / "reports"
    judges = list_judge_folders(Run(folder))
    done = delete_run(
        Run(folder),
        profile=profile,
        region=region,
        bucket=bucket,
        prefix=prefix,
        bucket_owner=bucket_owner,
        reports=pages,
        local_only=local_only,
        ask=answer,
    )
    say(f"Deleted: {done['files'].sum():,} files and objects, {done['bytes'].sum():,} bytes.")
    for judge in judges:
        beside = (folder if is_s3_uri(run) else Path(run)).with_name(judge.name)
        say(f"{judge.name} judged its answers and has them still: batchbook delete {shlex.quote(str(beside))}")
    if (pages / FIRST_PAGE).exists():
        with explain_file_errors():
            say(f"All runs: {write_overview(folder.parent, pages)}")
