import os
from pathlib import Path

import pytest

from analysis.files import flush_folder, replace_when_whole


@pytest.fixture
def flushed(monkeypatch):
    """The paths that are flushed, in order."""
    paths, flush = [], os.fsync

    def watch(descriptor):
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    return paths


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    file = tmp_path / "runs" / "a.txt"
    with replace_when_whole(file) as unfinished:
        unfinished.write_text("half")
        assert not file.exists()
        unfinished.write_text("whole")
    assert file.read_text() == "whole"
    assert list(file.parent.iterdir()) == [file]


def write_half(file):
    with replace_when_whole(file) as unfinished:
        unfinished.write_text("half")
        raise ZeroDivisionError


def test_the_earlier_file_stays_when_writing_fails(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("before")
    with pytest.raises(ZeroDivisionError):
        write_half(file)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "a.txt"
    with replace_when_whole(file) as first, replace_when_whole(file) as second:
        first.write_text("first")
        second.write_text("second")
    assert file.read_text() == "first"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors have no names here")
def test_a_file_is_flushed_before_it_gets_its_name_and_the_folder_after(tmp_path, flushed):
    with replace_when_whole(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("whole")
    assert flushed == [unfinished, tmp_path]


def test_what_can_be_made_again_is_not_flushed(tmp_path, flushed):
    with replace_when_whole(tmp_path / "a.txt", flush=False) as unfinished:
        unfinished.write_text("whole")
    assert flushed == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors have no names here")
def test_a_folder_is_flushed_with_all_that_is_in_it(tmp_path, flushed):
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "00000.jsonl").write_text("{}\n")
    flush_folder(tmp_path)
    assert set(flushed) == {tmp_path / "input" / "00000.jsonl", tmp_path / "input", tmp_path}
    assert flushed[-1] == tmp_path
