"""The command `emulator`: serve Bedrock batch inference from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Option

from analysis.aws.session import emulator_folder
from analysis.cli.app import INTERRUPTED, app, say, show_progress

PORT = 4574


@app.command()
def emulator(
    folder: Annotated[
        Path | None, Option(metavar="FOLDER", help="The emulator's folder; by default that of the profile 'emulator'.")
    ] = None,
    port: Annotated[
        int, Option(metavar="NUMBER", min=0, max=65535, help="Port on 127.0.0.1; 0 for any that is free.")
    ] = PORT,
    work: Annotated[  # noqa: FBT002 -- typer's way
        bool,
        Option("--work", help="Do not serve; work on the jobs until all have ended."),
    ] = False,
    responder: Annotated[
        str | None,
        Option(
            metavar="RESPONDER", help="Responder: extract, an OpenAI-compatible URL, answers.jsonl, or module:function."
        ),
    ] = None,
    responder_model: Annotated[str | None, Option(metavar="NAME", help="Name of the model at the endpoint.")] = None,
    responder_workers: Annotated[
        int | None, Option(metavar="NUMBER", help="How many requests the endpoint gets at a time.")
    ] = None,
    clock: Annotated[Literal["instant", "realistic"] | None, Option(help="How long jobs stay in each status.")] = None,
    speed: Annotated[
        float | None, Option(metavar="FACTOR", help="How many times faster than real time jobs run.")
    ] = None,
    records_per_second: Annotated[
        float | None, Option(metavar="NUMBER", help="Most records that a job processes in a second.")
    ] = None,
    quotas: Annotated[Literal["2026", "2024"] | None, Option(help="Year of Bedrock's quotas.")] = None,
    min_records: Annotated[
        int | None, Option(metavar="NUMBER", help="Fewest records of a job, in place of that year's quota.")
    ] = None,
    over_quota: Annotated[
        Literal["refuse", "queue"] | None, Option(help="What happens to jobs beyond the quota.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        Option(
            metavar="FAULT=RATE", help="A fault and its rate, as throttled=0.1 (several times for several), or none."
        ),
    ] = None,
    seed: Annotated[int | None, Option(metavar="NUMBER", help="Chooses the targets of the faults.")] = None,
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
