import ast
import hashlib
import re
import shutil
import tokenize
from dataclasses import dataclass
from html import escape
from io import StringIO
from pathlib import Path

import nbformat
import papermill
import polars as pl
import pytest

from analysis import (
    add_costs,
    advise,
    choose_metrics,
    collect,
    compare_variants,
    count_stop_reasons,
    invoke,
    load_answers,
    load_jobs,
    measure_answers,
    measure_kept,
    open_run,
    prepare,
    sum_costs,
)
from analysis.reports.notebooks import run_notebook
from analysis.reports.stages import STAGES

pytestmark = pytest.mark.whole

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
STEPS = [stage.name for stage in STAGES]
MOST_LINES = 8  # of a cell without its imports; a parameter is a line
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_step = pytest.mark.parametrize("step", STEPS)


@dataclass(frozen=True)
class Chain:
    """The notebooks run in order with their default parameters: the run they made, its files, what each shows."""

    run: Path
    files: dict[str, str]
    shown: dict[str, list]

    def texts(self, step):
        return [output["data"]["text/plain"] for output in self.shown[step] if "data" in output]

    def page(self, step):
        return read_page(self.shown[step])


def read_code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def read_outputs(copy):
    """The outputs of a copy without streams: the bar of `submit` shows how long it took."""
    return [output for cell in read_code(copy) for output in cell.outputs if output.output_type != "stream"]


def read_page(outputs):
    """All HTML that outputs show."""
    return "\n".join(output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {}))


def digest_files(folder):
    # Hidden files note when something was looked at.
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run_chain(root, copies):
    run = root / "runs" / "sample"
    shown = {step: read_outputs(run_notebook(root / "notebooks" / f"{step}.ipynb", {}, copies)) for step in STEPS}
    return Chain(run, digest_files(run), shown)


@pytest.fixture(scope="module")
def first(account, make_calls, tmp_path_factory):
    """50 calls with the two prompts of the notebooks: as many records as a batch job needs.

    A notebook runs in its own folder, so beside the committed ones their `../runs` would be this project's: only in a
    copy do the calls and the runs belong to the test.
    """
    root = tmp_path_factory.mktemp("chain")
    shutil.copytree(FOLDER, root / "notebooks")
    (root / "calls").mkdir()
    make_calls(50).write_parquet(root / "calls" / "synthetic.parquet")
    return run_chain(root, root / "first")


@pytest.fixture(scope="module")
def second(first):
    root = first.run.parents[1]
    return run_chain(root, root / "second")


def test_prepare_leaves_every_record_in_the_input_files(first):
    (file,) = (first.run / "input").rglob("*.jsonl")
    variants = pl.read_parquet(first.run / "records.parquet")["variant"].to_list()
    assert (variants.count("headings"), variants.count("paragraph"), len(variants)) == (50, 50, 100)
    assert file.read_bytes().count(b"\n") == 100


def test_prepare_shows_a_record_and_asks_no_model(first):
    (shown,) = [text for text in first.texts("prepare") if "--- User" in text]
    assert "--- Answer" not in shown


def test_a_run_may_be_prepared_into_s3_and_sent_and_read_by_its_name(first, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "notebooks")
    (tmp_path / "runs").mkdir()
    calls = str(first.run.parents[1] / "calls" / "synthetic.parquet")
    values = {"prepare": {"calls": calls, "runs": "s3://batchbook/runs", "run": "august"}}
    for step in ("prepare", "submit", "collect"):
        given = values.get(step, {"run_folder": "../runs/august"})
        run_notebook(tmp_path / "notebooks" / f"{step}.ipynb", given, tmp_path / "copies")
    run = open_run(tmp_path / "runs" / "august")
    assert run.place.uri == "s3://batchbook/runs/august/"
    answers, here = (load_answers(each).sort("call_id", "variant") for each in (run, open_run(first.run)))
    assert answers["text"].to_list() == here["text"].to_list()


def test_submit_leaves_a_finished_job_in_the_ledger(first):
    jobs = load_jobs(open_run(first.run))
    assert jobs.select("status", "records", "success_records").rows() == [("Completed", 100, 100)]


def test_collect_leaves_an_answer_for_every_call_and_prompt(first):
    answers = load_answers(open_run(first.run))
    assert (len(answers), answers["error_kind"].null_count(), answers["text"].null_count()) == (100, 100, 0)


