import re
import shutil
from pathlib import Path

import pytest

import analysis
from analysis.samples import make_calls

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_blocks_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    Path("calls").mkdir()
    make_calls(60).write_parquet("calls/sample.parquet")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    assert names["answers"]["error_kind"].null_count() == 120
    assert len(names["outputs"]) == 120


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert f"`{name}" in (ROOT / "docs/frames.md").read_text(encoding="utf-8")
