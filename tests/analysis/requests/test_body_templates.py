"""Lines are made of pieces; each must be what its family writes, encoded whole."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from analysis.errors import PromptError
from analysis.facts.models import find_model
from analysis.facts.quotas import find_quotas
from analysis.families import FAMILIES, find_family, only_read
from analysis.prompts import Prompt
from analysis.requests.body_templates import (
    ColumnCounts,
    ColumnValues,
    RenderedText,
    WholeBody,
    count_columns,
    make_body_template,
)
from analysis.requests.prompt_checks import check_settings
from analysis.requests.records import describe_record, write_records

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
MODELS = {
    "anthropic": HAIKU,
    "nova": "us.amazon.nova-micro-v1:0",
    "openai": "openai.gpt-oss-20b-1:0",
    "mistral_chat": "mistral.pixtral-large-2502-v1:0",
    "jamba": "ai21.jamba-1-5-mini-v1:0",
    "llama": "us.meta.llama4-scout-17b-instruct-v1:0",
    "mistral": "mistral.mistral-7b-instruct-v0:2",
    "titan": "amazon.titan-text-express-v1",
    "cohere_r": "cohere.command-r-v1:0",
    "cohere": "cohere.command-light-text-v14",
    "deepseek_r1": "us.deepseek.r1-v1:0",
    "writer": "us.writer.palmyra-x5-v1:0",
}
PLAIN = [
    "{{ transcript }}",
    'Quote "{{transcript}}" \\ and\tsay\nwhy.\n',
    "{{ mood }}{{ transcript }}{{ mood }}",
    "<|{{ mood }}|>[{{ mood }}] مرحبا {{ seconds }} {{ share }} {{ open }} {{ '{{' }}",
    "{# a note #}{{ transcript -}}   {{ seconds }}",
    "\r\nOne\r{{ transcript }}\r\n",
]
LOGIC = [
    "{{ transcript | upper }}",
    "{% if open %}{{ mood }}{% else %}closed{% endif %}: {{ transcript }}",
    "{% for word in words %}{{ word }}, {% endfor %}{{ words }} {{ day }} {{ transcript }}",
    "{% raw %}{{ transcript }}{% endraw %}{{ transcript * 2 }}",
]
TOKENS = ["<|eot_id|>", "</s>", "[INST]", "<\uff5cUser\uff5c>"]
ODD = [*TOKENS, '"', "\\", "\n", "\r\n", "\x00", "\x1f", "\x7f", "\u2028", "{{"]
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
texts = st.lists(st.sampled_from(ODD) | words, max_size=6).map("".join)
calls = st.fixed_dictionaries(
    {
        "transcript": texts.filter(str.strip) | st.just("yes"),
        "mood": texts,
        "seconds": st.integers(-9, 2**40),
        "share": st.floats(),
        "open": st.booleans(),
        "day": st.dates(),
        "words": st.lists(words, max_size=2),
    }
)
SCHEMA = {
    "transcript": pl.String,
    "mood": pl.String,
    "seconds": pl.Int64,
    "share": pl.Float64,
    "open": pl.Boolean,
    "day": pl.Date,
    "words": pl.List(pl.String),
}


@st.composite
def prompts(draw, number):
    kind = draw(st.sampled_from(["InvokeModel", "Converse"]))
    return Prompt(
        name=f"p{number}",
        model_id=draw(st.sampled_from(sorted(MODELS.values()))) if kind == "InvokeModel" else HAIKU,
        invocation_type=kind,
        template=draw(st.sampled_from(PLAIN + LOGIC)),
        system=draw(texts),
        samples=draw(st.integers(1, 3)),
    )


def number_calls(rows):
    ids = pl.Series("call_id", [f"c{number}" for number in range(len(rows))], dtype=pl.String)
    return pl.DataFrame(rows, SCHEMA).insert_column(0, ids)


def write(frame, variants, into):
    return write_records(frame, variants, into=into, find_quotas=find_quotas).records


def read_lines(into, records):
    return [line for key in records["job_key"].unique(maintain_order=True) for line in read_file(into / key)]


def read_file(job):
    return (job / "00000.jsonl").read_bytes().split(b"\n")[:-1]


@given(st.lists(calls, min_size=1, max_size=4), st.tuples(prompts(1), prompts(2), prompts(3)))
@settings(max_examples=150)
def test_each_line_is_what_the_family_writes_to_the_byte(rows, variants):
    frame = number_calls(rows)
    by_name, by_id = ({p.name: p for p in variants}, {row["call_id"]: row for row in frame.iter_rows(named=True)})
    with TemporaryDirectory() as folder:
        records = write(frame, variants, Path(folder))
        lines = read_lines(Path(folder), records)
    for line, record in zip(lines, records.iter_rows(named=True), strict=True):
        _, tokens, request = describe_record(by_name[record["variant"]], by_id[record["call_id"]])
        whole = {"recordId": record["record_id"], "modelInput": request}
        assert line == msgspec.json.encode(whole)
        assert (record["input_bytes"], record["input_tokens_estimate"]) == (len(line) + 1, tokens)


@given(st.lists(calls, min_size=2, max_size=4), st.tuples(prompts(1), prompts(2)))
@settings(max_examples=60)
def test_every_record_has_an_id_of_its_own_which_it_has_in_any_run(rows, variants):
    assume(structs.replace(variants[0], name="p2", samples=1) != structs.replace(variants[1], samples=1))
    with TemporaryDirectory() as folder:
        some = write(number_calls(rows[:1]), variants[1:], Path(folder, "some"))
        every = write(number_calls(rows), variants, Path(folder, "every"))
    key = ["record_id", "call_id", "variant", "sample"]
    assert every["record_id"].n_unique() == len(every)
    assert set(some.select(key).rows()) <= set(every.select(key).rows())


def test_every_family_that_is_written_is_compared():
    written = {family.name for family in FAMILIES if family.write_request is not only_read}
    assert MODELS.keys() | {"converse"} == written
    assert all(find_family(find_model(model), "InvokeModel").name == name for name, model in MODELS.items())


def list_values(body):
    """List the values in a body that are neither objects nor lists, at any depth."""
    if isinstance(body, dict | list):
        return [value for part in (body.values() if isinstance(body, dict) else body) for value in list_values(part)]
    return [body]


def is_refused(prompt):
    """Return whether `prepare` would refuse the settings of a prompt."""
    try:
        check_settings(prompt)
    except PromptError:
        return True
    return False


@pytest.mark.parametrize(
    ("setting", "value", "sent"),
    [("temperature", 0.5, 0.5), ("top_p", 0.9, 0.9), ("top_k", 20, 20), ("stop_sequences", ("END",), "END")],
)
@pytest.mark.parametrize("name", [*MODELS, "converse"])
def test_a_setting_is_refused_or_is_in_the_body(name, setting, value, sent):
    (family,) = (family for family in FAMILIES if family.name == name)
    invocation_type = "Converse" if name == "converse" else "InvokeModel"
    prompt = Prompt(name="short", model_id=MODELS.get(name, HAIKU), template="x", **{setting: value})
    prompt = structs.replace(prompt, invocation_type=invocation_type)
    assert is_refused(prompt) != (sent in list_values(family.write_request(prompt, "Hello")))


@pytest.mark.parametrize(
    ("template", "model_id", "source"),
    [
        ("Say {{ transcript }} in {{ seconds }}.", HAIKU, ColumnValues),
        ("Say {{ transcript | upper }}.", HAIKU, RenderedText),
        ("Say {{ transcript }} on {{ day }}.", HAIKU, RenderedText),
        ("Say {{ transcript }}.", MODELS["llama"], WholeBody),
    ],
)
def test_what_can_be_put_in_place_is_put_in_place(template, model_id, source):
    frame = pl.DataFrame({"transcript": ["Hi."], "seconds": [3], "day": [date(2026, 1, 2)]})
    template = make_body_template(Prompt(name="short", model_id=model_id, template=template), count_columns(frame))
    assert type(template.source) is source


@given(st.lists(st.fixed_dictionaries({"transcript": texts | st.none(), "day": st.dates() | st.none()})), st.data())
def test_the_counts_of_parts_add_up_to_those_of_all(rows, data):
    frame = pl.DataFrame(rows, {"transcript": pl.String, "day": pl.Date})
    cut = data.draw(st.integers(0, len(rows)))
    parts = [count_columns(part) for part in (frame[:cut], frame[cut:])]
    assert {name: parts[0][name] + parts[1][name] for name in frame.columns} == count_columns(frame)


def test_missing_and_blank_values_and_those_that_str_writes_otherwise_are_counted():
    frame = pl.DataFrame(
        {"text": ["a", " \x1c", "", None], "day": [date(2026, 1, 2), None, None, None], "n": [1, 2, 3, 4]}
    )
    assert count_columns(frame) == {"text": ColumnCounts(1, 2, 0), "day": ColumnCounts(3, 0, 4), "n": ColumnCounts()}


def test_a_text_that_a_template_repeats_beyond_measure_is_refused(tmp_path):
    calls = pl.DataFrame({"call_id": ["c1"], "transcript": ["x" * 100_001]})
    prompt = Prompt(name="a", model_id=HAIKU, template="{{ transcript }}" * 1000)
    with pytest.raises(PromptError, match="1,000 variables make a text of 100,001,000 bytes for one call; write each"):
        write(calls, [prompt], tmp_path)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ transcrip }}", "no variable 'transcrip'; a template can use call_id, transcript, mood"),
        ("{{ transcript }} {{ mood }}", "the template fails on call 'c2', line 1: a value is missing"),
        ("{{ range(1)|list }}{{ self }}{{ transcrip }}", "no variable 'transcrip'"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_by_the_name_of_what_is_missing(tmp_path, template, reason):
    frame = pl.DataFrame({"call_id": ["c1", "c2"], "transcript": ["yes", "no"], "mood": ["calm", None]})
    with pytest.raises(PromptError, match=reason):
        write(frame, [Prompt(name="a", model_id=HAIKU, template=template)], tmp_path)


@pytest.mark.parametrize("blank", ["", " \n", "\x1c\x1f\x85\u2028"])
def test_two_columns_that_are_both_blank_make_an_empty_text(tmp_path, blank):
    frame = pl.DataFrame({"call_id": ["c1", "c2"], "transcript": ["yes", blank], "mood": ["", blank]})
    with pytest.raises(PromptError, match="makes an empty text of call 'c2'"):
        write(frame, [Prompt(name="a", model_id=HAIKU, template="{{ transcript }} {{ mood }}")], tmp_path)


def test_a_column_called_self_is_not_what_jinja2_calls_so(tmp_path):
    frame = pl.DataFrame({"call_id": ["c1"], "transcript": ["yes"], "self": ["me"]})
    records = write(frame, [Prompt(name="a", model_id=HAIKU, template="{{ transcript }}{{ self }}")], tmp_path)
    assert b"TemplateReference" in read_lines(tmp_path, records)[0]
