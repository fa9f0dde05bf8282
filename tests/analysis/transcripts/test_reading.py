import gzip
import io
import json
import traceback
import zipfile
from pathlib import Path

import boto3
import moto
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis.errors import CallsError
from analysis.transcripts import drop_empty_calls, json_rows, read_calls, reading

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ODD = [
    "a\r\nb",
    'say "hi", she said',
    "line\u2028and\u0085paragraph",
    "nul\0here",
    "😀 مرحبا",
    "  spaces kept \n",
    "\ttab",
]
IDS = ["007", "8", "9", "10", "11", "12", "سعيد"]


def odd_calls():
    return pl.DataFrame({"call_id": IDS, "transcript": ODD, "seconds": [1, 2, None, 4, 5, 6, 7]})


def turns():
    return pl.DataFrame(
        {
            "call_id": ["b", "a", "b", "b"],
            "turn": [10, 1, 9, 11],
            "speaker": ["agent", "customer", "customer", None],
            "text": ["Good morning.", "Hi.", "Hello?", "(music)"],
            "queue": ["sales", "billing", "sales", "sales"],
            "begin_ms": [20, 0, 10, 30],
        }
    )


TURNS_READ = pl.DataFrame(
    {
        "call_id": ["b", "a"],
        "transcript": ["Customer: Hello?\nAgent: Good morning.\n(music)", "Customer: Hi."],
        "queue": ["sales", "billing"],
    }
)


def write(frame, path):
    """Write a frame in the format of its path's ending."""
    writers = {".parquet": frame.write_parquet, ".csv": frame.write_csv, ".jsonl": frame.write_ndjson}
    writers[path.suffix](path)
    return path


def write_text(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


ENDINGS = pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])


@ENDINGS
def test_a_transcript_is_unchanged_to_the_byte(tmp_path, ending):
    assert_frame_equal(read_calls(write(odd_calls(), tmp_path / f"calls{ending}")), odd_calls())


@ENDINGS
def test_turns_become_lines_in_the_order_of_their_numbers(tmp_path, ending):
    assert_frame_equal(read_calls(write(turns(), tmp_path / f"turns{ending}")), TURNS_READ)


def test_turns_without_numbers_are_refused(tmp_path):
    path = write(turns().drop("turn", "begin_ms"), tmp_path / "turns.csv")
    with pytest.raises(CallsError, match=r"no column that orders the turns; .*; name it: .*csv', turn=None\)"):
        read_calls(path)
    calls = read_calls(path, turn=None)
    assert calls["transcript"][0] == "Agent: Good morning.\nCustomer: Hello?\n(music)"


def test_turns_can_be_kept_in_the_order_of_the_file(tmp_path):
    calls = read_calls(write(turns(), tmp_path / "turns.csv"), turn=None)
    assert calls["transcript"][0] == "Agent: Good morning.\nCustomer: Hello?\n(music)"


def test_turns_numbered_in_text_are_ordered_as_numbers(tmp_path):
    calls = read_calls(write(turns().cast({"turn": pl.String}), tmp_path / "turns.parquet"))
    assert_frame_equal(calls, TURNS_READ)


def test_turns_with_one_number_stay_in_the_order_of_the_file(tmp_path):
    calls = read_calls(write(turns().with_columns(turn=pl.lit(1)), tmp_path / "turns.parquet"))
    assert calls["transcript"][0] == "Agent: Good morning.\nCustomer: Hello?\n(music)"


def test_turns_without_speakers_are_lines_of_text_alone(tmp_path):
    calls = read_calls(write(turns().drop("speaker"), tmp_path / "turns.csv"), speaker=None)
    assert calls["transcript"].to_list() == ["Hello?\nGood morning.\n(music)", "Hi."]


def test_turns_without_words_are_left_out(tmp_path):
    silent = turns().with_columns(text=pl.Series(["Good morning.", "Hi.", " \n", None]))
    assert read_calls(write(silent, tmp_path / "turns.jsonl"))["transcript"].to_list() == [
        "Agent: Good morning.",
        "Customer: Hi.",
    ]


