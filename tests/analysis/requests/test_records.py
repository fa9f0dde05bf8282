import hashlib
import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis.errors import ModelError, PromptError, QuotaError
from analysis.facts.quotas import Quotas, find_quotas
from analysis.prompts import Prompt
from analysis.requests.input_files import InputFile
from analysis.requests.records import ID_LENGTH, RECORD_SCHEMA, check_ids, describe_record, write_records

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-6"
ODD = {
    "word": "yes",
    "large": "AGENT: I see. " * 80_000,
    "quotes": '"quoted" \\ back\\slash \\" </script> {{ x }}',
    "separators": "one\u2028two\u2029three\u0085four\x0bfive\x0csix",
    "controls": "nul \x00 bell \x07 tab \t delete \x7f",
    "lines": "a\nb\r\nc\rd\n\n",
    "arabic": "مرحبا، كيف يمكنني مساعدتك؟",
    "emoji": "👩‍👩‍👧 🙂 \U0010ffff",
    "json": '{"recordId": "x"}\n{"recordId": "y"}',
}


def make_calls(*transcripts):
    ids = [f"c{number}" for number in range(1, len(transcripts) + 1)]
    return pl.DataFrame({"call_id": ids, "transcript": transcripts}, schema={"call_id": str, "transcript": str})


def make_prompt(name="short", model_id=HAIKU, template="{{ transcript }}", **fields):
    return Prompt(name=name, model_id=model_id, template=template, **fields)


def write(into, calls, *prompts, **own):
    return write_tables(into, calls, *prompts, **own).records


def write_tables(into, calls, *prompts, **own):
    return write_records(calls, prompts, into=into, find_quotas=partial(find_quotas, **own))


def read_lines(into, records):
    """Read each record's line from where the frame says it is."""
    places = records.select("job_key", "file", "line").rows()
    return [json.loads((into / job / file).read_bytes().split(b"\n")[line - 1]) for job, file, line in places]


def list_files(into):
    return {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}


def test_each_record_has_one_row(tmp_path):
    records = write(tmp_path, make_calls("abcd", "efghij"), make_prompt(system="Hm", max_tokens=7))
    sizes = [len(line) + 1 for line in (tmp_path / "job01/00000.jsonl").read_bytes().split(b"\n")[:-1]]
    rows = [
        # "abcd" and "Hm" are 6 bytes: 2 tokens; "efghij" and "Hm" are 8 bytes: 2 tokens
        (records["record_id"][0], "c1", "short", 1, 1, HAIKU, "InvokeModel", "job01", "00000.jsonl", 1, sizes[0], 2, 7),
        (records["record_id"][1], "c2", "short", 1, 1, HAIKU, "InvokeModel", "job01", "00000.jsonl", 2, sizes[1], 2, 7),
    ]
    assert_frame_equal(records, pl.DataFrame(rows, RECORD_SCHEMA, orient="row"))


def test_tools_and_schemas_are_reckoned_as_input(tmp_path):
    # {"a":["bcdefgh"]} is 17 bytes and "abc" 3: 5 tokens
    records = write(tmp_path, make_calls("abc"), make_prompt(additional_fields={"a": ["bcdefgh"]}))
    assert records["input_tokens_estimate"].to_list() == [5]


def test_a_line_is_the_request_of_its_record(tmp_path):
    prompt = make_prompt(system="Leave {{ braces }} alone.", template="<t>{{ transcript }}</t>", max_tokens=7)
    (line,) = read_lines(tmp_path, records := write(tmp_path, make_calls("Hello"), prompt))
    content = [{"type": "text", "text": "<t>Hello</t>"}]
    assert line == {
        "recordId": records["record_id"][0],
        "modelInput": {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 7,
            "system": "Leave {{ braces }} alone.",
            "messages": [{"role": "user", "content": content}],
        },
    }


