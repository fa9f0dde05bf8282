from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from analysis.runs.progress import format_minutes, measure_progress
from analysis.runs.status import JOB_SCHEMA

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def make_jobs(*rows):
    """Make jobs of 100 records each, from key, status, processed records, and minutes after noon of begin and end."""
    jobs = [
        {
            "job_key": key,
            "job_try": job_try,
            "status": status,
            "records": 100,
            "processed_records": processed,
            "error_records": 1,
            "submitted_at": None if begin is None else NOON + timedelta(minutes=begin),
            "ended_at": None if end is None else NOON + timedelta(minutes=end),
        }
        for key, job_try, status, processed, begin, end in rows
    ]
    return pl.DataFrame(jobs, JOB_SCHEMA)


def test_the_rate_is_over_all_jobs_since_the_first_began():
    jobs = make_jobs(("job01", 1, "Completed", 100, 0, 8), ("job02", 1, "InProgress", 20, 5, None))
    progress = measure_progress(jobs, 2.0, NOON + timedelta(minutes=10))
    # 120 of 200 records in 10 minutes: 12 a minute, so 80 more take 6 2/3 minutes, and 60 % of 2 USD are spent.
    assert (progress.records, progress.processed, progress.failed) == (200, 120, 2)
    assert progress.per_minute == pytest.approx(12)
    assert progress.minutes_left == pytest.approx(80 / 12)
    assert progress.cost_usd == pytest.approx(1.2)
    assert progress.statuses == {"Completed": 1, "InProgress": 1}


def test_the_latest_try_of_a_job_counts():
    jobs = make_jobs(("job01", 1, "Failed", 50, 0, 2), ("job01", 2, "InProgress", 10, 3, None))
    progress = measure_progress(jobs, None, NOON + timedelta(minutes=5))
    assert (progress.processed, progress.per_minute, progress.cost_usd) == (10, 2.0, None)


@pytest.mark.parametrize(("status", "begin"), [("planned", None), ("Submitted", 0)])
def test_before_a_record_is_processed_rate_and_time_are_not_known(status, begin):
    progress = measure_progress(make_jobs(("job01", 1, status, None, begin, None)), 1.0, NOON + timedelta(minutes=3))
    assert (progress.per_minute, progress.minutes_left, progress.cost_usd) == (None, None, 0)
    counters = dict(progress.list_counters())
    assert (counters["Rate"], counters["Time left"]) == ("not known yet", "not known yet")


def test_when_all_jobs_have_ended_nothing_is_left_and_the_rate_stays():
    jobs = make_jobs(("job01", 1, "Stopped", 40, 0, 4))
    for later in (5, 500):
        progress = measure_progress(jobs, 1.0, NOON + timedelta(minutes=later))
        assert (progress.per_minute, progress.minutes_left) == (10, 0)


def test_a_run_without_jobs_has_no_progress():
    progress = measure_progress(make_jobs(), 1.0, NOON)
    assert (progress.jobs, progress.records, progress.minutes_left, progress.cost_usd) == (0, 0, 0, 0)


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
