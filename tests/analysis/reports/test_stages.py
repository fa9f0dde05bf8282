import json
import os
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from analysis import collect, invoke, load_jobs, load_manifests, open_run, prepare, submit
from analysis.display import usd
from analysis.errors import NotebookError
from analysis.reports.front_page import compute_findings, write_index
from analysis.reports.notebooks import find_notebooks
from analysis.reports.parameters import list_parameters
from analysis.reports.stages import STAGES, Stage, is_done, relative_to_notebooks, run_stages
from bedrock_local import Settings
from bedrock_local.settings import write_settings

pytestmark = pytest.mark.whole

OPUS = "anthropic.claude-3-opus-20240229-v1:0"  # has no price in facts/prices.csv


@pytest.fixture(scope="module")
def small(account, make_calls, make_prompt, tmp_path_factory):
    """A run of 12 calls that was answered and collected, and a report whose pages are empty files."""
    root = tmp_path_factory.mktemp("small")
    run = prepare(make_calls(12), make_prompt(), into=root / "runs", name="demo")
    invoke(run)
    collect(run)
    (root / "report").mkdir()
    for stage in STAGES:
        (root / "report" / f"{stage.name}.html").touch()
    return root


@pytest.fixture
def copy(small, tmp_path):
    """A copy of the small report and its run, to be damaged."""
    shutil.copytree(small, tmp_path / "copy")
    return tmp_path / "copy"


def list_done(root):
    return [stage.name for stage in STAGES if is_done(stage, root / "runs" / "demo", root / "report", {})]


def write_text_of(run, folder):
    folder.mkdir()
    return write_index(compute_findings(run), folder).read_text(encoding="utf-8")


def test_no_transcript_is_in_the_ledger_or_the_request(small):
    for name in ("ledger.jsonl", "run.json"):
        assert "down since Monday" not in (small / "runs" / "demo" / name).read_text(encoding="utf-8")


def test_what_is_done_is_not_done_again(small):
    said = []
    assert run_stages(small / "runs" / "demo", {}, small / "report", echo=said.append)
    assert [line.endswith(": already done") for line in said] == [True] * len(STAGES)


def test_the_page_that_a_killed_process_began_is_deleted(copy):
    begun = copy / "report" / ".costs.html.abandoned.part"
    begun.touch()
    os.utime(begun, (0, 0))
    run_stages(copy / "runs" / "demo", {}, copy / "report", echo=list)
    assert not begun.exists()


def test_a_missing_page_is_written_again_and_nothing_else(copy, choose_parameters):
    (copy / "report" / "stop_reasons.html").unlink()
    values = choose_parameters(copy / "runs" / "demo", "not read", "not read")
    said = []
    assert run_stages(copy / "runs" / "demo", values, copy / "report", echo=said.append)
    done = [f"[{number}/6] {stage.name}: already done" for number, stage in enumerate(STAGES, 1)]
    assert said == [*done[:4], "[5/6] stop_reasons", done[5]]
    assert (copy / "report" / "stop_reasons.html").stat().st_size


@pytest.mark.parametrize(
    ("lost", "done"),
    [
        ("report/prepare.html", ["submit", "collect", "costs", "stop_reasons", "compare_prompts"]),
        ("runs/demo/run.json", []),
        (
            "runs/demo/output/on-demand/job01-00000.jsonl.out",
            ["prepare", "collect", "costs", "stop_reasons", "compare_prompts"],
        ),
        ("report/costs.html", ["prepare", "submit", "collect", "stop_reasons", "compare_prompts"]),
    ],
)
def test_a_stage_is_not_done_without_its_page_and_what_it_writes(copy, lost, done):
    (copy / lost).unlink()
    assert list_done(copy) == done


def test_answers_that_came_after_collecting_are_collected_again(copy):
    (output,) = (copy / "runs" / "demo" / "output").rglob("*.out")
    os.utime(output, (2e9, 2e9))
    assert list_done(copy) == ["prepare", "submit", "costs", "stop_reasons", "compare_prompts"]


def test_pages_of_findings_are_outdated_after_collecting_again(copy):
    os.utime(copy / "runs" / "demo" / "manifests.parquet", (2e9, 2e9))
    assert list_done(copy) == ["prepare", "submit", "collect"]


@pytest.mark.parametrize("file", ["demo/ratings/ada.parquet", "demo-judge-001/manifests.parquet"])
def test_the_page_of_the_comparison_is_outdated_after_judging_and_rating(copy, file):
    judge = copy / "runs" / "demo-judge-001"
    shutil.copytree(copy / "runs" / "demo", judge)
    later = copy / "runs" / file
    later.parent.mkdir(exist_ok=True)
    later.touch()
    os.utime(later, (1e9, 1e9))
    assert list_done(copy)[-1] == "compare_prompts"
    os.utime(later, (2e9, 2e9))
    assert list_done(copy)[-1] == "stop_reasons"


