import json
import re
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import collect, invoke, load_answers, measure_run, prepare, read_json_answers, submit
from analysis import make_calls as make_synthetic_calls
from analysis.display import MISSING
from analysis.reports.answering import describe_answering
from analysis.reports.front_page import compute_findings, mark_names, write_index
from analysis.reports.sample import measure_sample
from analysis.reports.wordings import list_wordings
from analysis.runs.costs import find_run_prices

ROOT = Path(__file__).parents[3]
HOSTILE = "<script>alert(1)</script> \u202e$20 and $30"


def read_page(run, folder):
    folder.mkdir(exist_ok=True)
    return " ".join(write_index(compute_findings(run), folder).read_text(encoding="utf-8").split())


def show_text(page):
    """The text of a page, without its tags."""
    return " ".join(re.sub("<[^>]*>", " ", page.partition("</style>")[2]).split())


@pytest.fixture
def two(account, make_calls, make_prompt, make_answer, answer_by_hand, tmp_path):
    """300 calls and two prompts: `headings` is cut off in half of its answers and is dearer, `short` never."""

    def answer_variant(run):
        asked = run.read_records().sort("job_key", "file", "line")["variant"].to_list()

        def answer(number):
            if asked[number] == "short":
                return make_answer("A refund of 20 euros.", "end_turn", 1000, 100)
            return make_answer(
                "Reason: a refund of 20 euros.", "max_tokens" if number // 2 % 2 else "end_turn", 1000, 200
            )

        answer_by_hand(run, answer)

    def make(*prompts, name="demo", calls=300):
        run = prepare(make_calls(calls), prompts, into=tmp_path / "runs", name=name)
        answer_variant(run)
        collect(run)
        return run

    return make


@pytest.fixture
def compared(two, make_prompt, tmp_path):
    return read_page(two(make_prompt("headings", max_tokens=200), make_prompt()), tmp_path / "report")


@pytest.mark.parametrize(
    "said",
    [
        # (1,000 x 0.5 + 100 x 2.5) / (1,000 x 0.5 + 200 x 2.5) = 0.75
        '<p class="verdict">Take <b>short</b>: it costs 25 % less than <b>headings</b>',
        "<li><b>headings</b>: half of the answers are cut off at 200 tokens; ask with at least 400.",
        '<td class="bad" data-name="cut off"><span class="number">50 %</span>',
        '<td class="good" data-name="cut off"><span class="number">0 %</span>',
        '<tr class="chosen"><td><b>short</b>',
        '<b class="better">better</b>: 25 % less, 25 to 25',
        "<h3>Cut off</h3>",
    ],
)
def test_the_first_page_decides_and_says_what_is_bad(compared, said):
    assert said in compared


@pytest.mark.parametrize(
    "row", ["<tr[^>]*><td><b>{}</b>", "<summary><b>{}</b>", "<div><b>{}</b>", "<tr><td>{}</td><td>"]
)
def test_variants_stand_in_the_order_in_which_they_were_asked(compared, row):
    found = re.findall(row.format("(headings|short)"), compared)
    assert found == ["headings", "short"]


def test_one_variant_has_a_page_without_a_comparison(two, make_prompt, tmp_path):
    page = read_page(two(make_prompt()), tmp_path / "report")
    assert '<p class="verdict"><b>short</b>: 1,000 calls cost 0.75 USD, 100 % answered, 0 % cut off.</p>' in page
    assert "How sure that is" not in page


def test_what_others_wrote_is_escaped(account, make_calls, make_prompt, make_answer, answer_by_hand, tmp_path):
    prompts = [make_prompt("one", system=HOSTILE), make_prompt("two", stop_sequences=(HOSTILE,))]
    calls = make_calls(9, f"Agent: {HOSTILE}. Call {{}}.").with_columns(call_id=pl.format("c{}" + HOSTILE, "call_id"))
    run = prepare(calls, prompts, into=tmp_path / "runs", name="demo")
    error = {"error": {"errorCode": 400, "errorMessage": HOSTILE}}
    answer_by_hand(run, lambda number: error if number % 3 == 0 else make_answer(HOSTILE + "word " * number))
    collect(run)
    page = read_page(run, tmp_path / "report")
    assert "<script" not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; \\u202e$20 and $30") > 9


def test_names_between_backticks_are_marked_and_escaped():
    assert mark_names("Take `a<b`.") == "Take <b>a&lt;b</b>."


