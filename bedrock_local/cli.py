"""The command `batchbook emulator`: convert its options to settings, then serve the folder or work on its jobs."""

from __future__ import annotations

import importlib
import math
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from bedrock_local.batch import jobs
from bedrock_local.batch.background import run_until_done
from bedrock_local.batch.events import JobEvents
from bedrock_local.batch.jobs import Job
from bedrock_local.emulator import CONTENT, Emulator, make_folder
from bedrock_local.inference import Responder
from bedrock_local.other_services.event_bus import put_event
from bedrock_local.other_services.moto import answer_by_moto
from bedrock_local.other_services.state_machines import lead_back
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.protocol.messages import Response
from bedrock_local.responders.selection import find_responder
from bedrock_local.settings import Settings, change_settings, read_settings
from bedrock_local.transport.server import Server, serve

FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
# Variables that send clients elsewhere in spite of AWS_ENDPOINT_URL, or make them fail.
CONFLICTING = re.compile(
    "AWS_(PROFILE|DEFAULT_PROFILE|BEARER_TOKEN_BEDROCK|(ENDPOINT_URL_|IGNORE_CONFIGURED_|USE_FIPS_|USE_DUALSTACK_).+)"
)
PROXY = re.compile("https?_proxy|all_proxy", re.IGNORECASE)


class CommandError(Exception):
    """An option that cannot be used; the text says what to do instead."""


def run_server(folder: Path, port: int, options: dict[str, Any], say: Callable[[str], None]) -> None:
    """Serve a folder until Ctrl-C or SIGTERM; print first what to paste into another terminal."""
    emulator = open_folder(folder, options)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(serve(emulator.folder, port=port, responder=emulator.responder))
        except (OSError, OverflowError) as error:
            cure = "stop the other process or choose another port, up to 65535"
            reason = f"cannot listen on port {port}: {error}; {cure}"
            raise CommandError(reason) from error
        answer_others(server, stack)
        with suppress(KeyboardInterrupt), end_by_signals():
            say(welcome(server))
            if emulator.find_responder() is None:
                say("\nNo responder is configured in this process (the setting is worker); --responder sets one.")
            # Not an event: where polars has been imported, Ctrl-C does not interrupt waiting for one.
            while True:
                time.sleep(3600)
    say("\nThe server has stopped. Buckets and jobs stay in the folder; the same command continues with them.")


def answer_others(server: Server, stack: ExitStack) -> None:
    """Pass what the emulator does not have to moto, and put changes of jobs on its EventBridge."""
    lead_back(server.port)
    events = JobEvents(server.emulator, put_event)
    stack.callback(events.stop)

    def answer(method: str, target: str, headers: Mapping[str, str], body: BinaryIO, account: str) -> Response:
        # Before any rule can be there, so that none misses a job; who needs no moto pays for no looks.
        events.start()
        return answer_by_moto(method, target, headers, body, account)

    server.answer_others = answer


