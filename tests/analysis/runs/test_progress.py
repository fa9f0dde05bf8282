from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from analysis.runs.progress import LOOKS, format_minutes, load_looks, measure_progress
from analysis.runs.status import JOB_SCHEMA

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def make_jobs(*rows):
    """Make jobs of 100 records each, from key, try, status, processed records, and minutes after noon of the end."""
    jobs = [
        {
            "job_key": key,
            "job_try": job_try,
            "status": status,
            "records": 100,
            "taken": 0,
            "processed_records": processed,
            "error_records": 1,
            "submitted_at": NOON,
            "ended_at": None if end is None else NOON + timedelta(minutes=end),
        }
        for key, job_try, status, processed, end in rows
    ]
    return pl.DataFrame(jobs, JOB_SCHEMA)


def make_looks(*rows):
    """Make looks, from key, try, minutes after noon and processed records."""
    looks = [(key, job_try, NOON + timedelta(minutes=at), processed) for key, job_try, at, processed in rows]
    return pl.DataFrame(looks, LOOKS, orient="row")


def test_the_rate_is_that_of_the_jobs_that_run_from_their_first_record_on():
    jobs = make_jobs(("job01", 1, "Completed", 100, 8), ("job02", 1, "InProgress", 60, None))
    # job02 waited for two days, then took 10 minutes for 40 records: 4 a minute, so 40 more take 10 minutes.
    days = 2 * 24 * 60
    seen = [("job01", 1, 1, 10), ("job01", 1, 2, 90), ("job02", 1, 5, 0), ("job02", 1, days, 20)]
    progress = measure_progress(jobs, make_looks(*seen, ("job02", 1, days + 10, 60)), 2.0)
    assert (progress.records, progress.processed, progress.failed) == (200, 160, 2)
    assert (progress.per_minute, progress.minutes_left) == (pytest.approx(4), pytest.approx(10))
    assert progress.cost_usd == pytest.approx(1.6)  # 80 % of 2 USD
    assert progress.statuses == {"Completed": 1, "InProgress": 1}


def test_the_rates_of_jobs_that_run_side_by_side_are_added():
    jobs = make_jobs(("job01", 1, "InProgress", 30, None), ("job02", 1, "InProgress", 30, None))
    looks = make_looks(("job01", 1, 0, 10), ("job01", 1, 10, 30), ("job02", 1, 5, 10), ("job02", 1, 10, 30))
    assert measure_progress(jobs, looks, None).per_minute == pytest.approx(2 + 4)


def test_the_latest_try_of_a_job_counts_and_every_try_costs():
    jobs = make_jobs(("job01", 1, "Failed", 50, 2), ("job01", 2, "InProgress", 10, None))
    looks = make_looks(("job01", 1, 0, 10), ("job01", 1, 1, 50), ("job01", 2, 3, 5), ("job01", 2, 4, 10))
    progress = measure_progress(jobs, looks, 1.0)
    assert (progress.processed, progress.per_minute, progress.cost_usd) == (10, 5.0, pytest.approx(0.6))


def test_what_other_runs_have_answered_costs_nothing():
    jobs = make_jobs(("job01", 1, "InProgress", 50, None)).with_columns(taken=pl.lit(300, pl.Int64))
    assert measure_progress(jobs, make_looks(), 8.0).cost_usd == pytest.approx(1)  # 50 of 400 records


@pytest.mark.parametrize("looks", [[], [("job01", 1, 0, 0), ("job01", 1, 600, 40)], [("job01", 1, 600, 40)]])
def test_of_a_job_that_was_seen_at_one_number_of_records_rate_and_time_are_not_known(looks):
    progress = measure_progress(make_jobs(("job01", 1, "InProgress", 40, None)), make_looks(*looks), None)
    assert (progress.per_minute, progress.minutes_left, progress.cost_usd) == (None, None, None)
    counters = dict(progress.list_counters())
    assert (counters["Rate"], counters["Time left"], counters["Cost so far"]) == ("not known yet",) * 2 + ("not known",)


def test_when_all_jobs_have_ended_nothing_is_left_and_there_is_no_rate():
    jobs, looks = make_jobs(("job01", 1, "Stopped", 40, 4)), make_looks(("job01", 1, 0, 10), ("job01", 1, 4, 40))
    progress = measure_progress(jobs, looks, 1.0)
    assert (progress.per_minute, progress.minutes_left) == (None, 0)
    assert [name for name, _ in progress.list_counters()] == ["Jobs", "Processed", "Failed", "Time left", "Cost so far"]


def test_a_run_without_jobs_has_no_progress():
    progress = measure_progress(make_jobs(), make_looks(), 1.0)
    assert (progress.jobs, progress.records, progress.minutes_left, progress.cost_usd) == (0, 0, 0, 0)


def test_looks_are_what_the_ledger_saw(make_run, make_prompt):
    run = make_run(2, make_prompt())
    run.ledger.append("created", job_key="job01", job_try=1, status="Submitted", counts={})
    run.ledger.append("seen", job_key="job01", job_try=1, status="InProgress", counts={"total": 2, "processed": 1})
    looks = load_looks(run)
    assert looks.drop("at").rows() == [("job01", 1, 1)]
    assert looks.schema == LOOKS


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "none"),
        (0.5, "about 30 seconds"),
        (5.4, "about 5 minutes"),
        (130, "about 2 hours"),
        (60 * 24 * 3, "about 3 days"),
        (1e9, "more than a year"),
    ],
)
def test_a_time_is_told_in_its_largest_unit(minutes, text):
    assert format_minutes(minutes) == text