def test_a_call_whose_turns_have_no_words_is_empty(tmp_path):
    silent = turns().with_columns(text=pl.Series(["Good morning.", " ", "Hello?", None]))
    with pytest.raises(CallsError, match=r"1 empty transcript \(a\)"):
        read_calls(write(silent, tmp_path / "turns.parquet"))


@pytest.mark.parametrize("speaker", ["McDonald", "AGENT", "2"])
def test_only_the_first_letter_of_a_speaker_is_capitalized(tmp_path, speaker):
    calls = read_calls(
        write(pl.DataFrame({"call_id": ["a"], "speaker": [speaker], "text": ["Hi."]}), tmp_path / "t.csv"), turn=None
    )
    assert calls["transcript"].to_list() == [f"{speaker}: Hi."]


def test_columns_of_lists_are_kept_with_turns(tmp_path):
    frame = turns().with_columns(tags=pl.Series([["x"], None, ["x"], ["x"]]))
    calls = read_calls(write(frame, tmp_path / "turns.parquet"))
    assert calls["tags"].to_list() == [["x"], None]


def test_columns_can_have_other_names(tmp_path):
    frame = odd_calls().rename({"call_id": "Contact", "transcript": "Body"})
    assert_frame_equal(read_calls(write(frame, tmp_path / "c.csv"), call_id="Contact", transcript="Body"), odd_calls())


def test_columns_of_turns_can_have_other_names(tmp_path):
    frame = turns().rename({"turn": "n", "speaker": "who", "text": "words"})
    assert_frame_equal(read_calls(write(frame, tmp_path / "t.csv"), turn="n", speaker="who", text="words"), TURNS_READ)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pl.Series([1, 20], dtype=pl.Int32), ["1", "20"]),
        (pl.Series([1.0, 20.0]), ["1", "20"]),
        (pl.Series([18446744073709551615, 1], dtype=pl.UInt64), ["18446744073709551615", "1"]),
        (pl.Series(["x", "y"], dtype=pl.Categorical), ["x", "y"]),
    ],
)
def test_ids_become_text(tmp_path, ids, expected):
    frame = pl.DataFrame({"call_id": ids, "transcript": ["Hi.", "Hello."]})
    assert read_calls(write(frame, tmp_path / "c.parquet"))["call_id"].to_list() == expected


def test_ids_of_json_may_be_numbers_and_text(tmp_path):
    lines = '{"call_id": 7, "transcript": "a"}\n\n{"call_id": "007", "transcript": "b", "late": true}\n'
    expected = pl.DataFrame({"call_id": ["7", "007"], "transcript": ["a", "b"], "late": [None, True]})
    assert_frame_equal(read_calls(write_text(tmp_path / "c.ndjson", lines)), expected)


def test_fields_of_several_kinds_become_text_and_none_is_lost(tmp_path):
    lines = [{"call_id": "a", "transcript": "x", "tag": 1}, {"call_id": "b", "transcript": "y", "tag": {"k": "é"}}]
    path = write_text(tmp_path / "c.jsonl", "\n".join(json.dumps(line) for line in lines))
    assert read_calls(path)["tag"].to_list() == ["1", '{"k": "\\u00e9"}']


def test_numbers_of_a_csv_are_numbers_unless_they_begin_with_zero(tmp_path):
    text = "call_id,transcript,whole,part,code,none\n1,a,5,5,01,\n2,b,-6,6.5,2,\n3,c,,,,\n"
    expected = pl.DataFrame(
        {
            "call_id": ["1", "2", "3"],
            "transcript": ["a", "b", "c"],
            "whole": [5, -6, None],
            "part": [5.0, 6.5, None],
            "code": ["01", "2", None],
            "none": pl.Series([None, None, None], dtype=pl.String),
        }
    )
    assert_frame_equal(read_calls(write_text(tmp_path / "c.csv", text)), expected)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_may_have_a_byte_order_mark_and_empty_lines(tmp_path, end):
    path = write_text(tmp_path / "c.csv", "\ufeffcall_id,transcript\n01,Hi.\n\n02,Hello.\n\n".replace("\n", end))
    expected = pl.DataFrame({"call_id": ["01", "02"], "transcript": ["Hi.", "Hello."]})
    assert_frame_equal(read_calls(path), expected)


