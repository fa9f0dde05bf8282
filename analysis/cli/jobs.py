"""The commands `submit`, `status`, `stop` and `collect`: the jobs of a run that has been prepared."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, NoReturn

import polars as pl
import typer
from typer import Option

from analysis.aws.session import EMULATOR, default_pause_s
from analysis.cli.app import INTERRUPTED, STILL_RUNNING, app, say
from analysis.cli.options import Bucket, Budget, RoleArn, RunName, SentProfile, SentRegion, WaitHours
from analysis.cli.sending import choose_wait_hours, exit_unanswered
from analysis.display import count, format_table

if TYPE_CHECKING:
    from analysis.runs import Run

CLEAR = "\x1b[2J\x1b[H"  # erases a terminal, and goes to its first line
JOBS_SHOWN = 20  # those that have not ended first
STATUS = ("job_key", "job_try", "status", "records", "processed_records", "error_records", "ended_at", "message")
COUNTS = ("prepared", "answered", "failed", "missing")


@app.command()
def submit(
    run: RunName = "",
    once: Annotated[  # noqa: FBT002 -- typer's way
        bool, Option("--once", help="Take one step and end, for a scheduler that calls again.")
    ] = False,
    profile: SentProfile = "",
    region: SentRegion = "",
    bucket: Bucket = "",
    role_arn: RoleArn = "",
    budget_usd: Budget = None,
    wait_hours: WaitHours = None,
) -> None:
    """Create the jobs of a run that was prepared, and wait for them.

    Can be repeated at any time: nothing is sent twice. Of a run that has been sent, bucket, role and all other options
    are as they were. Exit code 3 while jobs are running.

    Under cron there is nobody to ask for a yes: give --budget-usd and --once.
    """
    from analysis.runs import is_finished, open_run, read_state
    from analysis.runs import submit as submit_run
    from analysis.runs.sharing import read_copy

    opened = open_run(run, profile=profile, region=region)
    read_copy(opened)  # another machine may have sent it
    sending = read_state(opened).sending
    sent = dict(sending.get("options", {}))
    sent |= {name: value for name, value in (("bucket", bucket), ("role_arn", role_arn)) if value}
    profile, region = profile or opened.profile or EMULATOR, region or sending.get("region", "")
    hours = 0.0 if once else choose_wait_hours(profile, wait_hours)
    jobs = submit_run(opened, profile=profile, region=region, budget_usd=budget_usd, wait_hours=hours, **sent)
    say(describe_jobs(opened, jobs))
    if not is_finished(opened):
        exit_unfinished(opened)


@app.command()
def status(
    run: RunName = "",
    follow: Annotated[  # noqa: FBT002 -- typer's way
        bool, Option("--follow", help="Show it again and again until all jobs have ended.")
    ] = False,
    profile: SentProfile = "",
    region: SentRegion = "",
) -> None:
    """Show how the jobs of a run are.

    Asks Bedrock, and sends nothing. Exit code 3 while jobs are running.
    """
    from analysis.runs import is_finished, open_run

    opened = open_run(run, profile=profile, region=region)
    pause = default_pause_s(profile or opened.profile or EMULATOR)
    try:
        watch(opened, profile, region, pause if follow else None)
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    if not is_finished(opened):
        exit_unfinished(opened)


def watch(run: Run, profile: str, region: str, pause: float | None) -> None:
    """Print the status of the jobs, with a pause again and again until all have ended, in place on a terminal."""
    from analysis.runs import update_jobs

    estimate_usd, shown = run.plan().cost_usd, ""
    while True:
        jobs = update_jobs(run, profile=profile, region=region)
        text = f"{describe_jobs(run, jobs)}\n\n{describe_progress(run, jobs, estimate_usd)}"
        if text != shown:
            if shown and sys.stdout.isatty():
                typer.echo(CLEAR, nl=False)
            say(text)
        shown = text
        if pause is None or not jobs.filter(pl.col("job_id").is_not_null(), pl.col("ended_at").is_null()).height:
            return
        time.sleep(pause)


@app.command()
def stop(run: RunName = "", profile: SentProfile = "", region: SentRegion = "") -> None:
    """Stop the jobs of a run that have not ended.

    What was processed until then is charged, and can be collected; `batchbook repair` asks for the rest.
    """
    from analysis.runs import open_run
    from analysis.runs import stop as stop_run

    opened = open_run(run, profile=profile, region=region)
    say(describe_jobs(opened, stop_run(opened, profile=profile, region=region)))


@app.command()
def collect(run: RunName = "", profile: SentProfile = "", region: SentRegion = "") -> None:
    """Download what came back of a run, and count what is missing.

    Can be repeated, also while jobs are running. Exit code 3 while they are, 5 where records have no answer.
    """
    from analysis.runs import collect as collect_run
    from analysis.runs import is_finished, open_run

    opened = open_run(run, profile=profile, region=region)
    counts = collect_run(opened, profile=profile, region=region)
    say(format_table(counts.select("job_key", "status", *COUNTS, "why")))
    end(opened, is_complete=is_finished(opened), unanswered=int(counts["unanswered"].sum()))


def end(run: Run, *, is_complete: bool, unanswered: int) -> None:
    """Exit with a code of its own while jobs are running, or where records have no answer."""
    if not is_complete:
        exit_unfinished(run)
    if unanswered:
        say(f"{count(unanswered, 'record')} without an answer: {describe_cure(run)}.")
    exit_unanswered(unanswered)


def exit_unfinished(run: Run) -> NoReturn:
    """Exit with a code of its own, after what goes on with a run that has not ended."""
    from analysis.runs import read_state

    state, name = read_state(run), name_run(run)
    if any(latest.job_arn and not latest.is_finished for _, latest in state.pairs):
        say(f"{name} has not ended. Run the same command again later; nothing is sent twice.")
    elif all(state.is_settled(job, latest) for job, latest in state.pairs) or not state.has_jobs:
        say(
            f"Records of {name_run(run)} have not been asked on demand yet: `batchbook repair {name_run(run)}` goes on."
        )
    else:
        say(f"No job is running, and not all are done: `batchbook submit {name}` goes on.")
    raise typer.Exit(STILL_RUNNING)


def describe_cure(run: Run) -> str:
    """Describe what can be done for the records without an answer, which a repair may not ask again."""
    from analysis.runs import plan_repair
    from analysis.runs.causes import CUT_OFF, UNMET

    command = f"`batchbook repair {name_run(run)}` asks again"
    if run.is_early:
        return "no repair asks again, since the run was prepared before the first release"
    # Answers that are cut off or not as expected are answers here.
    causes = plan_repair(run).causes.filter(~pl.col("cause").is_in([CUT_OFF, UNMET]))
    again = causes["why_not"].null_count()
    if not again:
        return "the same requests are refused each time; change the prompt or the call"
    return command if again == len(causes) else f"{command} for {again:,} of them"


def name_run(run: Run) -> str:
    """Return what a user types to name a run."""
    from analysis.runs.folder import find_runs

    is_named = run.folder.resolve().parent == find_runs().resolve()
    return run.folder.name if is_named else str(run.folder)


def describe_progress(run: Run, jobs: pl.DataFrame, estimate_usd: float | None) -> str:
    """Describe how many records failed, how fast jobs go on, what is left and what it cost so far, a line each."""
    from analysis.runs.progress import load_looks, measure_progress

    counters = measure_progress(jobs, load_looks(run), estimate_usd).list_counters()
    return "\n".join(f"{name}: {text}" for name, text in counters if name not in ("Jobs", "Processed"))


def describe_jobs(run: Run, jobs: pl.DataFrame) -> str:
    """Describe the jobs of a run in a sentence, and those that have not ended, or ended last, in a table."""
    latest = jobs.unique("job_key", keep="last", maintain_order=True)
    counts = latest.group_by("status", maintain_order=True).len()
    statuses = ", ".join(f"{number:,} {name}" for name, number in counts.iter_rows())
    processed, records = int(latest["processed_records"].sum()), int(latest["records"].sum())
    sentence = f"{run.name}: {count(len(latest), 'job')} ({statuses}); {processed:,} of {records:,} records processed."
    # One without an end, and then the latest end, are first.
    shown = latest.sort("ended_at", descending=True, nulls_last=False, maintain_order=True).head(JOBS_SHOWN)
    more = len(latest) - len(shown)
    rest = [f"and {count(more, 'other job')}"] if more > 0 else []
    # Only where there are several, since they are long.
    further = [name for name in ("model_id", "region") if latest[name].n_unique() > 1]
    return "\n".join([sentence, "", format_table(shown.select(*STATUS[:2], *further, *STATUS[2:])), *rest])
