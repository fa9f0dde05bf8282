"""That each program of others is run by a script, and is on the page that the run wrote."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("foreign", HERE / "foreign.py")
foreign = importlib.util.module_from_spec(SPEC)
sys.modules["foreign"] = foreign  # where its dataclasses look
SPEC.loader.exec_module(foreign)


def test_every_script_is_run_by_a_program():
    scripts = {path.relative_to(foreign.SCRIPTS).as_posix() for path in foreign.SCRIPTS.rglob("*.*")}
    helpers = {name for name in scripts if "trying" in name or name.endswith("package.json") or "__pycache__" in name}
    assert scripts - helpers == {program.script for program in foreign.PROGRAMS}


def test_every_program_is_on_the_page_with_its_version():
    page = foreign.PAGE.read_text(encoding="utf-8")
    missing = [each.name for each in foreign.PROGRAMS if f"| {foreign.name_version(each)} |" not in page]
    assert not missing, "run make foreign"


def test_what_fails_is_written_under_the_table():
    program = foreign.PROGRAMS[0]
    checks = [foreign.Check("`invoke`", ""), foreign.Check("`stream`", "ValueError: a | b\nmore")]
    page = foreign.describe({program: checks})
    assert "| `invoke`; `stream` | 1 of 2 |" in page
    assert r"`stream`: `ValueError: a \| b`" in page
