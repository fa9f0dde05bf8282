"""The command `batchbook emulator`: from its options to settings, a server, or work on the jobs that there are."""

from __future__ import annotations

import importlib
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bedrock_local.batch import jobs
from bedrock_local.batch.background import run_until_done
from bedrock_local.batch.jobs import Job
from bedrock_local.emulator import CONTENT, Emulator, make_folder
from bedrock_local.inference import Responder
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.responders.selection import find_responder
from bedrock_local.settings import Settings, change_settings, read_settings
from bedrock_local.transport.server import Server, serve

FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
# What would lead clients elsewhere in spite of AWS_ENDPOINT_URL, or keep them from it.
ASTRAY = re.compile(
    "AWS_(PROFILE|DEFAULT_PROFILE|BEARER_TOKEN_BEDROCK|(ENDPOINT_URL_|IGNORE_CONFIGURED_|USE_FIPS_|USE_DUALSTACK_).+)"
)
PROXY = re.compile("https?_proxy|all_proxy", re.IGNORECASE)


class CommandError(Exception):
    """An option that cannot be followed; the text says what can."""


def run_server(folder: Path, port: int, options: dict[str, Any], say: Callable[[str], None]) -> None:
    """Serve a folder until Ctrl-C, and say first what to paste into another terminal."""
    emulator = open_folder(folder, options)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(serve(emulator.folder, port=port, responder=emulator.responder))
        except (OSError, OverflowError) as error:
            reason = f"--port {port} cannot be had: {error}; end what listens there, or give another, up to 65535"
            raise CommandError(reason) from error
        with suppress(KeyboardInterrupt):
            say(welcome(server))
            if emulator.find_responder() is None:
                say("\nNo responder is configured in this process (the setting is worker); --responder sets one.")
            # Not an event: where polars has been imported, Ctrl-C does not wake those who wait for one.
            while True:
                time.sleep(3600)
    say("\nThe server has ended. The folder keeps buckets and jobs; the same command goes on with them.")


def run_work(folder: Path, options: dict[str, Any], say: Callable[[str], None], tell: Callable[[str], None]) -> None:
    """Work on the folder's jobs until all have ended; `tell` shows how far it is, `say` what came of it."""
    if not any((folder.expanduser() / name).exists() for name in CONTENT):
        raise CommandError(f"{folder}: no emulator is in this folder; look at --folder, or make one without --work")
    emulator = open_folder(folder, options)
    if emulator.find_responder() is None:
        raise CommandError("no responder is configured in this process; give --responder module:function or extract")
    try:
        found = run_until_done(emulator, lambda unfinished: tell(describe_progress(emulator, unfinished)))
    except SettingsError as error:
        raise CommandError(str(error)) from error
    ends = Counter(jobs.read_progress(emulator.folder, job).end for job in found)
    counts = ", ".join(f"{count} {end}" for end, count in ends.items())
    say(f"All jobs have ended: {counts}." if found else "No job is unfinished.")


def open_folder(folder: Path, options: dict[str, Any]) -> Emulator:
    """Open the folder with the settings that options change; a function that answers stays with this process."""
    changes = {name: value for name, value in options.items() if value is not None}
    if "faults" in changes:
        changes["faults"] = read_faults(changes["faults"])
    responder = None
    if found := FUNCTION.fullmatch(changes.get("responder", "")):
        responder = find_function(found["module"], found["name"])
        changes["responder"] = "worker"
    elif changes.get("responder", "").endswith((".jsonl", ".jsonl.out")):
        changes["responder"] = str(find_file(changes["responder"]))
    try:
        folder = make_folder(folder)
        if "responder" in changes:  # before it is written: what nobody can open must not replace what is there
            find_responder(changes["responder"], folder=folder, model="", workers=1)
        change_settings(folder, **changes) if changes else read_settings(folder)
        emulator = Emulator(folder, responder=responder)
        emulator.find_responder()
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error
    return emulator


def read_faults(pairs: list[str]) -> dict[str, float]:
    """Read `throttled=0.1` and the like; `none` alone means no faults."""
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
            reason = f"--fault {pair}: give a name and a rate from 0 to 1, as in throttled=0.1; or none for no faults"
            raise CommandError(reason)
    return faults


def find_function(module: str, name: str) -> Responder:
    """Import a function that answers; modules of the folder one stands in are found too."""
    sys.path.insert(0, str(Path.cwd()))
    where = f"--responder {module}:{name}"
    try:
        function = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        reason = f"{where}: no module {error.name!r} is in {Path.cwd()} or installed; go to its folder, or install it"
        raise CommandError(reason) from error
    if not callable(function):
        raise CommandError(f"{where}: {module} has no function {name!r}; it takes a Question and gives a Reply")
    found: Responder = function
    return found


def find_file(name: str) -> Path:
    """Give the full path of a file of recorded answers, which means the same from every folder."""
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        raise CommandError(f"--responder {name}: there is no such file; give the output file of a batch job")
    return path


def welcome(server: Server) -> str:
    """Say where the server is, and what makes clients find it."""
    folder = server.emulator.folder
    lines = [f"The emulator in {folder} is at {server.url}; Ctrl-C ends it."]
    if changed := describe_settings(read_settings(folder)):
        lines.append(f"Settings ({folder / 'settings.json'}): {changed}")
    lines += ["For AWS clients in any language:", ""]
    lines += [f"export {name}={value}" for name, value in server.environment.items()]
    if any(PROXY.fullmatch(name) for name in os.environ):
        lines.append("export NO_PROXY=127.0.0.1,localhost")
    if astray := sorted(name for name in os.environ if ASTRAY.fullmatch(name)):
        lines.append(f"unset {' '.join(astray)}")
    return "\n".join(lines)


def describe_settings(settings: Settings) -> str:
    """Name the settings that are not the defaults."""
    default = Settings()
    names = [name for name in settings.__struct_fields__ if getattr(settings, name) != getattr(default, name)]
    return ", ".join(f"{name} = {getattr(settings, name)}" for name in names)


def describe_progress(emulator: Emulator, unfinished: list[Job]) -> str:
    """Say in a line how far the work on jobs is."""
    progress = [jobs.read_progress(emulator.folder, job) for job in unfinished]
    done, total = sum(each.processed for each in progress), sum(each.total for each in progress)
    return f"{len(unfinished)} unfinished, {done:,} of {total:,} records"
