"""What the commands that send share: options as users write them, the question about the cost, and how they end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from analysis.aws.session import EMULATOR
from analysis.cli.app import INTERRUPTED, STILL_RUNNING, UNANSWERED, say
from analysis.errors import AnalysisError, CallsError, JobError, NotebookError, WaitError

if TYPE_CHECKING:
    import polars as pl

    from analysis.prompts import Prompt
    from analysis.reports.sample import Choices
    from analysis.runs import Run

COLUMNS = ("call_id", "transcript", "turn", "speaker", "text")


class PromptsCommand(TyperCommand):
    """A command whose option --prompts takes several files one after another, as a shell writes `*.md`."""

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


def choose_wait_hours(profile: str, wait_hours: float | None) -> float:
    """Return the hours to wait for jobs: as given, or without end on the emulator and none on AWS."""
    return (math.inf if profile == EMULATOR else 0.0) if wait_hours is None else wait_hours


def ask_for_cost(run: Run, invocation: str, profile: str, region: str, budget_usd: float | None) -> None:
    """Check the cost against the budget, or ask for a yes; the plan has been printed."""
    from analysis.runs import confirm_cost

    confirm_cost(
        run,
        invocation=invocation,
        profile=profile,
        region=region,
        budget_usd=budget_usd,
        ask=lambda question: input(question.rsplit("\n", 1)[-1]),
    )


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


def check_choices(choices: Choices, prompts: Sequence[Prompt], calls: pl.DataFrame) -> None:
    """Refuse a prompt to compare with, or a column of calls, that is not there: before anything is sent."""
    names = [prompt.name for prompt in prompts]
    if choices.baseline and choices.baseline not in names:
        raise AnalysisError("--baseline", f"no prompt {choices.baseline!r}", f"there are {', '.join(names)}")
    if choices.cluster and choices.cluster not in calls.columns:
        reason = f"calls have no column {choices.cluster!r}"
        raise AnalysisError("--cluster", reason, f"there are {', '.join(calls.columns)}")


def write_first_page(run: Run, choices: Choices, runs: Path, reports: Path) -> int:
    """Write the first page of a report and the one over all runs, and print what the first page says.

    Returns
    -------
    unanswered
        How many records have no answer.
    """
    from analysis.reports.front_page import compute_findings, write_index
    from analysis.reports.overview import write_overview

    findings = compute_findings(run, choices)
    page, overview = write_index(findings, reports / run.folder.name), write_overview(runs, reports)
    say("\n".join(["", *summarize(findings), "", f"Report: {page}", f"All runs: {overview}"]))
    return int(findings["records"]["failed"] + findings["records"]["missing"])


def find_report(run: Run, reports: Path | None) -> Path:
    """Find the folder of a run's report: in this folder of reports; without one, beside its folder of runs or here."""
    # The commands that write a report write it to the working directory, wherever the runs are.
    here, beside = Path("reports"), run.folder.parents[1] / "reports"
    if reports is None and beside != here.resolve() and (beside / run.folder.name).exists():
        reports = beside
    return (reports or here) / run.folder.name


def exit_unanswered(unanswered: int) -> None:
    """Exit with a code of its own where records have no answer."""
    if unanswered:
        raise typer.Exit(UNANSWERED)


def summarize(findings: Mapping[str, Any]) -> list[str]:
    """Summarize the first page of a report in lines: counts and cost, notices, what to take, and what to mend."""
    from analysis.display import usd

    records, total = findings["records"], findings["total"]
    cost = "cost unknown" if total["cost_usd"] is None else usd(total["cost_usd"])
    counts = ", ".join(f"{records[name]:,} {name}" for name in ("prepared", "answered", "failed", "missing"))
    decision, sentences = findings["decision"], findings["sentences"]
    # Reasons fill a screen, and stand on the page; without advice they say what is missing for one.
    told = sentences[:1] if decision and decision.advice.variant else sentences
    return [f"Records: {counts}; {cost}.", *findings["notices"], "", *told, *findings["cures"]]
