import os
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow.parquet as pq
import pytest

from analysis import Prompt, prepare
from analysis.errors import StorageError
from analysis.files import (
    explain_file_errors,
    flush_folder,
    make_draft,
    make_private,
    name_unfinished,
    open_to_append,
    replace_when_whole,
    sweep_drafts,
    sweep_parts,
)


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


HOLD = """
import sys, time
from pathlib import Path
from analysis.files import make_draft
with make_draft(Path(sys.argv[1]), "run") as draft:
    (draft / "calls").write_text("secret")
    print(draft, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_draft(tmp_path):
    """A draft that another process holds, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield Path(process.stdout.readline().strip()), process
    process.kill()
    process.communicate()


def test_a_draft_is_deleted_at_the_end(tmp_path):
    with make_draft(tmp_path, "run") as draft:
        (draft / "calls").write_text("a call")
    assert list(tmp_path.iterdir()) == []


def test_the_draft_of_a_process_that_lives_stays(tmp_path, other_draft):
    draft, _ = other_draft
    sweep_drafts(tmp_path)
    assert (draft / "calls").read_text() == "secret"


def test_the_draft_of_a_killed_process_is_swept(tmp_path, other_draft):
    draft, process = other_draft
    process.kill()
    process.wait()
    assert (draft / "calls").exists()
    sweep_drafts(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_without_a_lock_may_be_new_and_stays_for_an_hour(tmp_path):
    draft = tmp_path / ".run-1.draft"
    draft.mkdir()
    sweep_drafts(tmp_path)
    assert draft.exists()
    os.utime(draft, (0, 0))
    sweep_drafts(tmp_path)
    assert not draft.exists()


def test_parts_that_nobody_writes_to_are_swept(tmp_path):
    old, new, other = (tmp_path / name for name in (".a.json.1f.part", ".b.json.2f.part", "c.part"))
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (0, 0))
    sweep_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == [new, other]


def test_the_part_of_a_killed_process_is_swept_at_once(tmp_path):
    die = "import sys, os; from pathlib import Path; from analysis.files import name_unfinished; "
    die += "name_unfinished(Path(sys.argv[1]) / 'a').write_text('half'); os._exit(9)"
    subprocess.run([sys.executable, "-c", die, str(tmp_path)], check=False)
    own = name_unfinished(tmp_path / "a")
    own.write_text("half")
    elsewhere = tmp_path / ".a.00000000-1-1f.part"  # of a machine that shares the folder
    elsewhere.write_text("half")
    assert len(list(tmp_path.iterdir())) == 3
    sweep_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([own, elsewhere])


@pytest.fixture
def umask():
    """The usual setting, by which new files can be read by all users."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("above", "folder", "file"), [(0o755, 0o700, 0o600), (0o770, 0o770, 0o660), (0o777, 0o700, 0o600)]
)
def test_a_private_folder_is_open_to_the_group_that_shares_the_one_above(tmp_path, umask, above, folder, file):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "calls").write_text("secret")
    (tmp_path / "runs").chmod(above)
    make_private(tmp_path / "runs" / "a", tmp_path / "runs")
    with replace_when_whole(tmp_path / "runs" / "a" / "more" / "b") as path:
        path.write_text("secret")
    with open_to_append(tmp_path / "runs" / "a" / "log") as log:
        log.write(b"secret")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "runs").rglob("*")}
    assert modes == {"a": folder, "more": folder, "calls": file, "b": file, "log": file}


def test_a_file_elsewhere_keeps_what_the_process_sets(tmp_path, umask):
    tmp_path.chmod(0o777)
    with replace_when_whole(tmp_path / "a") as path:
        path.write_text("prices")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def write_with_polars(path):
    pl.DataFrame({"a": [1]}).write_parquet(path)


def write_with_pyarrow(path):
    pq.write_table(pl.DataFrame({"a": [1]}).to_arrow(), path)


def write_with_python(path):
    path.write_text("a")


@pytest.mark.parametrize("write", [write_with_polars, write_with_pyarrow, write_with_python])
def test_a_full_disk_is_said_with_a_cure_whoever_writes(tmp_path, write):
    # A link, since pyarrow deletes what it could not write, the device included.
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="no space left on device; free some space"), explain_file_errors():
        write(tmp_path / "full")


def test_a_name_that_is_too_long_is_said_without_the_whole_of_it(tmp_path):
    too_long = pytest.raises(StorageError, match=r"a text of .* characters: file name too long; use a shorter name")
    with too_long, explain_file_errors():
        (tmp_path / ("x" * 300)).touch()


def test_other_errors_stay_as_they_are():
    with pytest.raises(FileNotFoundError), explain_file_errors():
        Path("/nowhere/a").read_text()
    with pytest.raises(ZeroDivisionError), explain_file_errors():
        raise ZeroDivisionError


AS_NOBODY = """
import os, sys
from pathlib import Path
import boto3, filelock, polars, pyarrow.parquet, tqdm
from analysis import Prompt, collect, invoke, open_run, prepare
from analysis.aws.session import open_session
from analysis.errors import AnalysisError
calls = polars.DataFrame({"call_id": ["a"], "transcript": ["Hello."]})
prompt = Prompt(name="p", model_id="amazon.nova-micro-v1:0", template="{{ transcript }}")
folder = Path(sys.argv[1])
prepare(calls, prompt, into=folder.parents[1] / "warm")  # imports everything
open_session("emulator").client("bedrock-runtime")
if os.getuid() == 0:  # root may write everywhere
    os.setegid(65534)
    os.seteuid(65534)
verbs = {
    "prepare": lambda: prepare(calls, prompt, into=folder.parent, name="new"),
    "invoke": lambda: invoke(open_run(folder)),
    "collect": lambda: collect(open_run(folder)),
}
try:
    verbs[sys.argv[2]]()
except AnalysisError as error:
    print(error)
"""


@pytest.mark.parametrize("verb", ["prepare", "invoke", "collect"])
def test_a_folder_that_may_not_be_written_is_said_with_a_cure(verb):
    with TemporaryDirectory() as folder:
        place = Path(folder)
        calls = pl.DataFrame({"call_id": ["a"], "transcript": ["Hello."]})
        prompt = Prompt(name="p", model_id="amazon.nova-micro-v1:0", template="{{ transcript }}")
        run = prepare(calls, prompt, into=place / "runs", name="demo")
        run.ledger.append("sending", invocation="on_demand", profile="emulator", region="us-east-1", versions={})
        place.chmod(0o755)
        for path in [run.folder.parent, *run.folder.parent.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", AS_NOBODY, str(run.folder), verb]
        environment = os.environ | {"BEDROCK_LOCAL": str(place / "emulator"), "HOME": folder}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        run.folder.chmod(0o755)
    assert "permission denied; give this user the right to read and write there" in done.stdout, done.stderr
