"""The command `run`: answer every call, and write a report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from analysis.aws.session import EMULATOR, find_region, open_session
from analysis.cli.app import app, say
from analysis.cli.options import (
    MARGIN_POINTS,
    Baseline,
    Bucket,
    BucketOwner,
    Calls,
    Cluster,
    Column,
    DecideBy,
    Empty,
    KmsKeyId,
    MarginPoints,
    Profile,
    Prompts,
    QuotaYear,
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
    read_tags,
    write_first_page,
)
from analysis.errors import check_extra
from analysis.facts.quotas import LATEST


@app.command(cls=PromptsCommand)
def run(
    calls: Calls,
    prompts: Prompts,
    pick: Annotated[
        int,
        Option(
            metavar="NUMBER",
            min=0,
            help="How many calls to pick, the same each time; by default all.",
            show_default=False,
        ),
    ] = 0,
    run: Annotated[str, Option(metavar="NAME", help="Name of the run; by default made from the prompts' names.")] = "",
    profile: Profile = EMULATOR,
    region: Region = "",
    bucket: Bucket = "",
    role_arn: RoleArn = "",
    bucket_owner: BucketOwner = "",
    kms_key_id: KmsKeyId = "",
    timeout_hours: Annotated[
        int, Option(metavar="HOURS", min=24, max=168, help="After these hours Bedrock ends a job.")
    ] = 24,
    subnet_id: Annotated[
        list[str] | None, Option(metavar="ID", help="VPC subnet of the jobs; can be given several times.")
    ] = None,
    security_group_id: Annotated[
        list[str] | None,
        Option(metavar="ID", help="Security group of the jobs in the VPC; can be given several times."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        Option(metavar="NAME=VALUE", help="Tag of the jobs, as team=calls; can be given several times."),
    ] = None,
    wait_hours: WaitHours = None,
    budget_usd: Annotated[
        float | None,
        Option(metavar="USD", min=0, help="The most the run may cost; without it, AWS runs ask for a yes."),
    ] = None,
    column: Column = None,
    empty: Empty = "refuse",
    decide_by: DecideBy = None,
    margin_points: MarginPoints = MARGIN_POINTS,
    baseline: Baseline = "",
    cluster: Cluster = "",
    quota_year: QuotaYear = LATEST,
    runs: Runs = Path("runs"),
    reports: Reports = Path("reports"),
) -> None:
    """Answer every call and write a report.

    Executes the notebooks, from prepare to the last report. Steps that are done are skipped: after an interruption, run
    the same command again to continue.

    On AWS the command waits for the jobs only as long as --wait-hours says, and ends with exit code 3 while they are
    running. Run it again later to continue. A run with too few records for a batch job is answered on demand.

    Exit code 5: the report is there, and records have no answer; `batchbook repair` asks for them again.
    """
    from analysis.prompts import read_prompts
    from analysis.reports.sample import Choices
    from analysis.reports.stages import run_stages
    from analysis.runs import prepare
    from analysis.transcripts import pick_calls, read_calls
    from analysis.tuning import choose_invocation, plan_round

    check_extra("notebooks", "batchbook run")  # before anything is written or sent, as is the next line
    open_session(profile, region=region)  # raises for an unknown profile before anything is written
    columns, tags = read_columns(column or []), read_tags(tag or [])
    call_frame = read_calls(calls, **columns, empty=empty, profile=profile, region=region)
    call_frame = pick_calls(call_frame, pick) if pick else call_frame
    wordings, choices = read_prompts(prompts), Choices(decide_by or [], margin_points, baseline, cluster)
    check_choices(choices, wordings, call_frame)
    prepared = prepare(call_frame, wordings, into=runs, name=run, quota_year=quota_year)
    say(f"{plan_round(prepared, profile=profile, region=find_region(profile, region))}\n")
    invocation = choose_invocation(prepared, profile=profile, region=region)
    ask_for_cost(prepared, invocation, profile, region, budget_usd)
    asked: dict[str, Any] = {"calls": calls, "columns": columns, "empty": empty, "prompts": prompts}
    asked |= {"pick": pick} if pick else {}
    asked |= {"runs": runs, "run": prepared.folder.name, "quota_year": quota_year}
    account: dict[str, Any] = {"profile": profile, "region": region, "bucket": bucket, "role_arn": role_arn}
    account |= {"bucket_owner": bucket_owner, "kms_key_id": kms_key_id, "timeout_hours": timeout_hours, "tags": tags}
    account |= {"subnet_ids": subnet_id or [], "security_group_ids": security_group_id or []}
    account |= {"wait_hours": choose_wait_hours(profile, wait_hours)}
    values = list_values(prepared.folder, asked, account, on_demand=invocation == "on_demand")
    values |= choices.to_parameters()
    report = reports / prepared.folder.name
    execute(lambda: run_stages(prepared.folder, values, report, echo=say))
    exit_unanswered(write_first_page(prepared, choices, runs, reports))


def list_values(run_folder: Path, asked: dict[str, Any], account: dict[str, Any], *, on_demand: bool) -> dict[str, Any]:
    """Return the values of the notebooks' parameters; each stage takes those that it declares."""
    from analysis.reports.stages import relative_to_notebooks

    paths: dict[str, Any] = {name: relative_to_notebooks(asked[name]) for name in ("calls", "runs")}
    paths |= {"prompts": [relative_to_notebooks(path) for path in asked["prompts"]]}
    paths |= {"run_folder": relative_to_notebooks(run_folder)}
    # The cost was agreed to before the first notebook: a kernel cannot ask.
    sending = {"budget_usd": math.inf, "on_demand": on_demand}
    return asked | paths | account | sending
