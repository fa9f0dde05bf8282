import os
import socket
import stat
import subprocess
import sys
import zipfile

import pytest

from analysis.errors import CallsError
from analysis.transcripts import read_calls
from analysis.transcripts.reading import read_sources
from analysis.transcripts.sources import ColumnNames, Source

needs_rights = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture
def folder(tmp_path):
    """A folder of two calls, with another call outside of it."""
    calls = tmp_path / "calls"
    calls.mkdir()
    (calls / "a.txt").write_text("Hi.")
    (calls / "b.txt").write_text("Hello.")
    (tmp_path / "secret.txt").write_text("root:x:0:0")
    return calls


def write_zip(path, names, **attributes):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes.get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, f"words of {name}")
    return path


def list_ids(where):
    return read_calls(where)["call_id"].to_list()


def test_hidden_files_are_counted_and_named(folder, capsys):
    for name in ("_call7.txt", ".call8.txt", "sub/.x/c.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("lost?")
    assert list_ids(folder) == ["a", "b"]
    assert capsys.readouterr().out == (
        f"{folder}: 3 files are passed over: 3 with a name that begins with '.' or '_' "
        "(.call8.txt, _call7.txt, sub/.x/c.txt)\n"
    )


def test_of_many_files_three_are_named(folder, capsys):
    for number in range(1200):
        (folder / f"_{number:04}.txt").touch()
    assert list_ids(folder) == ["a", "b"]
    assert ": 1,200 files are passed over: 1,200 with a name" in capsys.readouterr().out


def test_marks_of_programs_are_not_worth_a_word(folder, capsys):
    for name in ("_SUCCESS", "._a.txt", ".DS_Store", "__MACOSX/x.txt", ".ipynb_checkpoints/a.txt", ".part-0.csv.crc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert list_ids(folder) == ["a", "b"]
    assert capsys.readouterr().out == ""


def test_subtitles_beside_json_are_counted(tmp_path, capsys):
    (tmp_path / "call.json").write_text('{"jobName": "call-1", "results": {"transcripts": [{"transcript": "Hello."}]}}')
    (tmp_path / "call.vtt").write_text("WEBVTT")
    (tmp_path / "call.srt").write_text("1")
    assert list_ids(tmp_path) == ["call-1"]
    assert "2 files are passed over: 2 subtitles beside the same call (call.srt, call.vtt)" in capsys.readouterr().out


def test_a_folder_of_hidden_files_alone_says_so(tmp_path):
    (tmp_path / "_a.txt").write_text("Hi.")
    with pytest.raises(CallsError, match=r"no calls: 1 file is passed over: .* \(_a\.txt\); files that can be read"):
        read_calls(tmp_path)


def test_a_link_out_of_the_folder_is_refused(folder):
    (folder / "c.txt").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(
        CallsError, match=r"c\.txt: a link that leads out of the folder; copy the files into the folder"
    ):
        read_calls(folder)


@pytest.mark.parametrize("pattern", ["*", "*.txt", "**/*.txt", "*/secret.txt"])
def test_a_glob_follows_no_link_out_of_its_folder(folder, pattern):
    (folder / "out").symlink_to(folder.parent)
    (folder / "c.txt").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(CallsError, match=r"(c\.txt|out): a link that leads out of the folder"):
        read_calls(folder / pattern)


def test_a_folder_that_is_a_link_out_is_refused(folder):
    (folder.parent / "other").mkdir()
    (folder / "sub").symlink_to(folder.parent / "other")
    with pytest.raises(CallsError, match="sub: a link that leads out of the folder"):
        read_calls(folder)


def test_links_within_the_folder_are_read_or_named(folder, capsys):
    (folder / "same").symlink_to(".")
    (folder / "c.txt").symlink_to("b.txt")
    (folder / "d.txt").symlink_to("nowhere.txt")
    (folder / "e.txt").symlink_to("e.txt")
    assert list_ids(folder) == ["a", "b", "c"]
    assert "3 links that lead to no file of the folder (d.txt, e.txt, same)" in capsys.readouterr().out


def test_what_is_given_by_its_own_name_may_be_a_link(folder):
    (folder.parent / "link").symlink_to(folder)
    (folder.parent / "link.txt").symlink_to(folder / "a.txt")
    assert list_ids(folder.parent / "link") == ["a", "b"]
    assert list_ids(folder.parent / "link.txt") == ["link"]


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "calls.csv")
    with pytest.raises(CallsError, match=r"a pipe or a device, .*; save it to a file that ends in \.csv"):
        read_calls(tmp_path / "calls.csv")


@pytest.mark.parametrize("where", ["/dev/stdin", "/dev/null", "/proc/self/fd/0"])
def test_what_a_shell_gives_is_refused(where):
    code = f"from analysis import read_calls\ntry: read_calls('{where}')\nexcept Exception as error: print(repr(error))"
    done = subprocess.run([sys.executable, "-c", code], input=b"call_id,transcript\na,b\n", capture_output=True)
    assert b"CallsError" in done.stdout
    assert b"a pipe or a device" in done.stdout


def test_pipes_in_a_folder_are_named(folder, capsys):
    os.mkfifo(folder / "c.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "d.txt"))
    assert list_ids(folder) == ["a", "b"]
    assert "2 pipes or devices (c.txt, d.txt)" in capsys.readouterr().out


@needs_rights
def test_a_folder_that_may_not_be_read_is_an_error(folder):
    (folder / "sub").mkdir(mode=0)
    with pytest.raises(CallsError, match=r"cannot be read .*Permission denied"):
        read_calls(folder)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("", "no place is given; give a file, a folder"),
        ("x" * 300, "cannot be read .*too long"),
        ("a\0b", r"cannot be read .*null byte|no such file"),
        ("~nobody-of-this-name/x.csv", "cannot be read"),
        ("nowhere.csv", "no such file or folder"),
        ("nowhere/*.csv", "no such file or folder"),
    ],
)
def test_a_place_that_is_none_is_refused(where, reason):
    with pytest.raises(CallsError, match=reason):
        read_calls(where)