@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
def test_odd_calls_stand_in_their_lines_as_they_are(tmp_path, invocation_type):
    records = write(tmp_path, make_calls(*ODD.values()), make_prompt(invocation_type=invocation_type))
    lines = read_lines(tmp_path, records)
    texts = [line["modelInput"]["messages"][0]["content"][0]["text"] for line in lines]
    assert texts == list(ODD.values())
    assert [line["recordId"] for line in lines] == records["record_id"].to_list()


def test_ids_are_11_letters_and_digits(tmp_path):
    records = write(tmp_path, make_calls(*(f"call {number}" for number in range(500))), make_prompt())
    assert ID_LENGTH == 11
    assert records["record_id"].str.contains(r"^[0-9A-Za-z]{11}$").all()
    assert records["record_id"].n_unique() == 500


def test_the_same_request_has_the_same_id_in_any_run(tmp_path):
    one = write(tmp_path / "1", make_calls("x", "y"), make_prompt(), make_prompt("long", max_tokens=9))
    two = write(tmp_path / "2", make_calls("y", "z"), make_prompt("long", max_tokens=9), make_prompt("other"))
    first = one.filter(pl.col("variant") == "long", pl.col("call_id") == "c2")["record_id"]
    second = two.filter(pl.col("variant") == "long", pl.col("call_id") == "c1")["record_id"]
    assert first.to_list() == second.to_list()


@pytest.mark.parametrize(
    "other",
    [
        make_prompt(template="{{ transcript }}."),
        make_prompt(system="Be brief."),
        make_prompt(max_tokens=9),
        make_prompt(temperature=0.0),
        make_prompt(model_id=SONNET),
        make_prompt(invocation_type="Converse"),
        make_prompt(repeat=2),
    ],
)
def test_another_request_has_another_id(tmp_path, other):
    one = write(tmp_path / "1", make_calls("x"), make_prompt())
    two = write(tmp_path / "2", make_calls("x"), other)
    assert one["record_id"][0] != two["record_id"][0]


def test_equal_calls_are_records_of_their_own(tmp_path):
    records = write(tmp_path, make_calls("same", "same", "same"), make_prompt())
    assert records["record_id"].n_unique() == 3
    assert records["record_id"][0] == write(tmp_path / "2", make_calls("same"), make_prompt())["record_id"][0]


def test_equal_variants_are_records_of_their_own(tmp_path):
    records = write(tmp_path, make_calls("x"), make_prompt("a"), make_prompt("b"))
    assert records["record_id"].n_unique() == 2


@given(repeats=st.lists(st.integers(1, 3), min_size=1, max_size=4), samples=st.integers(1, 2))
def test_repeats_change_ids_and_nothing_else_of_the_lines(repeats, samples):
    prompts = [make_prompt(f"p{place}", repeat=repeat, samples=samples) for place, repeat in enumerate(repeats)]
    calls = make_calls("x", "same", "same")
    with TemporaryDirectory() as folder:
        records = write(Path(folder, "all"), calls, *prompts)
        bodies = {json.dumps(line["modelInput"]) for line in read_lines(Path(folder, "all"), records)}
        alone = write(Path(folder, "alone"), calls, prompts[-1])
    assert records["record_id"].n_unique() == len(records)
    assert len(bodies) == 2
    if repeats.count(repeats[-1]) == 1:
        assert records.filter(variant=prompts[-1].name)["record_id"].to_list() == alone["record_id"].to_list()


@given(
    texts=st.lists(st.text(min_size=1, max_size=30).filter(str.strip), min_size=1, max_size=12),
    most=st.integers(1, 5),
    file_bytes=st.none() | st.integers(600, 1500),
)
def test_each_file_is_described_as_it_was_written(texts, most, file_bytes):
    own = {"records_per_file": most} | ({"file_bytes": file_bytes} if file_bytes else {})
    prompts = [make_prompt("a", samples=2), make_prompt("b", template="{{ transcript }}!"), make_prompt("c", SONNET)]
    with TemporaryDirectory() as folder:
        records, files = write_tables(Path(folder), make_calls(*texts), *prompts, **own)
        written = list_files(Path(folder))
    assert written.keys() == {f"{row['job_key']}/{row['file']}" for row in files.to_dicts()}
    for row in files.to_dicts():
        sent = records.filter(job_key=row["job_key"], file=row["file"])
        content = written[f"{row['job_key']}/{row['file']}"]
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert (row["records"], row["input_bytes"]) == (content.count(b"\n"), len(content))
        assert {(row["model_id"], row["invocation_type"])} == set(sent.select("model_id", "invocation_type").rows())
        tokens = {variant: list_tokens(sent, variant) for variant in sent["variant"].unique()}
        sums = {variant: (len(each), sum(each), max(each)) for variant, each in tokens.items()}
        assert {name: tuple(rest) for name, *rest in (one.values() for one in row["variants"])} == sums