def test_collect_leaves_one_manifest_that_counts_the_same(first):
    assert pl.read_parquet(first.run / "manifests.parquet")["success_records"].to_list() == [100]


def test_costs_shows_the_bill_of_the_outputs(first):
    bill = sum_costs(add_costs(open_run(first.run).read_outputs()))
    columns = ["variant", "cost_usd", "cost_usd_per_1000_calls", "truncated_cost_usd", "failed_cost_usd"]
    in_order = bill.select(columns).reverse()  # as asked: paragraph, headings
    assert repr(in_order) in first.texts("costs")


def test_stop_reasons_shows_that_every_answer_ended_by_itself(first):
    counts = count_stop_reasons(load_answers(open_run(first.run)))
    assert counts.select("variant", "stop", "answers").rows() == [("headings", "end", 50), ("paragraph", "end", 50)]
    in_order = counts.with_columns(pl.col("variant").cast(pl.Enum(["paragraph", "headings"]))).sort("variant")
    assert repr(in_order) in first.texts("stop_reasons")


def test_compare_prompts_gives_the_advice_that_its_differences_support(first):
    run = open_run(first.run)
    measured = add_costs(measure_kept(measure_answers(load_answers(run), prompts=run.read_prompts())))
    measured = measured.with_columns(truncated=pl.col("stop") == "length")
    base = run.read_prompts()[0].name
    advice = advise(compare_variants(measured, choose_metrics(measured), baseline=base))
    assert all(escape(sentence) in first.page("compare_prompts") for sentence in (advice.sentence, *advice.reasons))


@pytest.mark.parametrize(("step", "plots"), [("prepare", 1), ("costs", 2), ("stop_reasons", 3), ("compare_prompts", 2)])
def test_a_plot_is_shown_once(first, step, plots):
    assert sum("image/png" in output.get("data", {}) for output in first.shown[step]) == plots


def test_a_second_run_leaves_the_same_files(first, second):
    assert second.files == first.files


@each_step
def test_a_second_run_shows_the_same(first, second, step):
    assert second.shown[step] == first.shown[step]


@pytest.fixture
def compare(account, make_run, make_prompt, answer_by_hand, make_answer, tmp_path):
    """Execute `compare_prompts` on 12 calls that were answered by hand, by the name of the prompt; give its page."""

    def execute(texts, **parameters):
        run = make_run(12, *(make_prompt(name) for name in texts))
        variants = run.read_records()["variant"].to_list()
        answer_by_hand(run, lambda number: make_answer(texts[variants[number]]))
        collect(run)
        values = {"run_folder": str(run.folder), **parameters}
        return read_page(read_outputs(run_notebook(FOLDER / "compare_prompts.ipynb", values, tmp_path / "copies")))

    return execute


def test_one_prompt_is_compared_with_nothing_and_the_page_says_so(compare):
    page = compare({"short": "20 euros."})
    assert "There is nothing to compare: that takes answers of two prompts to the same calls." in page
    assert "no answer" not in page