def test_a_compressed_csv_is_read(tmp_path):
    path = write_text(tmp_path / "c.csv.gz", gzip.compress(b"call_id,transcript\n01,Hi.\n"))
    assert_frame_equal(read_calls(path), pl.DataFrame({"call_id": ["01"], "transcript": ["Hi."]}))


def test_several_files_are_one_table(tmp_path):
    write(odd_calls()[:3], tmp_path / "0.csv")
    write(odd_calls()[3:], tmp_path / "1.csv")
    write_text(tmp_path / "_SUCCESS", "")
    assert_frame_equal(read_calls(tmp_path), odd_calls())


def test_a_single_file_is_read_even_if_its_name_is_hidden(tmp_path):
    assert_frame_equal(read_calls(write(odd_calls(), tmp_path / "_calls.csv")), odd_calls())


def test_a_call_may_continue_in_the_next_file(tmp_path):
    write(turns()[:2], tmp_path / "0.parquet")
    write(turns()[2:], tmp_path / "1.parquet")
    assert_frame_equal(read_calls(tmp_path / "*.parquet"), TURNS_READ)


def test_an_empty_file_among_others_adds_nothing(tmp_path):
    write(odd_calls(), tmp_path / "0.jsonl")
    write_text(tmp_path / "1.jsonl", "")
    assert_frame_equal(read_calls(tmp_path), odd_calls())


TEXTS = {"b.txt": "Hi.\r\n", "sub/a.1.txt": "\ufeffHello.", "C.TXT": "مرحبا"}
TEXTS_READ = pl.DataFrame({"call_id": ["C", "b", "a.1"], "transcript": ["مرحبا", "Hi.\r\n", "Hello."]})


def test_a_text_file_is_a_call_named_by_the_file(tmp_path):
    for name, text in TEXTS.items():
        write_text(tmp_path / name, text)
    assert_frame_equal(read_calls(tmp_path), TEXTS_READ)


def test_a_zip_of_text_files_is_read_as_its_folder(tmp_path):
    path = write_zip(tmp_path / "calls.zip", TEXTS | {"__MACOSX/._b.txt": "x", "sub/.DS_Store": "x"})
    assert_frame_equal(read_calls(path), TEXTS_READ)


@ENDINGS
def test_calls_are_read_from_s3(tmp_path, monkeypatch, ending):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with moto.mock_aws():
        s3 = boto3.Session(region_name="us-east-1").client("s3")
        s3.create_bucket(Bucket="talk")
        s3.upload_file(str(write(odd_calls(), tmp_path / f"c{ending}")), "talk", f"run/c{ending}")
        assert_frame_equal(read_calls("s3://talk/run", region="us-east-1"), odd_calls())


EMPTY = 'call_id,transcript\na,Hi.\nb,\nc," \n"\nd,""\ne,\n'


def test_empty_transcripts_are_refused(tmp_path):
    with pytest.raises(
        CallsError,
        match=r"c.csv: 4 empty transcripts \(b, c, d, ...\); leave them out: read_calls\(.*, empty='drop'\)",
    ):
        read_calls(write_text(tmp_path / "c.csv", EMPTY))


def test_empty_transcripts_can_be_dropped(tmp_path):
    calls = read_calls(write_text(tmp_path / "c.csv", EMPTY), empty="drop")
    assert_frame_equal(calls, pl.DataFrame({"call_id": ["a"], "transcript": ["Hi."]}))


