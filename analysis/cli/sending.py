"""What the commands that send share: options as users write them, the question about the cost, and how they end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from analysis.aws.session import EMULATOR
from analysis.cli.app import INTERRUPTED, STILL_RUNNING, say
from analysis.errors import CallsError, JobError, NotebookError, WaitError

if TYPE_CHECKING:
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


def summarize(findings: dict[str, Any]) -> str:
    """Summarize the first page of the report in one line."""
    from analysis.display import usd

    records, total, truncated = findings["records"], findings["total"], findings["truncated"]
    cost = "cost unknown" if total["cost_usd"] is None else usd(total["cost_usd"])
    cut_off = "" if truncated["share"] is None else f", {truncated['share']:.1%} cut off"
    counts = ", ".join(f"{records[name]:,} {name}" for name in ("prepared", "answered", "failed", "missing"))
    where = " (see docs/unanswered.md to send these)" if records["failed"] + records["missing"] else ""
    return f"Records: {counts}{where}; {cost}{cut_off}."