def list_tokens(records, variant):
    return records.filter(variant=variant)["input_tokens_estimate"].to_list()


def test_samples_of_a_call_are_numbered_from_1(tmp_path):
    records = write(tmp_path, make_calls("x", "y"), make_prompt(samples=3))
    assert records["sample"].to_list() == [1, 2, 3, 1, 2, 3]
    assert records["call_id"].to_list() == ["c1", "c1", "c1", "c2", "c2", "c2"]
    assert records["record_id"].n_unique() == 6


def test_what_is_asked_of_a_call_stands_together(tmp_path):
    records = write(tmp_path, make_calls("x", "y"), make_prompt("a", samples=2), make_prompt("b", max_tokens=9))
    asked = [("a", 1), ("a", 2), ("b", 1)]
    rows = [(call_id, *one) for call_id in ("c1", "c2") for one in asked]
    assert records.select("call_id", "variant", "sample").rows() == rows
    assert [line["recordId"] for line in read_lines(tmp_path, records)] == records["record_id"].to_list()


def test_variants_of_a_model_share_a_job(tmp_path):
    records = write(tmp_path, make_calls("x", "y"), make_prompt("a"), make_prompt("b", max_tokens=9))
    assert records["job_key"].unique().to_list() == ["job01"]
    assert list(list_files(tmp_path)) == ["job01/00000.jsonl"]


def test_models_and_invocation_types_have_jobs_of_their_own(tmp_path):
    prompts = [
        make_prompt("a"),
        make_prompt("b", SONNET),
        make_prompt("c", invocation_type="Converse"),
        make_prompt("d"),
    ]
    records = write(tmp_path, make_calls("x"), *prompts)
    assert records.select("variant", "job_key").rows() == [
        ("a", "job01"),
        ("d", "job01"),
        ("b", "job02"),
        ("c", "job03"),
    ]


def test_jobs_and_files_hold_exactly_the_lines(tmp_path):
    calls = make_calls(*(f"call {number}" for number in range(23)))
    records = write(tmp_path, calls, make_prompt(), records_per_job=10, records_per_file=3)
    # 23 records in 3 jobs of 7, 8 and 8; each in 3 files of at most 3
    assert records.group_by("job_key", maintain_order=True).len().rows() == [("job01", 7), ("job02", 8), ("job03", 8)]
    files = records.group_by("job_key", "file", maintain_order=True).len()
    assert files["len"].to_list() == [2, 2, 3, 2, 3, 3, 2, 3, 3]
    assert list_files(tmp_path).keys() == {f"{job}/{file}" for job, file, _ in files.rows()}
    assert [line["recordId"] for line in read_lines(tmp_path, records)] == records["record_id"].to_list()
    assert sum(len(content) for content in list_files(tmp_path).values()) == records["input_bytes"].sum()


def test_files_fit_the_bytes_that_a_file_may_have(tmp_path):
    records = write(tmp_path, make_calls(*"abcdefg"), make_prompt(), file_bytes=500)
    assert max(len(content) for content in list_files(tmp_path).values()) <= 500
    assert [line["recordId"] for line in read_lines(tmp_path, records)] == records["record_id"].to_list()


def test_the_same_records_give_the_same_bytes_in_two_folders(tmp_path):
    prompts = [make_prompt("a", samples=2), make_prompt("b", SONNET)]
    frames = [write(tmp_path / into, make_calls(*ODD.values()), *prompts, records_per_file=4) for into in "12"]
    assert_frame_equal(*frames)
    assert list_files(tmp_path / "1") == list_files(tmp_path / "2")