@pytest.mark.parametrize("kind", [pl.DataFrame, pd.DataFrame])
def test_dropping_empty_calls_returns_the_same_kind_of_frame(kind):
    calls = kind({"call_id": ["a", "b", "c"], "transcript": [None, "Hi.", " \n"]})
    kept = drop_empty_calls(calls)
    assert isinstance(kept, kind)
    assert kept.to_dict(**({} if kind is pl.DataFrame else {"orient": "list"}))["call_id"][0] == "b"
    assert len(kept) == 1
    assert len(calls) == 3


CALL = "call_id,transcript\n"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "c.csv",
            CALL + "a,x\nb,y\na,z\nb,w\n",
            r"2 ids belong to more than one call \(a, b\); give each call its own id",
        ),
        ("c.csv", CALL + "a,x\n,y\n , z\n", r"no id in 2 rows \(2, 3\); every call needs an id"),
        ("c.csv", CALL, "no calls"),
        ("c.csv", "", "no calls"),
        ("t.csv", "call_id,turn,speaker,text,queue\n", "no calls"),
        ("c.jsonl", "\n", "no calls"),
        (
            "c.csv",
            "call_id,transkript\na,x\n",
            "did you mean 'transkript'\\? it has call_id, transkript; name it: read_.*, transcript='transkript'",
        ),
        (
            "c.csv",
            "CalledId,transcript\na,x\n",
            "no column of ids; did you mean 'CalledId'\\?.*name it: read_calls\\('.*', call_id='CalledId'\\)",
        ),
        (
            "c.csv",
            "call_id,turn,text,speakr\na,1,x,y\n",
            r"did you mean 'speakr'\?.* read_calls\(.*, speaker='speakr'\)",
        ),
        ("c.csv", CALL + "a,b,c\n", r"separated by commas \(line 2 has more fields.*between quotes"),
        ("c.csv", (CALL + "a,").encode() + b"caf\x81\n", "c.csv: not UTF-8 at byte 24; save it as UTF-8"),
        ("c.jsonl", b'{"call_id": "\xc3\xa9\xff"}', "c.jsonl: not UTF-8 at byte 15, but most of it is.*damaged"),
        ("c.txt", b"ab\x81", "c.txt: not UTF-8 at byte 2"),
        (
            "c.jsonl",
            '{"call_id": "a"}\n{"call_id"\n',
            "c.jsonl, line 2: not a JSON object .*; write one object in each",
        ),
        ("c.jsonl", '{"call_id": "a"}\n[1]\n', "c.jsonl, line 2: not a JSON object"),
        ("c.jsonl", '\n{"call_id": "a", "transcript": "\\ud83d"}\n', "c.jsonl, line 2: half of a surrogate pair"),
        ("c.parquet", "PAR", "c.parquet: cannot be read as Parquet"),
        ("c.csv.gz", "x", "c.csv.gz: cannot be read"),
        ("c.zip", "x", "c.zip: cannot be read as a zip"),
        ("c.docx", "x", "not a kind of file that can be read; those are .parquet, .csv"),
        (
            "c.jsonl",
            '{"call_id": "a", "transcript": [1]}',
            "the turns have the type Int64; they must be texts or objects",
        ),
        ("c.jsonl", '{"call_id": 1.5, "transcript": "x"}', "the column of call_id has the type Float64"),
        (
            "t.jsonl",
            '{"call_id": "a", "turn": "x", "speaker": "y", "text": "z"}',
            r"no clock time .*in 1 call \(a\); .*turn=None",
        ),
        (
            "t.jsonl",
            '{"call_id": "a", "turn": [1], "speaker": "y", "text": "z"}',
            "the column of turn has the type List",
        ),
    ],
)
def test_what_is_not_calls_is_refused_with_a_cure(tmp_path, name, content, text):
    with pytest.raises(CallsError, match=text):
        read_calls(write_text(tmp_path / name, content))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CallsError, match=r"no calls: the folder is empty; files that can be read: .parquet, "):
        read_calls(tmp_path)
    with pytest.raises(CallsError, match="no such file or folder"):
        read_calls(tmp_path / "callz.csv")


