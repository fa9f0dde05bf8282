"""The command `tune`: ask some calls by several prompts, and say which one is better."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from analysis.aws.session import EMULATOR, open_session
from analysis.cli.app import app, say
from analysis.cli.options import (
    MARGIN_POINTS,
    Baseline,
    Bucket,
    Calls,
    Cluster,
    Column,
    DecideBy,
    Empty,
    MarginPoints,
    Profile,
    Prompts,
    Region,
    Reports,
    RoleArn,
    Runs,
    WaitHours,
)
from analysis.cli.sending import (
    PromptsCommand,
    ask_for_cost,
    check_choices,
    choose_wait_hours,
    execute,
    exit_unanswered,
    read_columns,
    write_first_page,
)
from analysis.errors import check_extra


@app.command(cls=PromptsCommand)
def tune(
    calls: Calls,
    prompts: Prompts,
    name: Annotated[str, Option(metavar="NAME", help="Of the rounds, which are NAME-001, NAME-002, ...")] = "tune",
    calls_per_round: Annotated[
        int, Option(metavar="NUMBER", min=1, help="Calls of a round, picked in the first one and then kept.")
    ] = 300,
    confirm: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--confirm", help="Ask calls that no round has seen."),
    ] = False,
    decide_by: DecideBy = None,
    margin_points: MarginPoints = MARGIN_POINTS,
    baseline: Baseline = "",
    cluster: Cluster = "",
    profile: Profile = EMULATOR,
    region: Region = "",
    bucket: Bucket = "",
    role_arn: RoleArn = "",
    wait_hours: WaitHours = None,
    budget_usd: Annotated[
        float | None,
        Option(metavar="USD", min=0, help="The most a round may cost; without it, AWS runs ask for a yes."),
    ] = None,
    column: Column = None,
    empty: Empty = "refuse",
    runs: Runs = Path("runs"),
    reports: Reports = Path("reports"),
) -> None:
    """Tune prompts: ask some calls, say which prompt is better.

    Edit a prompt file and run the same command again: the calls stay the same, and only what changed is asked and paid
    for. With nothing changed, the latest round is shown again.

    When you have chosen a prompt, --confirm asks calls that no round has seen. Exit code 3: the jobs are running on
    AWS; run the command again later. Exit code 5: records have no answer; `batchbook repair` asks for them again.
    """
    from analysis.prompts import read_prompts
    from analysis.reports.sample import Choices
    from analysis.reports.stages import relative_to_notebooks
    from analysis.runs import is_finished
    from analysis.transcripts import read_calls
    from analysis.tuning import choose_invocation, plan_round, prepare_confirmation, prepare_round

    check_extra("notebooks", "batchbook tune")  # before anything is written or sent, as is the next line
    open_session(profile, region=region)  # raises for an unknown profile before anything is written
    columns = read_columns(column or [])
    call_frame = read_calls(calls, **columns, empty=empty, profile=profile, region=region)
    wordings = read_prompts(prompts)
    choices = Choices(decide_by or [], margin_points, baseline, cluster, are_tuned=not confirm)
    check_choices(choices, wordings, call_frame)
    prepare_next = prepare_confirmation if confirm else prepare_round
    prepared = prepare_next(call_frame, wordings, into=runs, name=name, calls_per_round=calls_per_round)
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
    values |= {"wait_hours": choose_wait_hours(profile, wait_hours)} | choices.to_parameters()
    execute(lambda: run_round(values, reports / prepared.folder.name))
    exit_unanswered(write_first_page(prepared, choices, runs, reports))


def run_round(values: dict[str, Any], report: Path) -> bool:
    """Execute the notebook of a round, and write its page; the round is then complete."""
    from analysis.reports.notebooks import export_page, find_notebooks, run_notebook
    from analysis.reports.stages import TUNE, list_titles

    export_page(run_notebook(find_notebooks() / f"{TUNE}.ipynb", values, report), list_titles([TUNE]))
    return True
