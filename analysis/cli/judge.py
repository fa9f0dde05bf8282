"""The command `judge`: ask a model about the answers of a run, and write the report with what it said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from analysis.aws.session import EMULATOR, open_session
from analysis.cli.app import app, say
from analysis.cli.options import Bucket, Profile, Region, ReportsThere, RoleArn, RunName, WaitHours
from analysis.cli.sending import ask_for_cost, choose_wait_hours, execute, find_report, write_first_page
from analysis.errors import check_extra

if TYPE_CHECKING:
    from analysis.reports.sample import Choices
    from analysis.runs import Run


@app.command()
def judge(
    run: RunName = "",
    judge: Annotated[
        Path, Option(metavar="FILE", help="Prompt file that judges pairs of answers, or each by itself.")
    ] = Path("notebooks/prompts/judges/pair.md"),
    baseline: Annotated[
        str, Option(metavar="PROMPT", help="To compare with; by default as in the report, or the first one.")
    ] = "",
    both_orders: Annotated[
        int, Option(metavar="NUMBER", min=0, help="Pairs that are judged in both orders, to see if that changes much.")
    ] = 100,
    profile: Profile = EMULATOR,
    region: Region = "",
    bucket: Bucket = "",
    role_arn: RoleArn = "",
    wait_hours: WaitHours = None,
    budget_usd: Annotated[
        float | None,
        Option(metavar="USD", min=0, help="The most the judge may cost; without it, AWS runs ask for a yes."),
    ] = None,
    reports: ReportsThere = None,
) -> None:
    """Let a model judge the answers of a run.

    The judge is a run of its own beside it, with its own bill; what it has judged before is not asked again. The report
    is written anew: what the judge says decides where people rated 100 calls that were picked at random.

    Exit code 3: the judge's jobs are running on AWS; run the command again later.
    """
    from analysis.reports.stages import relative_to_notebooks
    from analysis.runs import is_finished, open_run, prepare_judge
    from analysis.tuning import choose_invocation, plan_round

    check_extra("notebooks", "batchbook judge")  # before anything is written or sent, as is the next line
    open_session(profile, region=region)  # raises for an unknown profile before anything is written
    judged = open_run(run)
    report = find_report(judged, reports)
    values, choices = read_choices(report, baseline)
    prepared = prepare_judge(judged, judge, baseline=choices.baseline, both_orders=both_orders)
    if prepared.read_sending() and is_finished(prepared):
        say(f"{prepared.name} has judged these answers, and nothing is sent.")
    else:
        say(f"{plan_round(prepared, profile=profile, region=region)}\n")
    invocation = choose_invocation(prepared, profile=profile, region=region)
    ask_for_cost(prepared, invocation, profile, region, budget_usd)
    asked: dict[str, Any] = {"judge": relative_to_notebooks(judge), "baseline": choices.baseline}
    asked |= {"run_folder": relative_to_notebooks(judged.folder), "both_orders": both_orders, "profile": profile}
    asked |= {"region": region, "bucket": bucket, "role_arn": role_arn, "budget_usd": math.inf}
    asked |= {"wait_hours": choose_wait_hours(profile, wait_hours)}
    execute(lambda: write_pages(judged, asked, values, report))
    write_first_page(judged, choices, judged.folder.parent, report.parent)


def read_choices(report: Path, baseline: str) -> tuple[dict[str, Any], Choices]:
    """Read the parameters that a report was made with, none where there is none, and what decides by them."""
    from dataclasses import replace

    from analysis.reports.sample import Choices
    from analysis.reports.stages import TUNE, has_report, read_own_values, read_values

    values = read_values(report) if has_report(report) else {}
    tuned = read_own_values(report, TUNE)
    choices = Choices.from_parameters(values or tuned)
    if baseline:
        choices, values = replace(choices, baseline=baseline), values | ({"baseline": baseline} if values else {})
    return values, replace(choices, are_tuned=bool(tuned) and not tuned.get("confirm"))


def write_pages(judged: Run, asked: dict[str, Any], values: dict[str, Any], report: Path) -> bool:
    """Execute the notebook of the judge, and those of a report that show what it says; all is then complete."""
    from analysis.reports.notebooks import export_page, find_notebooks, run_notebook
    from analysis.reports.stages import JUDGE, list_titles, run_stages

    stages = [path.stem for path in report.glob("*.html")]
    export_page(run_notebook(find_notebooks() / f"{JUDGE}.ipynb", asked, report), list_titles([*stages, JUDGE]))
    return run_stages(judged.folder, values, report, echo=say) if values else True
