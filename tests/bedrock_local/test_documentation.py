"""The pages on the emulator: their code runs, and their names are the real ones."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from bedrock_local import Settings, open_session, serve
from bedrock_local.faults import FAULTS
from bedrock_local.settings import PRESETS

FOLDER = Path(__file__).parents[2] / "docs/emulator"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
PRINTED = {"start": "Completed 100\n", "settings": "", "faults": "", "readers": "300\n2\n"}


def find_code(page):
    return re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)


@pytest.mark.parametrize("page", PRINTED)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    with serve(tmp_path / "served") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for block in find_code(page):
            exec(compile(block.replace(":4574", f":{server.port}"), f"{page}.md", "exec"), names)
    assert capsys.readouterr().out == PRINTED[page]


def test_every_page_with_code_is_run():
    assert {page for page in PAGES if find_code(page)} == PRINTED.keys()


def test_the_start_page_names_every_parameter():
    parameters = {*inspect.signature(open_session).parameters, *inspect.signature(serve).parameters}
    assert [name for name in sorted(parameters) if not re.search(rf"\W{name}\b", PAGES["start"])] == []


def test_the_settings_page_has_every_setting_in_its_table():
    rows = re.findall(r"^\| (`.*?`) \|", PAGES["settings"], re.MULTILINE)
    assert set(Settings.__struct_fields__) <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_the_start_page_names_every_option_and_the_variables_that_the_command_prints(folder):
    options = re.findall(r"--[a-z-]+", CliRunner().invoke(app, ["emulator", "--help"]).stdout)
    assert [name for name in options if name not in (*PAGES["start"].split("`"), "--fault", "--help")] == []
    with serve(folder) as server:
        names = [
            f"export {name}={value}".replace(server.url, "http://127.0.0.1:4574")
            for name, value in server.environment.items()
        ]
    assert "\n".join(names) in PAGES["start"]


def test_the_faults_page_has_a_row_for_every_fault_and_no_other():
    rows = re.findall(r"^\| (`.*?`) \|", PAGES["faults"], re.MULTILINE)
    assert sorted(re.findall(r"`([a-z0-9-]+)`", " ".join(rows))) == sorted(FAULTS)


def test_the_settings_page_gives_the_seconds_of_the_clock():
    presets = re.search(r"`realistic`: (.*?) \|", PAGES["settings"])[1]
    stated = {status: int(seconds) for seconds, status in re.findall(r"(\d+) s (\w+)", presets)}
    assert stated == {status: PRESETS["realistic"][status] for status in stated}
    assert len(stated) == 4
