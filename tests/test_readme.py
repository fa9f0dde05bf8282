import re
import shutil
from pathlib import Path

import pytest

import analysis
from analysis import make_calls
from analysis.errors import ComparisonNotice

ROOT = Path(__file__).parents[1]
# What a new family is written with is not public: families.md is for those who change the package.
PAGES = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {ROOT / "docs/families.md"})]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_blocks_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    Path("calls").mkdir()
    make_calls(60).write_parquet("calls/synthetic.parquet")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    assert names["answers"]["error_kind"].null_count() == 120
    assert len(names["outputs"]) == 120


def test_the_example_of_a_prompt_file_is_one(tmp_path):
    text = (ROOT / "docs/prompts.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```markdown\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mood.md").write_text(example, encoding="utf-8")
    (prompt,) = analysis.read_prompts(tmp_path)
    assert "Industry: bank." in analysis.prompts.render(prompt, {"transcript": "Hello.", "industry": "bank"})


def test_the_examples_of_the_prompts_page_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    page = (ROOT / "docs/prompts.md").read_text(encoding="utf-8")
    values, _ = [run_block(block) for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]
    assert values["values"].select("reason", "json_error").null_count().row(0) == (0, 5)
    assert "--- Answer (" in capsys.readouterr().out


def run_block(block):
    names = {}
    exec(compile(block, "prompts.md", "exec"), names)
    return names


def test_the_example_of_the_quality_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/quality.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(block, "quality.md", "exec"), names)
    assert len(names["measured"]) == 20


def test_the_example_of_the_page_on_judging_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/judging.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    with pytest.warns(ComparisonNotice, match="No call was rated by people"):
        exec(compile(block, "judging.md", "exec"), names)
    assert names["measured"]["judge_wins"].null_count() == 0
    assert "rated_wins" not in names["comparisons"]["metric"]


def test_the_examples_of_the_page_on_widgets_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    page = (ROOT / "docs/widgets.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "widgets.md", "exec"), names)
    assert len(names["answers"]) == 80
    assert {Path(path).name for path in re.findall(r"\((pictures/.*?)\)", page)} == {
        path.name for path in (ROOT / "docs/pictures").iterdir()
    }


def test_the_example_of_the_page_on_comparing_runs_and_says_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks/prompts", "notebooks/prompts")
    page = (ROOT / "docs/comparing.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(compile(block, "comparing.md", "exec"), names)
    compared = names["comparisons"]
    printed = [analysis.advise(compared).sentence, *analysis.describe_comparison(compared)]
    shown = re.findall(r"^    (.+)$", page.split("```")[2], re.MULTILINE)
    # The numbers may move with the measures and prompts; what is better and worse may not.
    assert [line.partition("(")[0] for line in printed] == [line.partition("(")[0] for line in shown]


def test_every_key_of_the_header_is_documented():
    text = (ROOT / "docs/prompts.md").read_text(encoding="utf-8")
    fields = set(analysis.Prompt.__struct_fields__) - {"template", "system"}
    assert {name for name in fields if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_imports_only_public_names(page):
    modules = set(re.findall(r"^(?:from|import) (analysis[\w.]*)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert modules <= {"analysis", "analysis.plots", "analysis.spark", "analysis.widgets"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert f"`{name}" in (ROOT / "docs/frames.md").read_text(encoding="utf-8")