def test_a_link_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "a.csv").symlink_to("nowhere.csv")
    with pytest.raises(CallsError, match=r"a\.csv: a link that leads nowhere"):
        read_calls(tmp_path / "a.csv")


def test_a_name_that_is_not_utf_8_is_refused(folder):
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("Hi.")
    with pytest.raises(CallsError, match=r"caf\\udce9\.txt: its name is not UTF-8; rename the file"):
        read_calls(folder)


def test_an_odd_name_is_an_id_and_commands_no_terminal(folder):
    name = "x\x1b]0;t\x07\n\u202e"
    (folder / f"{name}.txt").write_bytes(b"\x81")
    with pytest.raises(CallsError) as caught:
        read_calls(folder)
    assert r"x\x1b]0;t\x07\n\u202e.txt: not UTF-8" in str(caught.value)
    (folder / f"{name}.txt").write_bytes(b"Hi.")
    assert list_ids(folder) == ["a", "b", name]


@pytest.mark.parametrize(
    "name", ["../a.txt", "x/../../a.txt", "/etc/a.txt", "..\\a.txt", "C:\\a.txt", "\\a.txt", "../"]
)
def test_a_zip_whose_names_lead_out_is_refused(tmp_path, name):
    path = write_zip(tmp_path / "c.zip", ["b.txt", name])
    with pytest.raises(CallsError, match="its name leads out of the zip; make the zip anew"):
        read_calls(path)


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "c.zip", ["a.txt", "b.txt"], **{"b.txt": stat.S_IFLNK | 0o777})
    with pytest.raises(CallsError, match=r"c\.zip, b\.txt: a link, not a file"):
        read_calls(path)


def test_hidden_files_of_a_zip_are_named(tmp_path, capsys):
    assert list_ids(write_zip(tmp_path / "c.zip", ["a.txt", "_b.txt", "__MACOSX/a.txt"])) == ["a"]
    assert "c.zip: 1 file is passed over: 1 with a name that begins with '.' or '_' (_b.txt)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["c.parquet", "c.csv", "c.csv.gz", "c.jsonl", "c.json", "c.txt", "c.zip"])
def test_a_file_that_is_gone_before_it_is_read_is_an_error_with_a_cure(tmp_path, name):
    source = Source(name, name, tmp_path / name)
    with pytest.raises(CallsError, match=rf"^{name}: cannot be read.*; check that the file is still there"):
        read_sources(name, [source], ColumnNames())


def test_paths_are_named_whole(tmp_path, capsys):
    folder = tmp_path / "calls of the first and the second week of may in the year" / ("x" * 100)
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("Hi.")
    (folder / "_call with mr smith on the third of may.txt").write_text("Hi.")
    assert list_ids(folder) == ["a"]
    said = capsys.readouterr().out
    assert said.startswith(f"{folder}: 1 file is passed over: ")
    assert said.endswith("(_call with mr smith on the third of may.txt)\n")