@pytest.fixture
def go_on(choose_parameters, tmp_path):
    """Run the stages after `prepare`, which another kernel has done."""

    def run_the_rest(run, **options):
        (tmp_path / "report").mkdir()
        (tmp_path / "report" / "prepare.html").touch()
        values = choose_parameters(run.folder, "not read", "not read", **options)
        said = []
        return run_stages(run.folder, values, tmp_path / "report", echo=said.append), said

    return run_the_rest


def test_a_report_waits_for_jobs_that_run(go_on, make_run, make_prompt, tmp_path, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "account"))
    (tmp_path / "account").mkdir()
    write_settings(tmp_path / "account", Settings(seconds={"Submitted": 3600}))
    run = make_run(100, make_prompt())
    is_complete, said = go_on(run, wait_hours=0.0)
    assert (is_complete, said) == (False, ["[1/6] prepare: already done", "[2/6] submit"])
    assert load_jobs(run)["status"].to_list() == ["Submitted"]


def test_records_refused_on_demand_are_not_waited_for(go_on, make_run, make_prompt, monkeypatch):
    monkeypatch.setattr("analysis.reports.stages.STAGES", STAGES[:2])
    run = make_run(2, make_prompt(additional_fields={"colour": "blue"}))
    assert go_on(run, on_demand=True) == (True, ["[1/2] prepare: already done", "[2/2] submit"])


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_sets_parameters_that_its_notebook_has(stage):
    assert {*stage.parameters, *stage.choices} <= set(list_parameters(find_notebooks() / f"{stage.name}.ipynb"))


def test_a_further_stage_needs_its_notebook_and_one_declaration(copy, choose_parameters, monkeypatch):
    notebooks = copy / "notebooks"
    shutil.copytree(find_notebooks(), notebooks)
    shutil.copy(notebooks / "costs.ipynb", notebooks / "twice.ipynb")
    monkeypatch.chdir(copy)
    stages = (*STAGES, Stage("twice", "The same costs"))
    monkeypatch.setattr("analysis.reports.stages.STAGES", stages)
    run = open_run(copy / "runs" / "demo")
    assert run_stages(run.folder, choose_parameters(run.folder, "not read", "not read"), copy / "report")
    page = write_index(compute_findings(run), copy / "report").read_text(encoding="utf-8")
    assert '<a href="twice.html">The same costs</a>' in page


def test_a_parameter_that_no_stage_takes_is_refused(small):
    with pytest.raises(NotebookError, match=r"no stage takes a parameter 'budget'; there are .*budget_usd"):
        run_stages(small / "runs" / "demo", {"budget": 1}, small / "report")


