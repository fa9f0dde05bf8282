import os
import signal
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.aws.storage import StoredFile
from analysis.errors import StorageError
from analysis.outputs import list_outputs, load_outputs, parallel, scan_outputs
from analysis.outputs.parallel import Task, count_processes, group_files, read_files, start_reader

LINE = '{"recordId":"%s","modelInput":{"max_tokens":5},"modelOutput":{"content":[{"type":"text","text":"Hi."}]}}\n'
SCRIPT = """
from analysis.outputs import list_outputs
from analysis.outputs.parallel import Task, start_reader

(file, *_) = list_outputs({outputs!r})
with start_reader() as ask:
    (frame,) = ask(Task([(file, file.uri)], None, ["record_id"], {folder!r}))
print(frame.height)
"""


@pytest.fixture
def outputs(tmp_path):
    folder = tmp_path / "outputs"
    folder.mkdir()
    for number in range(9):
        lines = [LINE % f"r{number}{place}" for place in range(4)]
        (folder / f"{number}.jsonl.out").write_text("".join(lines) + f"\ngarbage\x85 in {number}\n")
    return folder


@pytest.fixture
def two_processes(monkeypatch):
    """One file to a group, and a worker however little there is to read."""
    monkeypatch.setattr(parallel, "GROUP_BYTES", 1)
    monkeypatch.setattr(parallel, "WORKERS_PAY_BYTES", 0)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)


def stored(*sizes: int) -> list[StoredFile]:
    return [StoredFile(str(place), str(place), size, 0) for place, size in enumerate(sizes)]


def test_small_files_are_read_together_and_large_ones_alone(monkeypatch):
    monkeypatch.setattr(parallel, "GROUP_BYTES", 100)
    sizes = [[file.bytes for file in group] for group in group_files(stored(40, 30, 20, 150, 300, 10, 10))]
    assert sizes == [[40, 30, 20], [150], [300, 10, 10]]


def test_a_worker_is_started_only_where_it_pays():
    assert count_processes(stored(2**29, 2**29 - 1)) == 1
    assert count_processes(stored(2**30)) == 1
    assert count_processes(stored(2**29, 2**29)) == min(2, os.cpu_count())


def test_two_processes_give_the_rows_of_one(outputs, two_processes, monkeypatch):
    together = load_outputs(outputs)
    monkeypatch.setattr(parallel, "WORKERS_PAY_BYTES", 2**30)
    assert_frame_equal(together, load_outputs(outputs))
    assert together["record_id"].drop_nulls().to_list() == [
        f"r{number}{place}" for number in range(9) for place in range(4)
    ]


def test_two_processes_build_what_a_query_needs(outputs, two_processes):
    query = scan_outputs(outputs).filter(error_kind="unreadable").select("file", "line")
    assert query.collect().rows() == [(f"{number}.jsonl.out", 6) for number in range(9)]


@pytest.mark.parametrize("model_id", [None, "us.anthropic.claude-haiku-4-5-20251001-v1:0"])
def test_a_worker_reads_what_it_is_asked(outputs, tmp_path, model_id):
    file = StoredFile(str(outputs / "0.jsonl.out"), "0.jsonl.out", 0, 0)
    task = Task([(file, file.uri)], model_id, ["record_id", "line"], str(tmp_path))
    with start_reader() as request_frames:
        (frame,) = request_frames(task)
    assert_frame_equal(frame, pl.concat(task.read()))
    assert frame.columns == ["record_id", "line"]


def test_what_a_worker_leaves_undone_is_read_here(outputs, two_processes, monkeypatch):
    expected = load_outputs(outputs)
    monkeypatch.setattr(parallel, "COMMAND", "raise SystemExit")
    assert_frame_equal(load_outputs(outputs), expected)


def test_where_no_process_can_be_started_all_is_read_here(outputs, two_processes, monkeypatch):
    expected = load_outputs(outputs)
    monkeypatch.setattr(parallel.sys, "executable", str(outputs / "no-python"))
    assert_frame_equal(load_outputs(outputs), expected)


def test_a_file_that_is_gone_is_named(outputs, two_processes):
    files = list_outputs(outputs)
    (outputs / "8.jsonl.out").unlink()
    with pytest.raises(StorageError, match=r"8\.jsonl\.out: cannot be read"):
        list(read_files(files, s3=None, model_id=None, processes=2))


def test_a_worker_that_has_ended_is_asked_no_more(outputs, two_processes, monkeypatch):
    asked = []

    def request_frames(questions, answers, task):
        asked.append(task)
        raise BrokenPipeError

    monkeypatch.setattr(parallel, "request_frames", request_frames)
    frames = list(read_files(list_outputs(outputs), s3=None, model_id=None, processes=2))
    assert (sum(frame.height for frame in frames), len(asked)) == (45, 1)


def test_whoever_stops_early_leaves_no_process(outputs, two_processes, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *given, **named):
            started.append(self)
            super().__init__(*given, **named)

    monkeypatch.setattr(parallel.subprocess, "Popen", Watched)
    frames = read_files(list_outputs(outputs), s3=None, model_id=None, processes=2)
    assert next(frames).height == 5
    frames.close()
    assert [worker.returncode for worker in started] == [-signal.SIGKILL]


def test_a_script_without_a_main_guard_reads_with_workers_wherever_it_runs(outputs, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT.format(outputs=str(outputs), folder=str(tmp_path)))
    (tmp_path / "elsewhere" / "analysis").mkdir(parents=True)
    (tmp_path / "elsewhere" / "analysis" / "__init__.py").write_text("raise SystemExit('another package')")
    command = [sys.executable, str(tmp_path / "script.py")]
    ran = subprocess.run(command, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("5\n", "")
