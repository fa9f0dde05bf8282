"""The command `batchbook`: a module for each command or several, in the order of its help."""

from analysis.cli import folders, doctor, run, tune, judge  # noqa: F401 # isort: skip -- each adds its commands
from analysis.cli import jobs, repair, listing, export, deletion, iam, emulator, facts  # noqa: F401 # isort: skip
from analysis.cli.app import app, main

__all__ = ["app", "main"]