def test_paths_are_written_as_the_notebooks_see_them(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "prepare.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    assert relative_to_notebooks("runs/demo") == "../runs/demo"
    assert relative_to_notebooks("s3://bucket/calls/") == "s3://bucket/calls/"


@pytest.fixture
def priced(make_run, make_prompt, make_answer, answer_by_hand, tmp_path):
    """10 calls, each answered for 1 USD of input and 0.5 USD of output (on demand, Haiku 4.5), 2 cut off."""
    run = make_run(10, make_prompt())
    stops = ["max_tokens"] * 2 + ["end_turn"] * 8
    answer_by_hand(run, lambda number: make_answer("A refund.", stops[number], 1_000_000, 100_000))
    collect(run)
    return write_text_of(run, tmp_path / "report")


@pytest.mark.parametrize(
    "finding",
    [
        "Total cost <b>15.00 USD</b>",
        # A million tokens of input for 0.5 USD and 100,000 of output for 0.25 in a batch job.
        '<span class="number">750.00 USD</span><small class="number">750.00 to 750.00</small>',
        '<span class="number">20 %</span><small class="number">5.7 to 51 %</small>',  # Wilson's interval of 2 in 10
        "<b>short</b>: 1,000 calls cost 750.00 USD, 100 % answered, 20 % cut off.",
        "<b>short</b>: 20 % of the answers are cut off at 1,024 tokens; ask with at least",
        "Records without an answer <b>0</b>",
        "10 records prepared = 10 answered + 0 failed + 0 missing.",
        "<td>3.00 USD</td></tr>",  # spent on the two that were cut off
    ],
)
def test_the_first_page_says_what_matters(priced, finding):
    assert finding in priced


def test_the_first_page_counts_failures_and_names_their_cause(
    make_run, make_prompt, make_answer, answer_by_hand, tmp_path
):
    run = make_run(4, make_prompt())
    error = {"error": {"errorCode": 400, "errorMessage": "<script>alert(1)</script>"}}
    answer_by_hand(run, lambda number: error if number else make_answer())
    collect(run)
    text = write_text_of(run, tmp_path / "report")
    assert 'Records without an answer <b class="bad">3</b>' in text
    assert '<td>400</td><td class="text">&lt;script&gt;alert(1)&lt;/script&gt;</td><td>3</td>' in text


def test_the_first_page_counts_records_that_did_not_come_back(
    make_run, make_prompt, make_answer, answer_by_hand, tmp_path
):
    run = make_run(4, make_prompt())
    answer_by_hand(run, lambda _: make_answer())
    (output,) = (run.folder / "output").rglob("*.out")
    output.write_bytes(b"".join(output.read_bytes().splitlines(keepends=True)[:3]))
    collect(run)
    assert "0 failed, 1 missing of 4" in write_text_of(run, tmp_path / "report")


def test_a_model_without_a_price_is_named_once_and_its_cost_is_not_0(
    make_run, make_prompt, make_answer, answer_by_hand, tmp_path
):
    run = make_run(5, make_prompt(), make_prompt("opus", OPUS))
    answer_by_hand(run, lambda _: make_answer("A refund.", "end_turn", 1_000_000, 100_000))
    collect(run)
    text = write_text_of(run, tmp_path / "report")
    assert text.count("No price is known for") == text.count(f"No price is known for {OPUS}") == 1
    assert 'Total cost <b>7.50 USD</b>\n    <span class="soft">at least: the cost of 5 answers is not known' in text
    assert "<td>500,000</td><td>unknown</td>" in text
    assert '<span class="number">750.00 USD</span>' in text
    assert f"<small>{OPUS}" in text


def test_answers_that_used_a_cache_are_named(make_run, make_prompt, make_answer, answer_by_hand, tmp_path):
    run = make_run(2, make_prompt())
    answer = make_answer()
    answer["modelOutput"]["usage"] |= {"cache_read_input_tokens": 7}
    answer_by_hand(run, lambda _: answer)
    collect(run)
    text = write_text_of(run, tmp_path / "report")
    assert "2 answers of global.anthropic.claude-haiku-4-5-20251001-v1:0 used a cache" in text
    assert "No price is known" not in text


def test_answers_without_token_counts_are_counted(make_run, make_prompt, answer_by_hand, tmp_path):
    run = make_run(2, make_prompt("mistral", "mistral.mistral-small-2402-v1:0"), make_prompt("short"))
    silent = {"content": [{"type": "text", "text": "A refund."}], "role": "assistant", "stop_reason": "end_turn"}
    answer_by_hand(run, lambda _: {"modelOutput": silent})
    collect(run)
    text = write_text_of(run, tmp_path / "report")
    assert "at least: the cost of 2 answers is not known; 2 answers have no token counts" in " ".join(text.split())
    assert "No price is known for mistral.mistral-small-2402-v1:0" in text


def test_a_run_without_any_output_has_a_first_page(make_run, make_prompt, answer_by_hand, tmp_path):
    run = make_run(4, make_prompt())
    answer_by_hand(run, lambda _: {})
    shutil.rmtree(run.folder / "output")
    collect(run)
    text = write_text_of(run, tmp_path / "report")
    assert "4 records prepared = 0 answered + 0 failed + 4 missing." in text
    assert "Total cost <b>unknown</b>" in text


def write_faulty(faults, run, tmp_path):
    """Write the first page of a run on an account with faults."""
    (tmp_path / "account").mkdir()
    write_settings(tmp_path / "account", Settings(faults=faults))
    submit(run, pause_s=0)
    collect(run)
    return " ".join(write_text_of(run, tmp_path / "report").split())


@pytest.fixture
def own_account(tmp_path, monkeypatch):
    """An account of its own for a test that sets faults."""
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "account"))


def test_a_run_of_which_nothing_was_answered_says_so(own_account, make_run, make_prompt, tmp_path):
    text = write_faulty({"record-500": 1}, make_run(100, make_prompt()), tmp_path)
    for finding in (
        'Total cost <b>unknown</b> <span class="soft">no answer came back</span>',
        '<p class="verdict"><b>short</b>: 0 % answered.</p>',
        "<p>No answer came back.</p>",
        "<td>short</td><td>0</td><td>100</td>",
    ):
        assert finding in text
    assert "USD</span>" not in text