@pytest.mark.parametrize(
    ("answering", "said"),
    [
        ({"responder": "extract"}, "which picks sentences from each call"),
        ({"responder": "endpoint", "model": "qwen<3"}, "Answered by the model qwen<3 of your own, behind the emulator"),
        ({"responder": "endpoint"}, "Answered by a model of your own, behind the emulator"),
        ({"responder": "recorded"}, "with answers that were recorded before"),
        ({"responder": "worker"}, "Answered by the emulator, not by the models named below."),
        ({}, "Answered by the emulator, not by the models named below."),
        ({"responder": "extract", "faults": {"record-429": 0.02}}, "Faults were injected on purpose"),
    ],
)
def test_the_page_says_who_answered(two, make_prompt, answering, said):
    run = two(make_prompt(), calls=2)
    run.ledger.append("sending", invocation="on_demand", profile="emulator", region="", answering=answering)
    told = " ".join(describe_answering(run))
    assert said in told
    assert ("picks sentences" in told) is (answering.get("responder") == "extract")
    assert ("2 % errors 429" in told) is ("faults" in answering)


def test_bedrock_needs_no_word_on_who_answered(two, make_prompt):
    run = two(make_prompt(), calls=2)
    run.ledger.append("sending", invocation="batch", profile="analytics", region="", account="123456789012")
    assert describe_answering(run) == []


def test_an_emulator_behind_a_server_is_one_too(two, make_prompt):
    run = two(make_prompt(), calls=2)
    run.ledger.append("sending", invocation="batch", profile="local", region="", account="emulator:abc")
    assert describe_answering(run)[0] == "Answered by the emulator, not by the models named below."


def test_a_large_run_is_measured_on_calls_picked_at_random(two, make_prompt, tmp_path, monkeypatch):
    run = two(make_prompt("headings"), make_prompt(), calls=300)
    sample = measure_sample(run, find_run_prices(run), most=200)
    assert (sample.calls, sample.all_calls, len(sample.answers)) == (100, 300, 200)
    monkeypatch.setattr("analysis.reports.sample.measure_sample.__kwdefaults__", {"most": 200})
    page = read_page(run, tmp_path / "report")
    assert "were measured on 100 calls, picked at random from 300." in page
    assert "300 calls, 2 variants, 600 records" in page


def test_the_wordings_are_compared_with_those_of_the_round_before(two, make_prompt, tmp_path):
    two(make_prompt("headings", max_tokens=200), make_prompt(), name="tune-002", calls=5)
    two(make_prompt("headings"), make_prompt(), name="tune-010", calls=5)  # later, though not by its letters
    changed = make_prompt("headings", max_tokens=400, system="Be brief.")
    run = two(changed, make_prompt(), make_prompt("other"), name="tune-009", calls=5)
    page = read_page(run, tmp_path / "report")
    assert "<b>headings</b> · changed since tune-002: the wording, max_tokens 200 → 400" in page
    assert "<ins>Be brief.</ins>" in page
    assert "<b>short</b> · as in tune-002" in page
    assert "<b>other</b> · new since tune-002" in page
    assert "<details open><summary><b>headings</b>" in page
    assert page.count("<details open>") == 1


def test_the_page_of_all_runs_is_linked_though_it_is_written_last(compared):
    assert '<a href="../index.html">All runs</a>' in compared


def test_a_run_without_rounds_before_says_nothing_of_changes(compared):
    assert "<h2>What was asked</h2>" in compared
    assert "<ins>" not in compared


@pytest.mark.parametrize(("region", "is_said"), [("us-west-2", True), ("", False)])
def test_regions_are_said_where_there_are_several(account, make_calls, make_prompt, tmp_path, region, is_said):
    prompts = [make_prompt(), make_prompt("other", region=region)]
    run = prepare(make_calls(3), prompts, into=tmp_path / "runs", name="demo")
    invoke(run)
    collect(run)
    shown = show_text(read_page(run, tmp_path / "report"))
    assert ("Region invocation type" in shown) is is_said
    assert ("of other in us-west-2 on_demand" in shown) is is_said


def test_the_page_says_from_where_answers_were_taken(two, make_prompt, tmp_path):
    run = two(make_prompt(), calls=4)
    (part,) = run.list_parts()
    taken = (
        pl.read_parquet(part)
        .with_row_index()
        .with_columns(taken_from=pl.when(pl.col("index") < 3).then(pl.lit("tune-001")))
    )
    taken.drop("index").write_parquet(part)
    said = "3 records of 4 were answered before (3 in tune-001) and taken over from there; 1 was sent."
    assert said in read_page(run, tmp_path / "report")


def test_failed_records_stand_out_where_they_are(
    account, make_calls, make_prompt, make_answer, answer_by_hand, tmp_path
):
    run = prepare(make_calls(4), [make_prompt()], into=tmp_path / "runs", name="demo")
    error = {"error": {"errorCode": 429, "errorMessage": "Too many requests"}}
    answer_by_hand(run, lambda number: make_answer() if number else error)
    collect(run)
    page = read_page(run, tmp_path / "report")
    assert '<td class="bad" data-name="answered"><span class="number">75 %</span>' in page
    assert "Without an answer: 1 failed of <b>short</b>. <b>batchbook repair demo</b> asks again." in page


