"""The page on the emulator: its code runs, and its names are the real ones."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from typer.testing import CliRunner

from analysis.cli import app
from bedrock_local import Settings, open_session, serve
from bedrock_local.faults import FAULTS
from bedrock_local.settings import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    assert capsys.readouterr().out == "Completed 100\n"


def test_the_page_names_every_parameter_and_setting():
    parameters = [*inspect.signature(open_session).parameters, *inspect.signature(serve).parameters]
    assert [name for name in [*parameters, *Settings.__struct_fields__] if name not in PAGE] == []


def test_the_page_names_every_option_and_the_variables_that_the_command_prints(folder):
    options = re.findall(r"--[a-z-]+", CliRunner().invoke(app, ["emulator", "--help"]).stdout)
    assert [name for name in options if name not in (*PAGE.split("`"), "--fault", "--help")] == []
    with serve(folder) as server:
        names = [
            f"export {name}={value}".replace(server.url, "http://127.0.0.1:4574")
            for name, value in server.environment.items()
        ]
    assert "\n".join(names) in PAGE


def test_the_page_has_a_row_for_every_fault():
    named = re.findall(r"`([a-z]+-[a-z0-9-]+|throttled|unavailable)`", "".join(re.findall(r"\n\| `.*? \|", PAGE)))
    assert FAULTS.keys() - set(named) == set()


def test_the_page_gives_the_seconds_of_the_clock():
    presets = re.search(r"`realistic`: (.*?) \|", PAGE)[1]
    said = {status: int(seconds) for seconds, status in re.findall(r"(\d+) s (\w+)", presets)}
    assert said == {status: PRESETS["realistic"][status] for status in said}
    assert len(said) == 4
