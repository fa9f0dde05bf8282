"""The command `doctor`: check what a run needs, before money is spent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from analysis.aws.session import EMULATOR
from analysis.cli.app import HAS_ERRORS, app, say
from analysis.cli.options import (
    Bucket,
    BucketOwner,
    Calls,
    Column,
    Empty,
    KmsKeyId,
    Profile,
    QuotaYear,
    Region,
    RoleArn,
)
from analysis.cli.sending import PromptsCommand, read_columns
from analysis.facts.quotas import LATEST

if TYPE_CHECKING:
    import polars as pl

    from analysis.prompts import Prompt

WIDTH = 18  # of the name of a check


@app.command(cls=PromptsCommand)
def doctor(
    calls: Calls = "",
    prompts: Annotated[
        list[Path] | None, Option(metavar="FILES", help="Prompt files, or folders of them, such as prompts/*.md.")
    ] = None,
    profile: Profile = EMULATOR,
    region: Region = "",
    bucket: Bucket = "",
    role_arn: RoleArn = "",
    bucket_owner: BucketOwner = "",
    kms_key_id: KmsKeyId = "",
    budget_usd: Annotated[
        float | None,
        Option(
            metavar="USD",
            min=0,
            help="The most to pay for one record of each prompt; without it, AWS needs a yes.",
        ),
    ] = None,
    column: Column = None,
    empty: Empty = "refuse",
    quota_year: QuotaYear = LATEST,
) -> None:
    """Check what a run needs, before money is spent.

    Checks credentials, region, bucket, role, models, quotas, and the calls against every known limit, and says what to
    do. Nothing is left in AWS. What the caller may not see is unknown.

    With calls and prompts, and when nothing is an error, it then asks one record of each prompt on demand, after a yes
    to its price or within --budget-usd; on the emulator without asking.

    Ends with exit code 4 when something is an error.
    """
    from analysis.prompts import read_prompts
    from analysis.runs import diagnose
    from analysis.transcripts import read_calls

    columns = read_columns(column or [])
    variants = read_prompts(prompts) if prompts else None
    call_frame = read_calls(calls, **columns, empty=empty, profile=profile, region=region) if calls else None
    findings = diagnose(
        call_frame,
        variants,
        profile=profile,
        region=region,
        bucket=bucket,
        role_arn=role_arn,
        bucket_owner=bucket_owner,
        kms_key_id=kms_key_id,
        quota_year=quota_year,
    )
    statuses = Counter(findings["status"])
    print_findings(findings)
    if call_frame is not None and variants:
        statuses += ask_variants(call_frame, variants, profile, region, budget_usd, has_errors=bool(statuses["error"]))
    counts = ", ".join(f"{statuses[name]} {name}" for name in ("ok", "warning", "error", "unknown"))
    say(f"\nFindings: {counts}.")
    if statuses["error"]:
        raise typer.Exit(HAS_ERRORS)


def ask_variants(
    calls: pl.DataFrame,
    prompts: list[Prompt],
    profile: str,
    region: str,
    budget_usd: float | None,
    *,
    has_errors: bool,
) -> Counter[str]:
    """Ask one record of each prompt, unless something is an error, and print what came of it."""
    from analysis.runs import try_variants

    if has_errors:
        say("\nNo record is asked on demand before the errors are corrected.")
        return Counter()
    findings = try_variants(calls, prompts, profile=profile, region=region, budget_usd=budget_usd)
    print_findings(findings)
    return Counter(findings["status"])


def print_findings(findings: pl.DataFrame) -> None:
    """Print a line for each finding, and its cure below; names and messages cannot command the terminal."""
    for check, status, detail, cure in findings.iter_rows():
        say(f"{status:<8} {check:<{WIDTH}} {put_on_one_line(detail)}")
        if cure:
            say(f"{'':8} {'':{WIDTH}} -> {put_on_one_line(cure)}")


def put_on_one_line(text: str) -> str:
    """Write line feeds as such: a message of AWS cannot look like a finding of its own."""
    return text.replace("\n", r"\n")