@pytest.mark.parametrize("word", ["call_id", "transcript", "turn", "speaker", "text"])
def test_a_name_that_was_given_must_be_there(tmp_path, word):
    with pytest.raises(CallsError, match=f"no column 'queu'; did you mean 'queue'.*read_calls.*, {word}='queue'"):
        read_calls(write(turns(), tmp_path / "t.parquet"), **{word: "queu"})


def test_a_second_column_of_the_same_name_is_refused(tmp_path):
    path = write_text(tmp_path / "c.csv", "id,call_id,transcript\na,b,c\n")
    with pytest.raises(CallsError, match="a second column is called 'call_id'"):
        read_calls(path, call_id="id")


def test_several_kinds_of_files_are_refused(tmp_path):
    write_text(tmp_path / "a.txt", "Hi.")
    write_text(tmp_path / "README.md", "Hi.")
    with pytest.raises(
        CallsError, match=r"several kinds of files: README.md and a.txt; put each kind into its own folder"
    ):
        read_calls(tmp_path)


def test_calls_and_turns_are_not_one_table(tmp_path):
    write(odd_calls(), tmp_path / "0.csv")
    write(turns(), tmp_path / "1.csv")
    with pytest.raises(CallsError, match=r"0.csv: a row is a call here and a turn in another file"):
        read_calls(tmp_path)


def test_columns_that_do_not_fit_are_refused(tmp_path):
    write(odd_calls(), tmp_path / "0.parquet")
    write(odd_calls().with_columns(seconds=pl.lit([1])), tmp_path / "1.parquet")
    with pytest.raises(CallsError, match=r"0.parquet: another file has other columns"):
        read_calls(tmp_path)


def test_two_texts_of_one_name_are_refused(tmp_path):
    path = write_zip(tmp_path / "c.zip", {"x/a.txt": "Hi.", "y/a.txt": "Hello."})
    with pytest.raises(CallsError, match=r"y/a.txt: has the id 'a', like .*x/a.txt; rename one"):
        read_calls(path)


TABLE = pl.DataFrame({"call_id": ["1", "2", "3"], "transcript": ["Hi.", "Äöü 😀", "Hm."], "queue": ["a", None, "b"]})
WRITERS = {
    "parquet": pl.DataFrame.write_parquet,
    "csv": pl.DataFrame.write_csv,
    "csv.gz": lambda table, file: file.write(gzip.compress(table.write_csv().encode())),
    "xlsx": pl.DataFrame.write_excel,
    "jsonl": pl.DataFrame.write_ndjson,
    "ndjson.gz": lambda table, file: file.write(gzip.compress(table.write_ndjson().encode())),
    "json": pl.DataFrame.write_json,
}


def write_table(table, ending):
    file = io.BytesIO()
    WRITERS[ending](table, file)
    return file.getvalue()


@pytest.mark.parametrize("ending", WRITERS)
def test_a_zip_of_tables_is_read_as_its_folder(tmp_path, ending):
    parts = {f"export/may/b.{ending}": TABLE[:2], f"export/c.{ending}": TABLE[2:]}
    path = write_zip(tmp_path / "c.zip", {name: write_table(part, ending) for name, part in parts.items()})
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    # By name, as in a folder: c before may/b.
    assert_frame_equal(read_calls(path), read_calls(tmp_path / "folder"))
    assert sorted(read_calls(path).rows()) == TABLE.rows()


def test_a_file_in_a_zip_is_named_in_its_errors(tmp_path):
    with pytest.raises(CallsError, match=r"c\.zip, x/a\.csv: no column of transcripts"):
        read_calls(write_zip(tmp_path / "c.zip", {"x/a.csv": "call_id\n1\n"}))


def test_a_zip_in_a_zip_is_refused(tmp_path):
    inner = write_zip(tmp_path / "b.zip", {"a.csv": "x"}).read_bytes()
    with pytest.raises(CallsError, match=r"c\.zip, b\.zip: a zip in a zip; unpack the outer one"):
        read_calls(write_zip(tmp_path / "c.zip", {"b.zip": inner}))


