from __future__ import annotations

import shutil

import pytest

from bedrock_local.batch.background import run_round
from bedrock_local.emulator import Emulator


def test_files_of_a_process_that_died_at_the_end_of_a_job_are_deleted(jobs, folder, clock, record):
    arn = jobs.run([record(1)])["jobArn"]
    left, mark = (
        folder / "state" / "jobs" / arn[-12:] / "output" / "0.jsonl.out",
        folder / "state" / "running" / arn[-12:],
    )
    left.parent.mkdir()
    left.touch()
    mark.touch()
    run_round(Emulator(folder, now=clock))
    assert not left.parent.exists()
    assert not mark.exists()


def run_while_busy(emulator):
    while run_round(emulator):
        pass


def test_an_error_of_one_job_does_not_stop_the_others(jobs_at, clock, folder, record):
    jobs = jobs_at(seconds={"InProgress": 100, "Submitted": 0, "Validating": 0, "Scheduled": 0})
    jobs.put([record(number) for number in range(10)])
    broken = jobs.create(jobName="older")
    assert jobs.get(broken)["status"] == "InProgress"
    clock.move(1)
    sound = jobs.create(jobName="younger")
    shutil.rmtree(folder / "state" / "jobs" / broken[-12:] / "input")
    clock.move(100)
    emulator = Emulator(folder, now=clock)
    assert run_round(emulator)
    with pytest.raises(FileNotFoundError, match=broken[-12:]):
        run_while_busy(emulator)
    assert jobs.names({"jobArn": sound}) == ["calls.jsonl.out", "manifest.json.out"]
