"""A seeded sample of `make crash`: a run that is killed anywhere, and goes on, ends as one that was left alone."""

import subprocess
import sys
from pathlib import Path


def test_a_run_that_was_killed_ends_as_one_that_was_left_alone():
    command = [sys.executable, str(Path(__file__).with_name("crash.py"))]
    command += ["--kills", "2", "--mixes", "2", "--commands", "1", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| killed, the account behind HTTP | 2 | 0 |" in done.stdout
    assert "| killed on demand, the account behind HTTP | 2 | 0 |" in done.stdout
