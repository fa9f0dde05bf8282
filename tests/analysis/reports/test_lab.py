import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.reports.lab import MADE_FILE, update_copies
from analysis.reports.notebooks import IGNORED

ROOT = Path(__file__).parents[3]


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("prepare", "submit"):
        (folder / f"{name}.ipynb").write_text(f"{name} 1")
    return folder


@pytest.fixture
def lab(tmp_path):
    return tmp_path / "lab"


def read(lab):
    return {file.stem: file.read_text() for file in lab.glob("*.ipynb")}


def test_every_notebook_is_copied_for_this_user_alone(notebooks, lab):
    assert update_copies(notebooks, lab) == []
    assert read(lab) == {"prepare": "prepare 1", "submit": "submit 1"}
    assert lab.stat().st_mode & 0o077 == 0


def test_a_copy_that_nobody_edited_follows_its_notebook(notebooks, lab):
    update_copies(notebooks, lab)
    (notebooks / "prepare.ipynb").write_text("prepare 2")
    assert update_copies(notebooks, lab) == []
    assert read(lab) == {"prepare": "prepare 2", "submit": "submit 1"}


def test_an_edited_copy_stays_and_is_named_once_its_notebook_has_changed(notebooks, lab):
    update_copies(notebooks, lab)
    (lab / "prepare.ipynb").write_text("mine")
    assert update_copies(notebooks, lab) == []
    (notebooks / "prepare.ipynb").write_text("prepare 2")
    for _ in range(2):
        assert update_copies(notebooks, lab) == [lab / "prepare.ipynb"]
        assert read(lab)["prepare"] == "mine"


def test_a_deleted_copy_is_made_anew(notebooks, lab):
    update_copies(notebooks, lab)
    (lab / "prepare.ipynb").write_text("mine")
    (lab / "prepare.ipynb").unlink()
    update_copies(notebooks, lab)
    (notebooks / "prepare.ipynb").write_text("prepare 2")
    assert update_copies(notebooks, lab) == []
    assert read(lab)["prepare"] == "prepare 2"


@pytest.mark.parametrize("content", [None, b"{"])
def test_where_the_digests_are_lost_every_copy_stays(notebooks, lab, content):
    update_copies(notebooks, lab)
    (lab / "submit.ipynb").write_text("mine")
    (lab / MADE_FILE).unlink()
    if content:
        (lab / MADE_FILE).write_bytes(content)
    update_copies(notebooks, lab)
    assert read(lab)["submit"] == "mine"


@pytest.mark.parametrize("ignored", [IGNORED, (ROOT / ".gitignore").read_text()], ids=["new project", "clone"])
def test_git_sees_nothing_of_what_the_copies_show(notebooks, lab, ignored):
    root = notebooks.parent
    (root / ".gitignore").write_text(ignored)
    git = [shutil.which("git"), "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run([*git, *command], check=True)
    update_copies(notebooks, lab)
    (lab / "prepare.ipynb").write_text("My name is Anna Maier.")
    (lab / ".ipynb_checkpoints").mkdir()
    (lab / ".ipynb_checkpoints" / "prepare-checkpoint.ipynb").write_text("My name is Anna Maier.")
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert status.stdout == ""