def test_answers_that_differ_stand_side_by_side_and_hostile_ones_are_escaped(compare):
    page = compare(
        {"short": "Wants 20 euros.", "long": "<script>alert(1)</script> Wants $50 and $60."}, baseline="short"
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert 'title="not in the call">$50</mark>' in page
    assert "call c0 (answers with unsupported claims, gained)" in page
    # 12 calls have two amounts that none of them says.
    assert re.search(r"answers with unsupported claims</td>\s*<td[^>]*>100\.0 %</td>\s*<td[^>]*>short: 0\.0 %", page)
    assert page.count("<strong>long</strong>") == 10


def test_calls_whose_table_has_columns_of_measures_are_compared(account, make_calls, make_prompt, tmp_path):
    names = ["price_usd", "cost_usd", "kept_all", "truncated", "words", "answered"]
    calls = make_calls(3).with_columns(pl.lit("x").alias(name) for name in names)
    run = prepare(calls, [make_prompt("a"), make_prompt("b", max_tokens=5)], into=tmp_path / "runs", name="demo")
    invoke(run)
    collect(run)
    values = {"run_folder": str(run.folder)}
    page = read_page(read_outputs(run_notebook(FOLDER / "compare_prompts.ipynb", values, tmp_path / "copies")))
    assert "answers cut off" in page


def test_as_many_pairs_are_shown_as_were_asked_for(compare):
    page = compare({"a": "Wants 20 euros.", "b": "Wants money."}, pairs_shown=3)
    assert page.count("<strong>call ") == 3


def test_rate_shows_the_first_calls_on_paper_and_writes_nothing_by_itself(first, tmp_path):
    values = {"run_folder": str(first.run), "pair": ["paragraph", "headings"]}
    outputs = read_outputs(run_notebook(FOLDER / "rate.ipynb", values, tmp_path / "copies"))
    page = read_page(outputs)
    assert page.count("<strong>call ") == 3
    assert "and 47 other calls" not in page
    assert "Nobody has rated an answer of this run yet." in page
    widgets = [output for output in outputs if "application/vnd.jupyter.widget-view+json" in output.get("data", {})]
    assert len(widgets) == 2
    assert not (first.run / "ratings").exists()


@each_notebook
def test_papermill_sees_every_parameter(path):
    (cell,) = (cell for cell in read_code(path) if "parameters" in cell.metadata.get("tags", []))
    assert set(papermill.inspect_notebook(path)) == {line.target.id for line in ast.parse(cell.source).body}


@each_notebook
def test_every_parameter_has_a_type_a_default_and_a_comment(path):
    for name, parameter in papermill.inspect_notebook(path).items():
        assert parameter["inferred_type_name"] in {"str", "int", "float", "bool", "list", "dict"}, name
        assert parameter["default"] != "None", name
        assert parameter["help"], name


@each_notebook
def test_a_notebook_begins_with_a_title_then_parameters_then_imports_that_end_in_their_check(path):
    title, parameters, imports, *_ = nbformat.read(path, as_version=4).cells
    assert (title.cell_type, title.source[:2]) == ("markdown", "# ")
    assert parameters.metadata["tags"] == ["parameters"]
    *lines, last = ast.parse(imports.source).body
    assert {type(line) for line in lines} <= {ast.Import, ast.ImportFrom}
    assert ast.unparse(last) == "check_parameters()"


@each_notebook
def test_a_notebook_defines_nothing_catches_nothing_and_polls_nothing(path):
    banned = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.While)
    nodes = [node for cell in read_code(path) for node in ast.walk(ast.parse(cell.source))]
    assert [type(node).__name__ for node in nodes if isinstance(node, banned)] == []


@each_notebook
def test_a_notebook_imports_only_public_names(path):
    nodes = [node for cell in read_code(path) for node in ast.walk(ast.parse(cell.source))]
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert {name for name in modules if name.split(".")[0] == "analysis"} <= {
        "analysis",
        "analysis.plots",
        "analysis.spark",
        "analysis.widgets",
    }


@each_notebook
def test_a_cell_is_short(path):
    for cell in [cell for cell in read_code(path) if "parameters" not in cell.metadata.get("tags", [])]:
        lines = ast.parse(cell.source).body
        working = [line for line in lines if not isinstance(line, ast.Import | ast.ImportFrom)]
        assert sum(line.end_lineno - line.lineno + 1 for line in working) <= MOST_LINES, cell.source


@each_notebook
def test_no_semicolon_hides_the_result_of_a_cell(path):
    for cell in read_code(path):
        tokens = tokenize.generate_tokens(StringIO(cell.source).readline)
        assert ";" not in [token.string for token in tokens], cell.source


@each_notebook
def test_the_emulator_is_known_only_as_a_profile(path):
    assert "bedrock_local" not in path.read_text(encoding="utf-8").lower()


@each_notebook
def test_no_folder_of_a_machine_is_named(path):
    text = path.read_text(encoding="utf-8")
    assert [place for place in ("/home/", "/root/", "/tmp/", "/Users/", "C:\\") if place in text] == []


@each_notebook
def test_nothing_of_an_execution_but_its_outputs_is_kept(path):
    notebook = nbformat.read(path, as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert set(notebook.metadata["language_info"]) == {"name"}
    assert {name for cell in notebook.cells for name in cell.metadata} == {"tags"}


@each_notebook
def test_only_the_tour_is_committed_with_outputs(path):
    counts = [cell.execution_count for cell in read_code(path)]
    if path.stem == "tour":
        assert counts == list(range(1, len(counts) + 1))
    else:
        assert counts == [None] * len(counts)
        assert not any(cell.outputs for cell in read_code(path))
