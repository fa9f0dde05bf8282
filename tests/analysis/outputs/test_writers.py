"""Writers: several processes write the parts that one writes, whatever becomes of them."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.errors import StorageError
from analysis.outputs import list_outputs, parallel, read_stamp, scan_parts, writers
from analysis.outputs.writers import Part, share_writing

LINE = '{"recordId":"r%d","modelInput":{"max_tokens":5},"modelOutput":{"content":[{"type":"text","text":"Hi %d."}]}}\n'
JOBS = 6  # each has one output file of four lines and a broken one


@pytest.fixture
def records():
    """The records of each job, by its key."""
    rows = {
        f"job{job:02}": [(f"r{job * 10 + line}", f"call-{job}-{line}", "short", 1, 1, "nova") for line in range(4)]
        for job in range(JOBS)
    }
    columns = ["record_id", "call_id", "variant", "sample", "attempt", "model_id"]
    return {key: pl.DataFrame(of_job, columns, orient="row") for key, of_job in rows.items()}


@pytest.fixture
def outputs(tmp_path):
    """The output files, by job."""
    for job in range(JOBS):
        folder = tmp_path / "output" / f"{job:012}"
        folder.mkdir(parents=True)
        lines = [LINE % (job * 10 + line, job) for line in (3, 1, 0, 2)]
        (folder / "00000.jsonl.out").write_text("".join(lines) + '{"recordId":\n')
    return list_outputs(tmp_path / "output")


@pytest.fixture
def parts(outputs, tmp_path):
    """Five parts, of which the last has the rows of two jobs."""
    keys = [f"job{job:02}" for job in range(JOBS)]
    files = [*([each] for each in zip(keys, outputs, strict=True))]
    files[-2:] = [files[-2] + files[-1]]
    return [
        Part(str(tmp_path / "parts" / f"{place}.parquet"), f"stamp {place}", own) for place, own in enumerate(files)
    ]


@pytest.fixture
def two_processes(monkeypatch):
    """A second process however little there is to read."""
    monkeypatch.setattr(parallel, "WORKERS_PAY_BYTES", 0)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)


@pytest.fixture
def count_pipes(count_calls):
    """The processes that were started."""
    return count_calls(writers, "start_process")


def read(parts):
    return scan_parts([Path(part.path) for part in parts]).collect()


def test_two_processes_write_the_rows_of_one(parts, records, count_pipes, monkeypatch):
    share_writing(parts, records)
    alone = read(parts)
    assert not count_pipes
    monkeypatch.setattr(parallel, "WORKERS_PAY_BYTES", 0)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)
    for part in parts:
        Path(part.path).unlink()
    share_writing(parts, records)
    assert len(count_pipes) == 1
    assert_frame_equal(read(parts), alone)
    assert alone["call_id"].to_list()[:5] == ["call-0-3", "call-0-1", "call-0-0", "call-0-2", None]
    assert [read_stamp(Path(part.path)) for part in parts] == [f"stamp {place}" for place in range(5)]


def test_another_process_joins_the_records_that_it_is_given(parts, records):
    with writers.start_writer(records) as write:
        assert write(parts[-1])
    rows = read(parts[-1:])
    assert rows["call_id"].to_list()[4:7] == [None, "call-5-3", "call-5-1"]
    assert rows["model_id"].unique().to_list() == ["nova"]


@pytest.mark.parametrize("broken", ["raise SystemExit", "import time; input(); raise SystemExit"])
def test_what_a_process_leaves_undone_is_written_here(parts, records, two_processes, broken, monkeypatch):
    monkeypatch.setattr(writers, "COMMAND", broken)
    share_writing(parts, records)
    assert len(read(parts)) == JOBS * 5


def test_a_file_that_is_gone_is_named(parts, records, outputs, two_processes):
    Path(outputs[3].uri).unlink()
    with pytest.raises(StorageError, match=r"00000\.jsonl\.out: cannot be read"):
        share_writing(parts, records)
    assert not list(Path(parts[3].path).parent.glob("*3.parquet*"))


def test_no_process_is_started_for_a_single_part(parts, records, two_processes, count_pipes):
    share_writing(parts[:1], records)
    assert (len(count_pipes), len(read(parts[:1]))) == (0, 5)