@pytest.mark.parametrize("fault", ["line-unreadable", "record-lost"])
def test_what_was_paid_for_lost_answers_is_in_the_total(own_account, make_run, make_prompt, tmp_path, fault):
    run = make_run(100, make_prompt())
    text = write_faulty({fault: 1}, run, tmp_path)
    tokens = load_manifests(run.folder / "output").row(0, named=True)
    cost = usd((tokens["input_tokens"] * 0.5 + tokens["output_tokens"] * 2.5) / 1e6)
    paid = f"{cost} of it for 100 answers that Bedrock counts and whose lines are lost"
    assert f'Total cost <b>{cost}</b> <span class="soft">at least; {paid}' in text
    assert "<p>No answer came back.</p>" in text
    assert "USD</span>" not in text


def test_each_variant_counts_its_records_and_not_its_lines(own_account, make_run, make_prompt, tmp_path):
    run = make_run(100, make_prompt(), make_prompt("other", max_tokens=50))
    text = write_faulty({"record-repeated": 1, "job-stopped": 1}, run, tmp_path)
    rows = re.findall(r"<td>(?:short|other)</td><td>(\d+)</td><td>(\d+)</td>", text)
    assert [sum(int(count) for count in column) for column in zip(*rows, strict=True)] == [100, 100]
    assert "100 calls, 2 variants, 200 records" in text


def test_unreadable_lines_are_not_a_variant(own_account, make_run, make_prompt, tmp_path):
    assert "no variant known" not in write_faulty({"line-unreadable": 0.1}, make_run(100, make_prompt()), tmp_path)


def test_a_small_cost_is_not_written_as_nothing(make_run, make_prompt, make_answer, answer_by_hand, tmp_path):
    run = make_run(1, make_prompt())
    answer_by_hand(run, lambda _: make_answer("Yes.", "end_turn", 1_000, 200))  # on demand 1 USD and 5 USD per million
    collect(run)
    text = write_text_of(run, tmp_path / "report")
    assert "Total cost <b>0.0020 USD</b>" in text
    assert "1 call, 1 variant, 1 record ·" in text


def test_the_first_page_of_an_ordinary_run_has_no_notices(priced):
    assert '<ul class="notices">' not in priced


def test_the_first_page_shows_the_notices(own_account, make_run, make_prompt, tmp_path):
    text = write_faulty({"job-stopped": 1, "manifest-missing": 1}, make_run(100, make_prompt()), tmp_path)
    assert "<li>job01 ended Stopped after 50 of 100 records." in text
    assert "<li>Bedrock wrote no manifest for job01: the counts are those of its lines.</li>" in text
    assert "have the same counts" not in text


def test_a_report_is_written_after_a_job_failed_for_good(
    own_account, go_on, make_run, make_prompt, tmp_path, monkeypatch
):
    monkeypatch.setattr("analysis.reports.stages.STAGES", STAGES[:3])
    (tmp_path / "account").mkdir()
    write_settings(tmp_path / "account", Settings(faults={"job-failed": 1}))
    run = make_run(100, make_prompt())
    assert go_on(run)[0]
    assert "50 of its 100 records have no answer" in (tmp_path / "report" / "collect.html").read_text(encoding="utf-8")


def test_the_manifests_are_compared_with_the_lines(make_run, make_prompt, tmp_path):
    run = make_run(100, make_prompt())
    submit(run, pause_s=0)
    collect(run)
    assert "Bedrock's manifests have the same counts." in write_text_of(run, tmp_path / "report")
    manifests = pl.read_parquet(run.folder / "manifests.parquet")
    manifests.with_columns(success_records=pl.lit(99, pl.Int64)).write_parquet(run.folder / "manifests.parquet")
    text = write_text_of(run, tmp_path / "again")
    assert "Bedrock&#39;s manifest of job01 counts 99 answers and 0 errors, but its lines are 100 answers" in text
    assert "have the same counts" not in text


def test_the_first_page_names_no_folder_and_no_network(priced):
    assert str(Path.home()) not in priced
    assert "http" not in priced.replace('http-equiv="Content-Security-Policy"', "")


def test_a_page_that_was_made_by_other_choices_is_outdated(copy):
    report, stage = copy / "report", STAGES[-1]
    made = {"metadata": {"papermill": {"parameters": {"baseline": "a", "margin_points": 2.0}}}}
    (report / "compare_prompts.ipynb").write_text(json.dumps(made))
    (report / "compare_prompts.html").touch()

    def is_done_by(**values):
        return is_done(stage, copy / "runs" / "demo", report, values)

    assert is_done_by(baseline="a", margin_points=2.0)
    assert not is_done_by(baseline="b", margin_points=2.0)
    assert not is_done_by(baseline="a", margin_points=2.0, cluster="agent")
    os.utime(report / "compare_prompts.ipynb", (2e9, 2e9))  # executed again, and its page not written
    assert not is_done_by(baseline="a", margin_points=2.0)
