from __future__ import annotations

import os

import pytest

from bedrock_local import files


@pytest.fixture
def flushed(monkeypatch):
    """The inodes that are flushed to disk, in their order."""
    inodes, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: inodes.append(os.fstat(file).st_ino) or fsync(file))
    return inodes


def test_a_file_is_flushed_before_its_folder_and_the_folders_that_are_new(tmp_path, flushed):
    path = tmp_path / "a" / "b" / "c.json"
    files.write_json(path, {"x": 1})
    assert flushed == [each.stat().st_ino for each in (path, path.parent, path.parent.parent, tmp_path)]


def test_nothing_is_flushed_where_nobody_asks(tmp_path, flushed):
    files.write_json(tmp_path / "c.json", 1, flush=False)
    assert (flushed, (tmp_path / "c.json").read_bytes()) == ([], b"1")


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_file(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: os.close(-1))
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.write_file(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a", b"old")]


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path):
    files.flush_folder(tmp_path / "none")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_second_name_replaces_what_had_it(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *_: os.close(-1))
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    for _ in range(2):
        files.link_file(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "b").read_bytes(), (tmp_path / "b").samefile(tmp_path / "a")) == (b"new", has_links)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("size", [0, 1, files.READ_BYTES, 2 * files.READ_BYTES + 1])
def test_a_file_is_read_whole(tmp_path, size):
    (tmp_path / "a").write_bytes(bytes(size))
    assert files.read_file(tmp_path / "a") == bytes(size)
