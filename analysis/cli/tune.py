"""The command `tune`: ask some calls by several prompts, and say which one is better."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from analysis.aws.session import EMULATOR, open_session
from analysis.cli.app import app, say
from analysis.cli.sending import PromptsCommand, ask_for_cost, choose_wait_hours, execute, read_columns, summarize
from analysis.errors import check_extra

if TYPE_CHECKING:
    pass


@app.command(cls=PromptsCommand)
def tune(
    calls: Annotated[
        str,
        Option(
            metavar="PLACE",
            help="Table (.parquet, .csv, .jsonl), or folder or zip of texts or Transcribe's JSON; local or s3://.",
        ),
    ],
    prompts: Annotated[
        list[Path], Option(metavar="FILES", help="Prompt files, or folders of them, such as prompts/*.md.")
    ],
    name: Annotated[str, Option(metavar="NAME", help="Of the rounds, which are NAME-001, NAME-002, ...")] = "tune",
    calls_per_round: Annotated[
        int, Option(metavar="NUMBER", min=1, help="Calls of a round, picked in the first one and then kept.")
    ] = 300,
    confirm: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--confirm", help="Ask calls that no round has seen."),
    ] = False,
    decide_by: Annotated[
        list[str] | None,
        Option(metavar="COLUMN", help="Column that decides; can be given several times. By default quality and price."),
    ] = None,
    margin_points: Annotated[
        float, Option(metavar="POINTS", min=0, help="Largest difference that does not matter, in points of 100.")
    ] = 2.0,
    baseline: Annotated[str, Option(metavar="PROMPT", help="To compare with; by default the first one.")] = "",
    profile: Annotated[str, Option(metavar="NAME", help="AWS profile; 'emulator' needs no account.")] = EMULATOR,
    region: Annotated[str, Option(metavar="NAME", help="AWS region; by default the profile's.")] = "",
    bucket: Annotated[
        str, Option(metavar="NAME", help="S3 bucket for input and output; not needed on the emulator.")
    ] = "",
    role_arn: Annotated[str, Option(metavar="ARN", help="Service role of the jobs; not needed on the emulator.")] = "",
    wait_hours: Annotated[
        float | None,
        Option(
            metavar="HOURS",
            min=0,
            help="Hours to wait for the jobs; by default none on AWS, and without end on the emulator.",
        ),
    ] = None,
    budget_usd: Annotated[
        float | None,
        Option(metavar="USD", min=0, help="The most a round may cost; without it, AWS runs ask for a yes."),
    ] = None,
    column: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=YOURS", help="Your name for a column, as transcript=body; also call_id, turn, speaker, text."
        ),
    ] = None,
    empty: Annotated[Literal["refuse", "drop"], Option(help="What to do with calls without words.")] = "refuse",
    runs: Annotated[Path, Option(metavar="FOLDER", help="Folder of runs.")] = Path("runs"),
    reports: Annotated[Path, Option(metavar="FOLDER", help="Folder of reports.")] = Path("reports"),
) -> None:
    """Tune prompts: ask some calls, say which prompt is better.

    Edit a prompt file and run the same command again: the calls stay the same, and only what changed is asked and paid
    for. With nothing changed, the latest round is shown again.

    When you have chosen a prompt, --confirm asks calls that no round has seen. Exit code 3: the jobs are running on
    AWS; run the command again later.
    """
    from analysis.reports.front_page import compute_findings, write_index
    from analysis.reports.overview import write_overview
    from analysis.reports.sample import Choices
    from analysis.reports.stages import relative_to_notebooks
    from analysis.runs import is_finished
    from analysis.transcripts import read_calls
    from analysis.tuning import choose_invocation, plan_round, prepare_confirmation, prepare_round

    check_extra("notebooks", "batchbook tune")  # before anything is written or sent, as is the next line
    open_session(profile, region=region)  # raises for an unknown profile before anything is written
    columns = read_columns(column or [])
    call_frame = read_calls(calls, **columns, empty=empty, profile=profile, region=region)
    prepare_next = prepare_confirmation if confirm else prepare_round
    prepared = prepare_next(call_frame, prompts, into=runs, name=name, calls_per_round=calls_per_round)
    if prepared.read_sending() and is_finished(prepared):
        say(f"{prepared.name} has been answered with these prompts, and nothing is sent.")
    else:
        say(f"{plan_round(prepared, profile=profile, region=region)}\n")
    invocation = choose_invocation(prepared, profile=profile, region=region)
    ask_for_cost(prepared, invocation, profile, region, budget_usd)
    values: dict[str, Any] = {path: relative_to_notebooks(place) for path, place in (("calls", calls), ("runs", runs))}
    values |= {"prompts": [relative_to_notebooks(path) for path in prompts], "name": name, "confirm": confirm}
    values |= {"calls_per_round": calls_per_round, "columns": columns, "empty": empty, "profile": profile}
    values |= {"region": region, "bucket": bucket, "role_arn": role_arn, "budget_usd": math.inf}
    values |= {"wait_hours": choose_wait_hours(profile, wait_hours), "decide_by": decide_by or []}
    values |= {"margin_points": margin_points, "baseline": baseline}
    report = reports / prepared.name
    execute(lambda: run_round(values, report))
    findings = compute_findings(prepared, Choices(decide_by or [], margin_points, baseline, are_tuned=not confirm))
    say("\n".join(["", summarize(findings), *findings["notices"], "", *findings["sentences"]]))
    say(f"\nReport: {write_index(findings, report)}\nAll runs: {write_overview(runs, reports)}")


def run_round(values: dict[str, Any], report: Path) -> bool:
    """Execute the notebook of a round, and write its page; the round is then complete."""
    from analysis.reports.notebooks import export_page, find_notebooks, run_notebook

    export_page(run_notebook(find_notebooks() / "tune.ipynb", values, report))
    return True