def test_a_zip_of_several_kinds_is_refused(tmp_path):
    with pytest.raises(CallsError, match=r"several kinds of files: .*a.json and .*b.txt; make a zip of each kind"):
        read_calls(write_zip(tmp_path / "c.zip", {"a.json": "{}", "b.txt": "Hi."}))


def test_a_damaged_zip_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "Hello.")
    path = write_text(tmp_path / "c.zip", content.getvalue().replace(b"Hello.", b"Jello."))
    with pytest.raises(CallsError, match=r"c\.zip, a\.txt: cannot be read .*CRC"):
        read_calls(path)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not here")
@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("aws_call_samples", 896),
        ("star", 4948),
        ("qmsum", 189),
        ("multidogo_customer", 3402),
        ("primock57", 47),
        ("aci_bench", 174),
    ],
)
def test_published_conversations_are_read_completely(name, calls):
    read = read_calls(DATA / f"{name}_turns.parquet")
    words = pl.read_parquet(DATA / f"{name}_turns.parquet")["text"].str.len_chars().sum()
    assert len(read) == calls
    assert read["transcript"].str.len_chars().sum() > words


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not here")
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_published_conversations_are_the_same_from_text(tmp_path, ending):
    frame = pl.read_parquet(DATA / "qmsum_turns.parquet").select("call_id", "turn", "speaker", "text")
    expected = read_calls(write(frame, tmp_path / "t.parquet"))
    assert_frame_equal(read_calls(write(frame, tmp_path / f"t{ending}")), expected)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not here")
def test_a_folder_of_published_texts_is_read():
    calls = read_calls(DATA / "text")
    assert calls.columns == ["call_id", "transcript"]
    assert len(calls) == 24


def nest(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [33, 200, 900, 100_000])
def test_a_field_that_is_nested_very_deep_is_refused(tmp_path, depth):
    lines = f'{{"call_id": "a", "transcript": "x"}}\n{{"call_id": "b", "transcript": "y", "tags": {nest(depth)}}}\n'
    with pytest.raises(CallsError, match=r"c\.jsonl, line 2: a field is nested more than 32 deep; leave"):
        read_calls(write_text(tmp_path / "c.jsonl", lines))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=4), st.integers(0, 15))
def test_a_line_is_read_as_python_reads_it(row, depth):
    for _ in range(depth):
        row = {"a": row, "b": [1]}
    assert json_rows.read_line(json.dumps(row).encode()) == json.loads(json.dumps(row))


def test_a_deep_line_that_is_no_json_is_refused(tmp_path):
    text = '{"transcript": "\\ud83d", "tags": ' + "[" * 100_000
    with pytest.raises(CallsError, match=r"c\.jsonl, line 1: (not a JSON object|a field is nested)"):
        read_calls(write_text(tmp_path / "c.jsonl", text))


def test_a_field_may_be_nested(tmp_path):
    line = {"call_id": "a", "transcript": "x", "turns": [{"who": {"name": "Ann"}, "words": [["Hi"], ["there"]]}]}
    assert read_calls(write_text(tmp_path / "c.jsonl", json.dumps(line)))["turns"].to_list() == [line["turns"]]
    lines = f'{{"call_id": "a", "transcript": "x", "tags": {nest(32)}}}'
    assert len(read_calls(write_text(tmp_path / "d.jsonl", lines))) == 1


def test_lines_with_ever_new_fields_are_refused(tmp_path):
    lines = "\n".join(json.dumps({"call_id": "a", "transcript": "x", f"f{n}": n}) for n in range(5000))
    with pytest.raises(CallsError, match=r"c\.jsonl: has 5,002 different fields"):
        read_calls(write_text(tmp_path / "c.jsonl", lines))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_half_a_parquet_file_is_refused(tmp_path, share):
    content = write(odd_calls(), tmp_path / "c.parquet").read_bytes()
    (tmp_path / "c.parquet").write_bytes(content[: int(share * len(content))])
    with pytest.raises(CallsError, match=r"c\.parquet: cannot be read as Parquet .*; write or download it again"):
        read_calls(tmp_path / "c.parquet")


