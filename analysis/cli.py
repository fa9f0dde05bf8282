"""The command `batchbook`."""

from __future__ import annotations

import math
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option
from typer.core import TyperCommand

from analysis.aws.session import EMULATOR, emulator_folder, find_region, open_session
from analysis.errors import (
    AnalysisError,
    CallsError,
    JobError,
    NotebookError,
    StorageError,
    WaitError,
    check_extra,
    escape_controls,
)
from analysis.facts.quotas import LATEST

if TYPE_CHECKING:
    from analysis.runs import Run

STILL_RUNNING = 3
INTERRUPTED = 130
PORT = 4574
COLUMNS = ("call_id", "transcript", "turn", "speaker", "text")
# What typer raises for a wrong option or argument; of that class it exports a subclass.
USAGE_ERROR: Any = typer.BadParameter.__base__
NEXT_STEPS = """
Next:
    cd {folder}
    batchbook make-calls    # synthetic calls; --calls also takes your own
    batchbook run --calls calls/synthetic.parquet --prompts notebooks/prompts/paragraph.md
    batchbook lab    # the same, step by step, in JupyterLab"""

app = typer.Typer(
    help="Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

facts = typer.Typer(
    help="Update the prices and quotas that are used.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(facts, name="facts")


class RunCommand(TyperCommand):
    """The command `run`, whose option --prompts takes several files one after another, as a shell writes `*.md`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the options, after writing --prompts before each of its files."""
        return super().parse_args(ctx, repeat_option("--prompts", args))


def repeat_option(option: str, arguments: Sequence[str]) -> list[str]:
    """Write an option before each of the values that follow it, up to the next option."""
    repeated: list[str] = []
    is_value = is_further = False  # of the option; beyond its first value
    for argument in arguments:
        is_option = argument.startswith("-") and not is_value
        repeated += [option, argument] if is_further and not is_option else [argument]
        is_further = is_value or argument.startswith(f"{option}=") or (is_further and not is_option)
        is_value = argument == option
    return repeated


def show_version(wanted: bool) -> None:  # noqa: FBT001 -- typer's way
    """Print the version of the installed package and exit."""
    if wanted:
        say(f"batchbook {version('batchbook')}")
        raise typer.Exit


@app.callback()
def read_options(
    version: Annotated[bool, Option("--version", help="Print the version and exit.", callback=show_version)] = False,  # noqa: FBT002 -- typer's way
) -> None:
    """Read the options that stand before a command."""


@app.command()
def new(
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Folder for the notebooks; made if it does not exist.")],
) -> None:
    """Copy the notebooks and prompts to a folder.

    They go to FOLDER/notebooks, which must not exist yet: nothing is overwritten.
    """
    from analysis.reports.notebooks import copy_notebooks

    copies = copy_notebooks(folder)
    notebooks = sum(copy.suffix == ".ipynb" for copy in copies)
    say(f"{notebooks} notebooks and {len(copies) - notebooks} prompts in {folder / 'notebooks'}")
    say(NEXT_STEPS.format(folder=shlex.quote(str(folder))))


@app.command()
def lab(
    options: Annotated[
        list[str] | None, Argument(metavar="[-- OPTIONS]", help="Options of jupyter lab, as -- --no-browser.")
    ] = None,
) -> None:
    """Open copies of the notebooks in JupyterLab.

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
    raise typer.Exit(subprocess.call([*command, f"{LAB}/prepare.ipynb"]))  # noqa: S603 -- the user's own options


@app.command(cls=RunCommand)
def run(
    calls: Annotated[str, Option(help="Table (.parquet, .csv, .jsonl), folder or zip of .txt; local or s3://.")],
    prompts: Annotated[list[Path], Option(help="Prompt files, or folders of them, such as prompts/*.md.")],
    pick: Annotated[
        int, Option(min=0, help="How many calls to pick, the same each time; by default all.", show_default=False)
    ] = 0,
    run: Annotated[str, Option(help="Name of the run; by default made from the prompts' names.")] = "",
    profile: Annotated[str, Option(help="AWS profile; 'emulator' needs no account.")] = EMULATOR,
    region: Annotated[str, Option(help="AWS region; by default the profile's.")] = "",
    bucket: Annotated[str, Option(help="S3 bucket for input and output; not needed on the emulator.")] = "",
    role_arn: Annotated[str, Option(help="Service role of the jobs; not needed on the emulator.")] = "",
    bucket_owner: Annotated[str, Option(help="Account that the bucket belongs to; by default the caller's.")] = "",
    kms_key_id: Annotated[
        str, Option(help="KMS key that encrypts input and output; by default as the bucket does.")
    ] = "",
    timeout_hours: Annotated[int, Option(min=24, max=168, help="After these hours Bedrock ends a job.")] = 24,
    subnet_id: Annotated[list[str] | None, Option(help="VPC subnet of the jobs; can be given several times.")] = None,
    security_group_id: Annotated[
        list[str] | None, Option(help="Security group of the jobs in the VPC; can be given several times.")
    ] = None,
    tag: Annotated[list[str] | None, Option(help="Tag of the jobs, as team=calls; can be given several times.")] = None,
    wait_hours: Annotated[
        float | None,
        Option(min=0, help="Hours to wait for the jobs; by default none on AWS, and without end on the emulator."),
    ] = None,
    budget_usd: Annotated[
        float,
        Option(help="The most the run may cost; without it, AWS runs ask for a yes.", show_default=False),
    ] = 0.0,
    column: Annotated[
        list[str] | None,
        Option(help="Your name for a column, as transcript=body; also call_id, turn, speaker, text."),
    ] = None,
    empty: Annotated[Literal["refuse", "drop"], Option(help="What to do with calls without words.")] = "refuse",
    quota_year: Annotated[str, Option(help="Bedrock's quotas of 2026, or of 2024 for older accounts.")] = LATEST,
    runs: Annotated[Path, Option(help="Folder of runs.")] = Path("runs"),
    reports: Annotated[Path, Option(help="Folder of reports.")] = Path("reports"),
) -> None:
    """Answer every call and write a report.

    Executes the notebooks, from prepare to the last report. Steps that are done are skipped: after an interruption, run
    the same command again to continue.

    On AWS the command waits for the jobs only as long as --wait-hours says, and ends with exit code 3 while they are
    running. Run it again later to continue. A run with too few records for a batch job is answered on demand.
    """
    from analysis.prompts import read_prompts
    from analysis.reports.front_page import compute_findings, write_index
    from analysis.reports.overview import write_overview
    from analysis.reports.stages import run_stages
    from analysis.runs import prepare
    from analysis.transcripts import pick_calls, read_calls
    from analysis.tuning import choose_invocation, plan_round

    check_extra("notebooks", "batchbook run")  # before anything is written or sent, as is the next line
    open_session(profile, region=region)  # raises for an unknown profile before anything is written
    columns, tags = read_columns(column or []), read_tags(tag or [])
    call_frame = read_calls(calls, **columns, empty=empty, profile=profile, region=region)
    call_frame = pick_calls(call_frame, pick) if pick else call_frame
    prepared = prepare(call_frame, read_prompts(prompts), into=runs, name=run, quota_year=quota_year)
    say(f"{plan_round(prepared, profile=profile, region=find_region(profile, region))}\n")
    invocation = choose_invocation(prepared, profile=profile, region=region)
    ask_for_cost(prepared, invocation, profile, region, budget_usd)
    asked: dict[str, Any] = {"calls": calls, "columns": columns, "empty": empty, "prompts": prompts}
    asked |= {"pick": pick} if pick else {}
    asked |= {"runs": runs, "run": prepared.name, "quota_year": quota_year}
    account: dict[str, Any] = {"profile": profile, "region": region, "bucket": bucket, "role_arn": role_arn}
    account |= {"bucket_owner": bucket_owner, "kms_key_id": kms_key_id, "timeout_hours": timeout_hours, "tags": tags}
    account |= {"subnet_ids": subnet_id or [], "security_group_ids": security_group_id or []}
    account |= {"wait_hours": choose_wait_hours(profile, wait_hours)}
    values = list_values(prepared.folder, asked, account, on_demand=invocation == "on_demand")
    report = reports / prepared.name
    execute(lambda: run_stages(prepared.folder, values, report, echo=say))
    findings = compute_findings(prepared)
    page, overview = write_index(findings, report), write_overview(runs, reports)
    last = [f"Report: {page}", f"All runs: {overview}"]
    say("\n".join(["", summarize(findings), *findings["notices"], *last]))


@app.command()
def tune(
    calls: Annotated[str, Option(help="Table (.parquet, .csv, .jsonl), folder or zip of .txt; local or s3://.")],
    prompts: Annotated[list[Path], Option(help="Prompt file, or a folder of them; can be given several times.")],
    name: Annotated[str, Option(help="Of the rounds, which are NAME-001, NAME-002, ...")] = "tune",
    calls_per_round: Annotated[
        int, Option(min=1, help="Calls of a round, picked in the first one and then kept.")
    ] = 300,
    confirm: Annotated[bool, Option("--confirm", help="Ask calls that no round has seen.")] = False,  # noqa: FBT002 -- typer's way
    decide_by: Annotated[
        list[str] | None,
        Option(help="Column that decides; can be given several times. By default quality and price."),
    ] = None,
    margin_points: Annotated[float, Option(help="Largest difference that does not matter, in points of 100.")] = 2.0,
    baseline: Annotated[str, Option(help="Prompt to compare with; by default the first one.")] = "",
    profile: Annotated[str, Option(help="AWS profile; 'emulator' needs no account.")] = EMULATOR,
    region: Annotated[str, Option(help="AWS region; by default the profile's.")] = "",
    bucket: Annotated[str, Option(help="S3 bucket for input and output; not needed on the emulator.")] = "",
    role_arn: Annotated[str, Option(help="Service role of the jobs; not needed on the emulator.")] = "",
    wait_hours: Annotated[
        float | None,
        Option(min=0, help="Hours to wait for the jobs; by default none on AWS, and without end on the emulator."),
    ] = None,
    budget_usd: Annotated[
        float,
        Option(help="The most a round may cost; without it, AWS asks for a yes.", show_default=False),
    ] = 0.0,
    column: Annotated[
        list[str] | None,
        Option(help="Your name for a column, as transcript=body; also call_id, turn, speaker, text."),
    ] = None,
    empty: Annotated[Literal["refuse", "drop"], Option(help="What to do with calls without words.")] = "refuse",
    runs: Annotated[Path, Option(help="Folder of runs.")] = Path("runs"),
    reports: Annotated[Path, Option(help="Folder of reports.")] = Path("reports"),
) -> None:
    """Tune prompts: ask some calls, say which prompt is better.

    Edit a prompt file and run the same command again: the calls stay the same, and only what changed is asked and paid
    for. With nothing changed, the latest round is shown again.

    When you have chosen a prompt, --confirm asks calls that no round has seen. Exit code 3: the jobs are running on
    AWS; run the command again later.
    """
    from analysis.reports.front_page import compute_findings, write_index
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
    findings = compute_findings(prepared)
    say("\n".join(["", summarize(findings), *findings["notices"], ""]))
    say("\n".join(decide(prepared, decide_by or [], margin_points, baseline)))
    say(f"\nReport: {write_index(findings, report)}")


def decide(run: Run, decide_by: list[str], margin_points: float, baseline: str) -> list[str]:
    """Say which prompt of a round to take, and why; the page of the round has the warnings."""
    from analysis.comparison.decision import advise
    from analysis.runs import measure_run
    from analysis.tuning import compare_round

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        measured = measure_run(run)
        advice = advise(compare_round(measured, decide_by=decide_by, margin_points=margin_points, baseline=baseline))
    return [advice.sentence, *advice.reasons]


def run_round(values: dict[str, Any], report: Path) -> bool:
    """Execute the notebook of a round, and write its page; the round is then complete."""
    from analysis.reports.notebooks import export_page, find_notebooks, run_notebook

    export_page(run_notebook(find_notebooks() / "tune.ipynb", values, report))
    return True


def ask_for_cost(run: Run, invocation: str, profile: str, region: str, budget_usd: float) -> None:
    """Check the cost against the budget, or ask for a yes; the plan has been printed."""
    from analysis.runs import confirm_cost

    confirm_cost(
        run,
        invocation=invocation,
        profile=profile,
        region=region,
        budget_usd=budget_usd or None,
        ask=lambda question: input(question.rsplit("\n", 1)[-1]),
    )


def choose_wait_hours(profile: str, wait_hours: float | None) -> float:
    """Return the hours to wait for jobs: as given, or without end on the emulator and none on AWS."""
    return (math.inf if profile == EMULATOR else 0.0) if wait_hours is None else wait_hours


def read_columns(pairs: list[str]) -> dict[str, Any]:
    """Parse pairs such as `transcript=body`; an empty name, as in `turn=`, means that there is no such column."""
    columns = dict(pair.partition("=")[::2] for pair in pairs)
    for name in columns:
        if name not in COLUMNS:
            raise CallsError("--column", f"unknown column {name!r}", f"use one of {', '.join(COLUMNS)}")
    return columns


def read_tags(pairs: list[str]) -> dict[str, str]:
    """Parse pairs such as `team=calls`; the value may be empty."""
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise JobError("--tag", f"{pair!r} is no tag", "write it as team=calls")
    return dict(pair.partition("=")[::2] for pair in pairs)


def list_values(run_folder: Path, asked: dict[str, Any], account: dict[str, Any], *, on_demand: bool) -> dict[str, Any]:
    """Return the values of the notebooks' parameters; each stage takes those that it declares."""
    from analysis.reports.stages import relative_to_notebooks

    paths: dict[str, Any] = {name: relative_to_notebooks(asked[name]) for name in ("calls", "runs")}
    paths |= {"prompts": [relative_to_notebooks(path) for path in asked["prompts"]]}
    paths |= {"run_folder": relative_to_notebooks(run_folder)}
    # The cost was agreed to before the first notebook: a kernel cannot ask.
    sending = {"budget_usd": math.inf, "on_demand": on_demand}
    return asked | paths | account | sending


def execute(work: Callable[[], bool]) -> None:
    """Execute the notebooks of a run; exit with a code of its own if interrupted, or while jobs are running."""
    try:
        is_complete = work()
    except KeyboardInterrupt as error:
        say("\nInterrupted. Run the same command again to continue; nothing is sent twice.")
        raise typer.Exit(INTERRUPTED) from error
    except NotebookError as error:
        if WaitError.__name__ not in error.reason:
            raise
        say(str(error))
        is_complete = False
    if not is_complete:
        say("Jobs are running on AWS. Run the same command again later to continue; nothing is sent twice.")
        raise typer.Exit(STILL_RUNNING)


def summarize(findings: dict[str, Any]) -> str:
    """Summarize the first page of the report in one line."""
    from analysis.display import usd

    records, total, truncated = findings["records"], findings["total"], findings["truncated"]
    cost = "cost unknown" if total["cost_usd"] is None else usd(total["cost_usd"])
    cut_off = "" if truncated["share"] is None else f", {truncated['share']:.1%} cut off"
    counts = ", ".join(f"{records[name]:,} {name}" for name in ("prepared", "answered", "failed", "missing"))
    where = " (see docs/unanswered.md to send these)" if records["failed"] + records["missing"] else ""
    return f"Records: {counts}{where}; {cost}{cut_off}."


@app.command("make-calls")
def write_synthetic_calls(
    calls: Annotated[int, Option(help="How many calls.")] = 1200,
    out: Annotated[Path, Option(help="The Parquet file to write.")] = Path("calls/synthetic.parquet"),
    seed: Annotated[int, Option(help="Same seed, same calls.")] = 0,
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
        raise StorageError(out, f"cannot be written ({error})", "give another file as --out") from error
    say(f"{calls:,} calls in {out}")


@app.command()
def emulator(
    folder: Annotated[
        Path | None, Option(help="The emulator's folder; by default that of the profile 'emulator'.")
    ] = None,
    port: Annotated[int, Option(help="Port on 127.0.0.1; 0 for any that is free.")] = PORT,
    work: Annotated[bool, Option("--work", help="Do not serve; work on the jobs until all have ended.")] = False,  # noqa: FBT002 -- typer's way
    responder: Annotated[
        str | None, Option(help="Responder: extract, an OpenAI-compatible URL, answers.jsonl, or module:function.")
    ] = None,
    responder_model: Annotated[str | None, Option(help="Name of the model at the endpoint.")] = None,
    responder_workers: Annotated[int | None, Option(help="How many requests the endpoint gets at a time.")] = None,
    clock: Annotated[Literal["instant", "realistic"] | None, Option(help="How long jobs stay in each status.")] = None,
    speed: Annotated[float | None, Option(help="How many times faster than real time jobs run.")] = None,
    records_per_second: Annotated[float | None, Option(help="Most records that a job processes in a second.")] = None,
    quotas: Annotated[Literal["2026", "2024"] | None, Option(help="Year of Bedrock's quotas.")] = None,
    min_records: Annotated[int | None, Option(help="Fewest records of a job, in place of that year's quota.")] = None,
    over_quota: Annotated[
        Literal["refuse", "queue"] | None, Option(help="What happens to jobs beyond the quota.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        Option(help="A fault and its rate, as throttled=0.1 (several times for several), or none."),
    ] = None,
    seed: Annotated[int | None, Option(help="Chooses the targets of the faults.")] = None,
) -> None:
    """Serve Bedrock batch inference from a folder.

    AWS clients of any language can use it. Prints lines to paste into another terminal, so that the AWS CLI and SDKs
    connect to it. Options on the responder, clock, quotas and faults are saved in the folder's settings.
    """
    from bedrock_local.cli import CommandError, run_server, run_work

    options: dict[str, Any] = {
        "responder": responder,
        "responder_model": responder_model,
        "responder_workers": responder_workers,
    }
    options |= {"clock": clock, "speed": speed, "records_per_second": records_per_second}
    options |= {"quotas": quotas, "min_records": min_records, "over_quota": over_quota}
    options |= {"faults": fault or None, "seed": seed}
    folder = folder or emulator_folder()
    try:
        if work:
            run_work(folder, options, say=say, tell=show_progress)
        else:
            run_server(folder, port, options, say=say)
    except CommandError as error:
        say(f"batchbook: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        say("\nInterrupted. Run the same command again to continue.")
        raise typer.Exit(INTERRUPTED) from error


@facts.command()
def update(
    profile: Annotated[str, Option(help="AWS profile; by default boto3's.")] = "",
    region: Annotated[str, Option(help="Region of the prices and quotas; by default the profile's.")] = "",
) -> None:
    """Read today's prices and your account's quotas from AWS.

    Shows every number that changed, and writes them to .batchbook in your home folder, or to $BATCHBOOK_FACTS.
    Needs the permissions pricing:GetProducts and servicequotas:ListServiceQuotas; with only one, it reads only that.
    """
    from analysis.facts.update import update_account

    done = update_account(profile, region=region)
    say(done)
    if not done.files:
        raise typer.Exit(1)


def say(text: object, *, err: bool = False) -> None:
    """Print a text; names of files, calls and columns in it cannot command the terminal."""
    typer.echo(escape_controls(str(text)), err=err)


def show_progress(line: str) -> None:
    """Overwrite the previous line of progress; print nothing where the output is not a terminal."""
    if sys.stderr.isatty():
        typer.echo(f"\r{line:<60}\r", nl=False, err=True)


def main() -> None:
    """Run the command; print an error of the package as one sentence instead of a traceback."""
    try:
        sys.exit(app(standalone_mode=False))
    except AnalysisError as error:
        say(f"batchbook: {error}", err=True)
        sys.exit(1)
    except USAGE_ERROR as error:
        # It quotes what was typed, which a shell may have made of the names of files.
        error.message = escape_controls(error.message)
        error.show()
        sys.exit(error.exit_code)
    except typer.Abort:
        say("Aborted.", err=True)
        sys.exit(1)