def test_a_record_larger_than_a_file_is_refused_by_the_name_of_its_call(tmp_path):
    calls = make_calls("fits", "x" * 600, "y" * 700)
    with pytest.raises(QuotaError, match=r"call 'c2': .* with prompt 'short', and an input file may have 500.* 2 such"):
        write(tmp_path, calls, make_prompt(), file_bytes=500)


def test_an_empty_text_is_refused_by_the_name_of_its_call(tmp_path):
    with pytest.raises(PromptError, match="makes an empty text of call 'c2'; leave empty calls out"):
        write(tmp_path, make_calls("x", " \n"), make_prompt())


def test_a_model_whose_requests_we_cannot_write_is_refused(tmp_path):
    with pytest.raises(ModelError, match="set invocation_type to Converse"):
        write(tmp_path, make_calls("x"), make_prompt(model_id="acme.talker-v1:0"))


def test_tokens_are_estimated_from_the_bytes_of_both_texts():
    text, tokens, request = describe_record(make_prompt(system="é" * 3), {"call_id": "c1", "transcript": "🙂x"})
    assert (text, tokens) == ("🙂x", 3)  # 6 and 5 bytes are 11; a quarter of that, rounded up
    assert request["system"] == "ééé"


def test_quotas_are_asked_for_by_the_base_model(tmp_path):
    asked = []

    def find(model):
        asked.append(model)
        return Quotas(1, 9, 9, 9_999, 9_999, 1)

    write_records(make_calls("x"), [make_prompt(model_id=SONNET)], into=tmp_path, find_quotas=find)
    assert asked == ["anthropic.claude-sonnet-4-6"]


def test_two_requests_of_a_job_that_get_one_id_are_named():
    records = pl.DataFrame({"record_id": ["a", "b", "a"], "call_id": ["c1", "c2", "c3"]})
    with pytest.raises(QuotaError, match="job01: calls 'c1' and 'c3' have the same record id by chance; leave one"):
        check_ids(records, [InputFile(1, 0, 0, 2), InputFile(1, 1, 2, 3)])


def test_two_jobs_may_share_an_id_since_their_outputs_are_read_apart():
    records = pl.DataFrame({"record_id": ["a", "b", "a"], "call_id": ["c1", "c2", "c3"]})
    check_ids(records, [InputFile(1, 0, 0, 2), InputFile(2, 0, 2, 3)])


@given(
    rows=st.dictionaries(st.text(max_size=4), st.sampled_from(["same", "other", "É"]), min_size=1, max_size=9),
    samples=st.integers(1, 2),
    data=st.data(),
)
def test_any_order_of_the_calls_gives_the_same_bytes(rows, samples, data):
    calls = pl.DataFrame(list(rows.items()), {"call_id": pl.String, "transcript": pl.String}, orient="row")
    shuffled = calls[data.draw(st.permutations(range(len(calls))))]
    prompts = [make_prompt("a", samples=samples), make_prompt("b", template="{{ transcript | upper }}")]
    with TemporaryDirectory() as folder:
        one, two = Path(folder, "1"), Path(folder, "2")
        frames = [
            write(into, frame, *prompts, records_per_file=2, records_per_job=4)
            for into, frame in ((one, calls), (two, shuffled))
        ]
        assert list_files(one) == list_files(two)
    assert_frame_equal(*frames)
    assert frames[0]["call_id"].unique(maintain_order=True).to_list() == sorted(rows, key=str.encode)


def test_equal_calls_are_numbered_in_the_order_of_their_ids(tmp_path):
    calls = pl.DataFrame({"call_id": ["c9", "c10", "C1"], "transcript": ["same"] * 3})
    records = write(tmp_path / "all", calls, make_prompt())
    first = write(tmp_path / "one", calls[:1], make_prompt())
    assert records["call_id"].to_list() == ["C1", "c10", "c9"]
    assert records["record_id"][0] == first["record_id"][0]