def test_answers_not_as_expected_are_named(account, make_calls, make_prompt, make_answer, answer_by_hand, tmp_path):
    prompt = make_prompt(expects={"headings": ["Reason", "Outcome"]})
    run = prepare(make_calls(4), [prompt], into=tmp_path / "runs", name="demo")
    answer_by_hand(run, lambda number: make_answer("Reason: a.\nOutcome: b." if number else "Reason: a."))
    collect(run)
    said = show_text(read_page(run, tmp_path / "report"))
    assert "1 of 4 answers are not as the prompt expects; 1 without &#39;Outcome&#39;." in said


GOOD = '{"reason": "fee", "urgent": true}'


def test_valid_json_is_a_row_of_its_own(account, make_calls, make_prompt, make_answer, answer_by_hand, tmp_path):
    fields = {"reason": {"type": "string"}, "urgent": {"type": "boolean"}}
    schema = {"type": "object", "properties": fields, "required": ["reason", "urgent"]}
    prompts = [make_prompt("json", schema=schema, schema_by="words"), make_prompt("plain")]
    run = prepare(make_calls(5), prompts, into=tmp_path / "runs", name="demo")
    # Of each five: two are valid, one of them in a fence; one has another type, one no JSON, one no words.
    texts = [GOOD, f"```json\n{GOOD}\n```", GOOD.replace("true", '"true"'), "A fee.", ""]
    answer_by_hand(run, lambda number: make_answer(texts[number % 5]))
    collect(run)
    rows = {row["prompt"].name: row["cells"]["valid_json"] for row in compute_findings(run)["rows"]}
    assert rows["json"].text == "40 %"
    assert rows["json"].state == "bad"
    assert rows["json"].note == "2 no valid JSON object"
    assert rows["plain"].text == MISSING
    read = read_json_answers(load_answers(run).filter(variant="json"), schema)
    assert read["json_error"].to_list().count(None) == 2
    page = read_page(run, tmp_path / "report")
    assert '<td class="bad" data-name="valid JSON"><span class="number">40 %</span>' in page


def test_without_a_schema_there_is_no_row_of_valid_json(two, make_prompt, tmp_path):
    assert "valid JSON" not in read_page(two(make_prompt(), calls=2), tmp_path / "report")


def test_the_responder_is_written_down_when_the_run_is_sent(make_run, make_prompt, account):
    run = make_run(2, make_prompt())
    invoke(run)
    assert run.read_sending()["answering"] == {"responder": "extract", "model": "", "faults": {}}
    assert json.dumps(run.read_sent())  # what says where it was sent stays as it was


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """What `make run` does, on a third of its calls and without notebooks."""
    root = tmp_path_factory.mktemp("story")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (root / "account").mkdir()
    (root / "account" / "settings.json").write_text(re.search("^FAULTS = (.*)$", makefile, re.MULTILINE)[1])
    places = re.search("^STORY = (.*)$", makefile, re.MULTILINE)[1].split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(root / "account"))
        run = prepare(make_synthetic_calls(400), [ROOT / place for place in places], into=root / "runs", name="sample")
        submit(run, pause_s=0)
        collect(run)
        return compute_findings(run)


def test_the_sample_run_has_a_verdict(story):
    assert story["decision"].advice.variant == "facts"
    assert story["decision"].advice.sentence.startswith("Take `facts`: it costs ")


def test_the_sample_run_has_something_of_each_kind(story):
    verdicts = {(row["variant"], row["metric"]): row["verdict"] for row in story["decision"].comparisons.to_dicts()}
    assert verdicts["short", "price_usd"] == "better"
    assert verdicts["facts", "kept_all"] == "better"
    assert verdicts["headings", "truncated"] == "worse"
    assert story["records"]["failed"]
    labels = {part["label"] for row in story["stops"] for part in row["parts"]}
    assert labels == {"ended by itself", "cut off", "refused", "no answer"}


def test_the_sample_run_says_what_was_injected(story):
    assert story["answering"][-1].endswith("0.5 % errors 429, 0.5 % refusals.")


def test_the_page_measures_answers_as_measure_run_does(two, make_prompt):
    run = two(make_prompt("headings", max_tokens=200), make_prompt(), calls=20)
    sample = measure_sample(run, find_run_prices(run)).answers
    assert_frame_equal(sample, measure_run(run).select(sample.columns))
    assert {"price_usd", "kept_all", "has_unsupported", "truncated", "as_expected"} <= {*sample.columns}


def test_settings_are_written_as_in_a_header_without_what_is_empty(two, make_prompt):
    expects = {"max_words": 90, "forbidden_openings": ["Sure", "Here is"]}
    run = two(make_prompt(expects=expects, stop_sequences=("END",)), calls=2)
    (wording,) = list_wordings(run)
    assert wording.settings.endswith("stop_sequences: END · expects: max_words 90; forbidden_openings Sure, Here is")
