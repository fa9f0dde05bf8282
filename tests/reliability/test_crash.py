"""A seeded sample of `make crash`: a run that is killed anywhere, and goes on, ends as one that was left alone."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    ("only", "kinds"),
    [
        ("the account in the same process", ["killed,", "killed on demand,"]),
        (
            "a run in S3 killed",
            ["a run in S3 killed, the account in", "a run in S3 killed, the account behind"],
        ),
        ("two Regions", ["killed, its jobs in two Regions"]),
        ("a repair killed", ["a repair killed"]),
        ("killed: delete", ["killed: delete"]),
        ("refuses, from a write of Python on", ["the disk is full or refuses"]),
        ("faults of the service", ["faults of the service"]),
    ],
)
def test_a_run_that_was_killed_ends_as_one_that_was_left_alone(only, kinds):
    command = [sys.executable, str(Path(__file__).with_name("crash.py")), "--only", only]
    done = subprocess.run(
        [*command, "--kills", "2", "--mixes", "2", "--seed", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for kind in kinds:
        (row,) = (line for line in done.stdout.splitlines() if line.startswith(f"| {kind}"))
        assert row.endswith(" | 0 |")