SECRET = "Agent: Anna Maier, born on the first of May, " * 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", f"id,{SECRET!r}\nb,x\n".replace("Maier,", "Maier")),
        ("c.csv", f'a,"{SECRET}"\nb,"{SECRET}"\n'),
        ("c.csv", f'call_id,transcript\n"{SECRET}",x\n"{SECRET}",y\n'),
        ("c.csv", f'call_id,transcript\na,"{SECRET}" x\nb,{SECRET}\n'),
        ("c.csv", f'call_id,transcript\na,{SECRET},"x\nb\n'),
        ("c.csv", f'call_id,turn,speaker,text\na,"{SECRET}",x,y\n'),
        ("c.jsonl", json.dumps({SECRET: 1})),
        ("c.jsonl", json.dumps({"call_id": "a", "transcript": {SECRET: SECRET}})),
        ("c.jsonl", json.dumps({"call_id": "a", "transcript": [[SECRET]]})),
        ("c.jsonl", json.dumps({"call_id": {SECRET: 1}, "transcript": SECRET})),
        ("c.jsonl", f'{{"call_id": "a", "transcript": "{SECRET}\\ud83d"}}'),
        ("c.jsonl", f'{{"call_id": "a", "transcript": "{SECRET}'),
        ("c.jsonl", SECRET),
        ("c.json", json.dumps({SECRET: 1})),
        ("c.json", json.dumps([SECRET])),
        ("c.json", json.dumps({"JobName": "a", "Transcript": {SECRET: SECRET}})),
        ("c.json", json.dumps({"jobName": "a", "results": {"items": [{"start_time": SECRET, "type": SECRET}]}})),
        ("c.json", json.dumps({"jobName": "a", "status": "FAILED" , "results": {"items": SECRET}})),
        ("c.parquet", SECRET),
    ],
)  # fmt: skip
def test_no_error_quotes_a_transcript(tmp_path, name, content):
    with pytest.raises(CallsError) as caught:
        read_calls(write_text(tmp_path / name, content))
    shown = "".join(traceback.format_exception_only(caught.value)) + str(caught.value.__cause__)
    assert "Maier" not in shown


def test_a_table_of_very_many_columns_lists_some(tmp_path):
    path = write_text(tmp_path / "c.csv", ",".join(f"column{n}" for n in range(3_000)) + "\n")
    with pytest.raises(CallsError, match=r"it has column0, .*column19, \.\.\.; name them"):
        read_calls(path)


@pytest.mark.parametrize("seconds", ["1e300", "1e18", "nan", "inf", "-inf", 1e300])
def test_a_time_that_no_recording_has_is_refused(tmp_path, seconds):
    words = {"items": [{"start_time": seconds, "type": "pronunciation", "alternatives": [{"content": "Hi"}]}]}
    results = {"transcripts": [{"transcript": "Hi"}], "speaker_labels": {"segments": []}, **words}
    with pytest.raises(CallsError, match="looks like Amazon Transcribe, but cannot be read: a number or time in it is"):
        read_calls(write_text(tmp_path / "c.json", json.dumps({"jobName": "a", "results": results})))


def test_what_does_not_fit_into_memory_is_said(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setitem(reading.READERS, "CSV", fail)
    with pytest.raises(CallsError, match="does not fit into memory; read a part of the files at a time"):
        read_calls(write(odd_calls(), tmp_path / "c.csv"))


def test_a_column_of_csv_is_of_numbers_where_all_its_values_are(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("call_id,transcript,whole,part,code,mixed,none\na,Hello.,7,1.5,007,1,\nb,Hi.,,-2e3,12,one,\n")
    columns = {"whole": [7, None], "part": [1.5, -2000.0], "code": ["007", "12"], "mixed": ["1", "one"]}
    expected = pl.DataFrame(columns).with_columns(none=pl.lit(None, pl.String))
    assert_frame_equal(read_calls(path).drop("call_id", "transcript"), expected)