@contextmanager
def end_by_signals() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a terminal that closes, end the block as Ctrl-C does; a second one ends the process.

    Otherwise what is half uploaded would stay in the folder for a day.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # Below `nohup` a signal is ignored, and stays so.
    before = {number: found for number in numbers if (found := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_work(folder: Path, options: dict[str, Any], say: Callable[[str], None], tell: Callable[[str], None]) -> None:
    """Work on the folder's jobs until all have ended; `tell` prints the progress, `say` the result."""
    if not any((folder.expanduser() / name).exists() for name in CONTENT):
        raise CommandError(f"{folder}: this folder has no emulator; check --folder, or create one without --work")
    emulator = open_folder(folder, options)
    if emulator.find_responder() is None:
        raise CommandError(
            "no responder: the settings leave answering to workers; use --responder module:function or extract"
        )
    try:
        found = run_until_done(emulator, lambda unfinished: tell(describe_progress(emulator, unfinished)))
    except SettingsError as error:
        raise CommandError(str(error)) from error
    ends = Counter(jobs.read_progress(emulator.folder, job).end for job in found)
    counts = ", ".join(f"{count} {end}" for end, count in ends.items())
    say(f"All jobs have ended: {counts}." if found else "No job is unfinished.")


def open_folder(folder: Path, options: dict[str, Any]) -> Emulator:
    """Open the folder, and change the settings that options name; a function as responder is of this process only."""
    changes = {name: value for name, value in options.items() if value is not None}
    if "faults" in changes:
        changes["faults"] = read_faults(changes["faults"])
    responder = None
    if found := FUNCTION.fullmatch(changes.get("responder", "")):
        responder = find_function(found["module"], found["name"])
        # Other processes cannot import the function, and must not answer in its place.
        changes["responder"] = "worker"
    elif changes.get("responder", "").endswith((".jsonl", ".jsonl.out")):
        changes["responder"] = str(find_file(changes["responder"]))
    try:
        folder = make_folder(folder)
        if "responder" in changes:  # before it is written: an invalid responder must not replace a valid one
            find_responder(changes["responder"], folder=folder, model="", workers=1)
        change_settings(folder, **changes) if changes else read_settings(folder)
        emulator = Emulator(folder, responder=responder)
        emulator.find_responder()
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error
    return emulator


def read_faults(pairs: list[str]) -> dict[str, float]:
    """Parse options such as `throttled=0.1`; `none` alone means no faults."""
    if pairs == ["none"]:
        return {}
    faults = {}
    for pair in pairs:
        name, _, rate = pair.partition("=")
        try:
            faults[name] = float(rate)
        except ValueError:
            faults[name] = math.nan
        if not 0 <= faults[name] <= 1:
            reason = f"--fault {pair}: expected a name and a rate from 0 to 1, as in throttled=0.1, or none"
            raise CommandError(reason)
    return faults


def find_function(module: str, name: str) -> Responder:
    """Import a function as responder; modules in the working directory are found too."""
    # An installed command does not have the working directory on its path.
    sys.path.insert(0, str(Path.cwd()))
    where = f"--responder {module}:{name}"
    try:
        function = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        reason = (
            f"{where}: module {error.name!r} is neither in {Path.cwd()} nor installed; go to its folder, or install it"
        )
        raise CommandError(reason) from error
    if not callable(function):
        raise CommandError(f"{where}: {module} has no function {name!r}; it has to take a Question and return a Reply")
    found: Responder = function
    return found


def find_file(name: str) -> Path:
    """Return the absolute path of a file of recorded answers, as other processes have other working directories."""
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        raise CommandError(f"--responder {name}: no such file; expected an output of a batch job, one line per record")
    return path


def welcome(server: Server) -> str:
    """Return the text with the server's address and the variables by which clients find it."""
    folder = server.emulator.folder
    lines = [f"The emulator in {folder} is at {server.url}; Ctrl-C stops it."]
    if changed := describe_settings(read_settings(folder)):
        lines.append(f"Settings ({folder / 'settings.json'}): {changed}")
    lines += ["For AWS clients in any language:", ""]
    lines += [f"export {name}={value}" for name, value in server.environment.items()]
    if any(PROXY.fullmatch(name) for name in os.environ):
        lines.append("export NO_PROXY=127.0.0.1,localhost")
    if conflicting := sorted(name for name in os.environ if CONFLICTING.fullmatch(name)):
        lines.append(f"unset {' '.join(conflicting)}")
    return "\n".join(lines)


def describe_settings(settings: Settings) -> str:
    """List the settings that differ from the defaults."""
    default = Settings()
    names = [name for name in settings.__struct_fields__ if getattr(settings, name) != getattr(default, name)]
    return ", ".join(f"{name} = {getattr(settings, name)}" for name in names)


def describe_progress(emulator: Emulator, unfinished: list[Job]) -> str:
    """Describe the progress of the jobs in one line."""
    progress = [jobs.read_progress(emulator.folder, job) for job in unfinished]
    done, total = sum(each.processed for each in progress), sum(each.total for each in progress)
    return f"{len(unfinished)} unfinished, {done:,} of {total:,} records"
