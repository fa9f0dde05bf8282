"""Tables as people have them: separators, encodings, names of columns, orders of turns, lists of turns, workbooks."""

import csv
import io
import json
import pickle
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis.errors import CallsError
from analysis.transcripts import read_calls

CALLS = pl.DataFrame(
    {"call_id": ["007", "8"], "transcript": ["Agent: Hello, you; and | more.", 'He said "no".\tThen\nleft.']}
)
WESTERN = "Größe, naïve café \u2013 it\u2019s 50 € für Ana Muñoz"
RUSSIAN = "Мой роутер не работает \u0441 понедельника, верните деньги."


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def separate(frame, separator, end="\r\n"):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerows([frame.columns, *frame.rows()])
    return text.getvalue()


def join(calls):
    return dict(calls.select("call_id", "transcript").iter_rows())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator, end):
    assert_frame_equal(read_calls(write(tmp_path / "c.csv", separate(CALLS, separator, end))), CALLS)


@pytest.mark.parametrize("separator", [";", "^", "\t"])
def test_the_first_line_may_be_the_one_that_tells_excel_the_separator(tmp_path, separator):
    text = f"\ufeffsep={separator}\r\n{separate(CALLS, separator)}"
    assert_frame_equal(read_calls(write(tmp_path / "c.csv", text)), CALLS)


@pytest.mark.parametrize("name", ["c.tsv", "c.TSV", "c.csv"])
def test_tabs_separate_by_whatever_name(tmp_path, name):
    assert_frame_equal(read_calls(write(tmp_path / name, separate(CALLS, "\t"))), CALLS)


def test_a_header_of_one_word_with_other_marks_in_it_is_one_column(tmp_path):
    calls = read_calls(write(tmp_path / "c.csv", "call_id,transcript,a;b|c;d;e;f\n1,Hi; you | there,x\n"))
    assert calls.columns == ["call_id", "transcript", "a;b|c;d;e;f"]
    assert calls["transcript"].to_list() == ["Hi; you | there"]


def test_a_line_that_is_too_long_is_named_with_its_separator(tmp_path):
    path = write(tmp_path / "c.csv", "call_id;transcript\n1;Hi\n2;Yes; really\n")
    with pytest.raises(
        CallsError, match=r"separated by semicolons \(line 3 has more fields than the first\); put text"
    ):
        read_calls(path)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1).filter(str.strip)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
)
def test_any_text_is_read_back_whatever_the_separator_and_encoding(texts, separator, encoding):
    calls = pl.DataFrame({"call_id": [f"c{n}" for n in range(len(texts))], "transcript": texts})
    with tempfile.TemporaryDirectory() as folder:
        content = separate(calls, separator, "\n").encode(encoding)
        assert_frame_equal(read_calls(write(Path(folder, "c.csv"), content)), calls)


ENCODED = [
    ("cp1252", "Windows-1252", WESTERN),
    ("cp1252", "Windows-1252", "café"),
    ("utf-16", "UTF-16", WESTERN),
    ("utf-16-le", "UTF-16", "Hello you"),
    ("utf-16-be", "UTF-16", "Hello you"),
    ("utf-32", "UTF-32", WESTERN),
    ("cp1251", "Windows-1251", RUSSIAN),
    ("cp932", "Shift JIS", "お電話ありがとうございます。ルーターが壊れました。"),
]


@pytest.mark.parametrize(("encoding", "name", "text"), ENCODED)
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".jsonl", ".json"])
def test_an_encoding_is_recognized_and_named(tmp_path, capsys, ending, encoding, name, text):
    line = json.dumps({"call_id": "c", "transcript": text}, ensure_ascii=False)
    table = f'call_id,transcript\r\nc,"{text}"\r\n'
    contents = {".csv": table, ".tsv": f"call_id\ttranscript\nc\t{text}\n", ".txt": text, ".jsonl": line, ".json": line}
    path = write(tmp_path / f"c{ending}", contents[ending].encode(encoding))
    assert join(read_calls(path)) == {"c": text}
    assert f"1 file read as {name}" in capsys.readouterr().out


def test_utf_8_with_and_without_its_mark_is_not_worth_a_word(tmp_path, capsys):
    for name, encoding in (("a.txt", "utf-8"), ("b.txt", "utf-8-sig")):
        write(tmp_path / name, WESTERN.encode(encoding))
    assert join(read_calls(tmp_path)) == {"a": WESTERN, "b": WESTERN}
    assert capsys.readouterr().out == ""


def test_files_of_one_encoding_are_named_in_one_line(tmp_path, capsys):
    for number in range(5):
        write(tmp_path / "calls" / f"{number}.txt", f"{number} {WESTERN}".encode("cp1252"))
    read_calls(tmp_path / "calls")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("5 files read as Windows-1252 (")
    assert "2.txt, ...); where letters are wrong, save it as UTF-8" in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Größe für Käse".encode() + b"\xff", "not UTF-8 at byte 18, but most of it is; write or download it again"),
        (b"ab\x81", "not UTF-8 at byte 2"),
        ("您好\uff0c请退款".encode("gb18030"), "it may be Windows-949 or GB 18030 .*; save it as UTF-8"),
        (b"\xff\xfeH\0i", "begins as UTF-16, but not all of it is that"),
    ],
)
def test_what_cannot_be_decoded_for_sure_is_refused_with_the_reason(tmp_path, content, reason):
    with pytest.raises(CallsError, match=reason):
        read_calls(write(tmp_path / "c.txt", content))


def test_a_few_words_of_another_alphabet_are_not_guessed_at(tmp_path):
    path = write(tmp_path / "c.txt", " ".join(["здравствуйте"] * 3).encode("cp1251"))
    with pytest.raises(CallsError, match=r"not UTF-8 at byte 0: it may be Windows-1251; save it as UTF-8"):
        read_calls(path)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [
                "Größe",
                "für",
                "Käse,",
                "naïve",
                "Señor",
                "café",
                "\u2013",
                "it\u2019s",
                "über",
                "50",
                "€",
                "façade",
                "voilà",
            ]
        ),
        min_size=3,
    )
)
def test_western_words_are_read_as_windows_1252(words):
    text = " ".join(words)
    with tempfile.TemporaryDirectory() as folder:
        assert join(read_calls(write(Path(folder, "c.txt"), f"{text} déjà".encode("cp1252")))) == {"c": f"{text} déjà"}


CALL_NAMES = [
    ("Call ID", "Transcript "),
    ("ContactId", "Transcription"),
    ("Contact ID", "body"),
    ("conversation_id", "content"),
    ("id", "text"),
    ("callSid", "conversation"),
    ("Conversation", "transcript"),
    ("filename", "dialogue"),
]


@pytest.mark.parametrize(("call_id", "transcript"), CALL_NAMES)
def test_usual_names_of_columns_of_calls_are_known(tmp_path, call_id, transcript):
    table = CALLS.rename({"call_id": call_id, "transcript": transcript}).with_columns(queue=pl.lit("a"))
    expected = CALLS.with_columns(queue=pl.lit("a"))
    assert_frame_equal(read_calls(write(tmp_path / "c.csv", separate(table, ","))), expected)


TURN_NAMES = [
    ("ContactId", "BeginOffsetMillis", "ParticipantRole", "Content"),
    ("conversation_id", "sequence", "sender", "body"),
    ("Conversation", "Start Time", "Speaker", "Utterance"),
    ("Call ID", "turn_number", "role", "message"),
]


@pytest.mark.parametrize("names", TURN_NAMES)
def test_usual_names_of_columns_of_turns_are_known(tmp_path, names):
    rows = [("a", 20, "agent", "Yes?"), ("a", 3, "customer", "Hi.")]
    table = pl.DataFrame(rows, list(names), orient="row")
    assert join(read_calls(write(tmp_path / "c.csv", separate(table, ";")))) == {"a": "Customer: Hi.\nAgent: Yes?"}


def test_an_exact_name_goes_before_a_usual_one(tmp_path):
    text = "ContactId,call_id,body,transcript\nx,1,no,yes\n"
    calls = read_calls(write(tmp_path / "c.csv", text))
    assert calls.to_dicts() == [{"call_id": "1", "transcript": "yes", "ContactId": "x", "body": "no"}]


def test_a_number_of_turns_is_no_list_of_turns(tmp_path):
    path = write(tmp_path / "c.jsonl", '{"id": "a", "turns": 4, "text": "Hi."}\n')
    assert read_calls(path).to_dicts() == [{"call_id": "a", "transcript": "Hi.", "turns": 4}]


def test_the_id_of_a_turn_is_not_that_of_its_call(tmp_path):
    with pytest.raises(CallsError, match=r"no column of ids; it has id, speaker, text; name it: .*call_id='COLUMN'\)"):
        read_calls(
            write(tmp_path / "c.csv", "id,speaker,text,start\n1,a,Hi.,0\n".replace(",start", "").replace(",0", "")),
            turn=None,
        )


def test_all_columns_that_are_missing_are_said_once_with_a_call_to_paste(tmp_path):
    path = write(tmp_path / "c.csv", "Kontakt,Rolle,Inhalt\n1,a,Hi.\n")
    with pytest.raises(CallsError) as caught:
        read_calls(path, profile="")
    assert str(caught.value) == (
        f"{path}: no column of ids or of transcripts (where a row is a call) or of words (where a row is a turn);"
        f" it has Kontakt, Rolle, Inhalt; name them: read_calls('{path}', call_id='COLUMN', transcript='COLUMN')"
    )
    assert "--" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_call_to_paste_has_what_was_given_and_reads_the_table(tmp_path):
    path = write(tmp_path / "c.csv", "Kontakt,speakr,Inhalt\nk,agent,Hi.\n")
    with pytest.raises(CallsError, match="no column that orders the turns or of speakers") as caught:
        read_calls(path, call_id="Kontakt", text="Inhalt")
    call = str(caught.value).rsplit(": ", 1)[1]
    assert call == f"read_calls('{path}', call_id='Kontakt', text='Inhalt', turn=None, speaker='speakr')"
    assert join(eval(call)) == {"k": "Agent: Hi."}


ORDERS = [
    ["9", "10", "11"],
    ["0:00:05", "0:00:30", "0:01:00"],
    ["5:09", "59:59", "1:00:05.5"],
    ["09:00:05,100", "09:00:05,900", "09:00:06"],
    ["2026-08-01T10:00:05Z", "2026-08-01T12:00:06+02:00", "2026-08-01T10:00:07.5Z"],
    ["2026-08-01 10:00", "2026-08-01 10:00:01", "2026-08-01 10:00:01.25"],
    ["1722500000000000001", "1722500000000000002", "1722500000000000003"],
    ["-0.5", "1e1", "10.5"],
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_turns_are_ordered_by_times_as_text(tmp_path, order, ending):
    rows = [("a", order[2], "three"), ("a", order[0], "one"), ("a", order[1], "two")]
    table = pl.DataFrame(rows, ["call_id", "start", "text"], orient="row")
    content = separate(table, ",") if ending == ".csv" else table.write_ndjson()
    calls = read_calls(write(tmp_path / f"t{ending}", content), speaker=None)
    assert join(calls) == {"a": "one\ntwo\nthree"}


MOMENTS = st.datetimes(datetime(1999, 1, 1), datetime(2049, 1, 1))
WRITINGS = {
    "iso": lambda time: time.isoformat(),
    "zone": lambda time: time.replace(tzinfo=UTC).isoformat(timespec="milliseconds"),
    "space": lambda time: time.strftime("%Y-%m-%d %H:%M:%S"),
    "clock": lambda time: str(
        timedelta(seconds=int(time.timestamp()) % 1_000_000) // timedelta(seconds=1) * timedelta(seconds=1)
    ).split(", ")[-1],
    "number": lambda time: str(int(time.timestamp())),
}


@settings(deadline=None, max_examples=80)
@given(st.lists(MOMENTS, min_size=1, max_size=6, unique=True), st.sampled_from([*WRITINGS]))
def test_any_times_order_turns_as_the_times_do(times, writing):
    written = [WRITINGS[writing](time) for time in times]
    keys = {text: parse(writing, text) for text in written}
    table = pl.DataFrame({"call_id": "a", "start": written, "text": [f"t{n}" for n in range(len(times))]})
    expected = [f"t{n}" for n in sorted(range(len(times)), key=lambda n: (keys[written[n]], n))]
    with tempfile.TemporaryDirectory() as folder:
        calls = read_calls(write(Path(folder, "t.jsonl"), table.write_ndjson()), speaker=None)
    assert join(calls)["a"].split("\n") == expected


def parse(writing, text):
    """Parse a time by Python's own means."""
    if writing == "number":
        return int(text)
    if writing == "clock":
        hours, minutes, seconds = map(int, text.split(":"))
        return hours * 3600 + minutes * 60 + seconds
    return datetime.fromisoformat(text)


def test_an_order_that_is_none_is_told_from_one_that_is_missing(tmp_path):
    text = "call_id,start,speaker,text\na,0:05,x,Hi.\nb,{},x,Hi.\n"
    with pytest.raises(CallsError, match=r"turns whose order is no number, .*in 1 call \(b\).*turn=None\)"):
        read_calls(write(tmp_path / "t.csv", text.format("soon")))
    with pytest.raises(CallsError, match=r"turns without a number or time, in 1 call \(b\)"):
        read_calls(write(tmp_path / "t.csv", text.format("")))


AGENT, CUSTOMER = {"speaker": "agent", "text": "Hello"}, {"speaker": "customer", "text": "Refund"}
LISTS = [
    ("transcript", [AGENT, CUSTOMER]),
    ("turns", [AGENT, CUSTOMER]),
    ("messages", [{"role": "agent", "content": "Hello"}, {"role": "customer", "content": "Refund"}]),
    (
        "utterances",
        [{"ParticipantRole": "agent", "Body": "Hello", "n": 1}, {"ParticipantRole": "customer", "Body": "Refund"}],
    ),
    ("conversation", [["agent", "Hello"], ["customer", "Refund"]]),
    ("dialogue", ["Agent: Hello", "Customer: Refund"]),
    ("Wechselrede", [{"who": "agent", "said": "Hello"}, {"who": "customer", "said": "Refund"}]),
    ("Transcript", [AGENT, {"speaker": "agent", "text": " "}, {"speaker": None, "text": None}, CUSTOMER]),
]


@pytest.mark.parametrize(("name", "turns"), LISTS)
@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
def test_turns_in_a_list_are_joined_whatever_they_are_called(tmp_path, name, turns, ending):
    rows = [{"call_id": "c1", name: turns, "queue": "a"}, {"call_id": "c2", name: turns[:1], "queue": "b"}]
    path = tmp_path / f"c{ending}"
    if ending == ".parquet":
        pl.DataFrame(rows, strict=False).write_parquet(path)
    else:
        path.write_text(json.dumps(rows) if ending == ".json" else "\n".join(map(json.dumps, rows)))
    calls = read_calls(path)
    assert join(calls) == {"c1": "Agent: Hello\nCustomer: Refund", "c2": "Agent: Hello"}
    assert calls.columns == ["call_id", "transcript", "queue", "turns" if name == "transcript" else name]


@pytest.mark.parametrize("name", ["transcript", "conversation", "data"])
def test_turns_in_a_list_in_an_object_are_joined(tmp_path, name):
    path = write(tmp_path / "c.jsonl", json.dumps({"call_id": "a", name: {"messages": [AGENT, CUSTOMER]}}))
    assert join(read_calls(path)) == {"a": "Agent: Hello\nCustomer: Refund"}


def test_a_call_of_a_list_without_words_is_empty(tmp_path):
    rows = [{"call_id": "a", "turns": [AGENT]}, {"call_id": "b", "turns": []}, {"call_id": "c"}]
    path = write(tmp_path / "c.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(CallsError, match=r"2 empty transcripts \(b, c\)"):
        read_calls(path)
    assert join(read_calls(path, empty="drop")) == {"a": "Agent: Hello"}


def test_turns_in_a_list_without_words_name_their_fields(tmp_path):
    path = write(tmp_path / "c.jsonl", json.dumps({"call_id": "a", "turns": [{"who": "x", "spoken": "Hi."}]}))
    with pytest.raises(
        CallsError, match=r"no field of words in the turns; a turn has who, spoken; name it: .*text='COLUMN'\)"
    ):
        read_calls(path)
    assert join(read_calls(path, transcript="turns", text="spoken")) == {"a": "X: Hi."}


@pytest.mark.parametrize(
    "document",
    [
        [{"call_id": "a", "transcript": "Hi."}, {"call_id": "b", "transcript": "Yes."}],
        {"exported": "today", "calls": [{"call_id": "a", "transcript": "Hi."}, {"call_id": "b", "transcript": "Yes."}]},
        [
            {"call_id": call, "turn": n, "speaker": "", "text": text}
            for n, (call, text) in enumerate([("a", "Hi."), ("b", "Yes.")])
        ],
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects_in_a_json_file_is_a_table(tmp_path, document, indent):
    path = write(tmp_path / "c.json", json.dumps(document, indent=indent))
    assert join(read_calls(path)) == {"a": "Hi.", "b": "Yes."}


def test_json_lines_are_read_by_whatever_name(tmp_path):
    lines = '{"call_id": "a", "transcript": "Hi."}\n{"call_id": "b", "transcript": "Yes."}\n'
    listed = '\n [{"call_id": "a", "transcript": "Hi."},\n {"call_id": "b", "transcript": "Yes."}]'
    assert join(read_calls(write(tmp_path / "c.json", lines))) == {"a": "Hi.", "b": "Yes."}
    assert join(read_calls(write(tmp_path / "c.jsonl", listed))) == {"a": "Hi.", "b": "Yes."}


def test_a_folder_of_json_files_of_one_call_each_is_a_table(tmp_path):
    write(tmp_path / "calls" / "a.json", json.dumps({"transcript": "Hi.", "queue": "x"}))
    write(tmp_path / "calls" / "b.json", json.dumps({"turns": [AGENT]}))
    write(tmp_path / "calls" / "c.json", json.dumps({"conversation_id": "7", "messages": [{"id": 1, "text": "Yes."}]}))
    assert join(read_calls(tmp_path / "calls")) == {"a": "Hi.", "b": "Agent: Hello", "7": "Yes."}


@pytest.mark.parametrize("depth", [40, 5000])
def test_a_list_in_a_json_file_may_not_be_deep(tmp_path, depth):
    text = '[{"call_id": "a", "transcript": "Hi.", "x": ' + "[" * depth + "]" * depth + "}]"
    for name in ("c.json", "c.jsonl"):
        with pytest.raises(CallsError, match=r"nested|not a transcript|not JSON|fields"):
            read_calls(write(tmp_path / name, text))


def write_workbook(path, sheets):
    """Write sheets of rows of texts and numbers as the least workbook that Excel opens."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        kind = '<?xml version="1.0"?><{} xmlns="http://schemas.openxmlformats.org/{}"{}>{}</{}>'
        main, office = "spreadsheetml/2006/main", "officeDocument/2006/relationships"
        types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        parts = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        parts += f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
        listed = related = ""
        for number, (name, rows) in enumerate(sheets.items(), start=1):
            parts += f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{types}.worksheet+xml"/>'
            listed += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
            related += f'<Relationship Id="r{number}" Target="worksheets/sheet{number}.xml" Type="http://schemas.openxmlformats.org/{office}/worksheet"/>'
            body = "".join(f"<row>{''.join(map(write_cell, row))}</row>" for row in rows)
            book.writestr(
                f"xl/worksheets/sheet{number}.xml",
                kind.format("worksheet", main, "", f"<sheetData>{body}</sheetData>", "worksheet"),
            )
        package = "package/2006/relationships"
        book.writestr("[Content_Types].xml", kind.format("Types", "package/2006/content-types", "", parts, "Types"))
        first = f'<Relationship Id="r1" Target="xl/workbook.xml" Type="http://schemas.openxmlformats.org/{office}/officeDocument"/>'
        book.writestr("_rels/.rels", kind.format("Relationships", package, "", first, "Relationships"))
        names = f' xmlns:r="http://schemas.openxmlformats.org/{office}"'
        book.writestr("xl/workbook.xml", kind.format("workbook", main, names, f"<sheets>{listed}</sheets>", "workbook"))
        book.writestr("xl/_rels/workbook.xml.rels", kind.format("Relationships", package, "", related, "Relationships"))
    return path


def write_cell(value):
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return "<c/>" if value is None else f"<c><v>{value}</v></c>"


def test_a_workbook_is_a_table(tmp_path, capsys):
    rows = [
        ("Contact ID", "Transcript", "seconds"),
        (7, "Agent: 50 € & <more>\nCustomer: نعم", 12),
        (None, None, None),
        (8, "Hi.", 3.5),
    ]
    calls = read_calls(write_workbook(tmp_path / "c.xlsx", {"Calls": rows}))
    texts = ["Agent: 50 € & <more>\nCustomer: نعم", "Hi."]
    assert_frame_equal(calls, pl.DataFrame({"call_id": ["7", "8"], "transcript": texts, "seconds": [12.0, 3.5]}))
    assert capsys.readouterr().out == ""


def test_a_workbook_may_have_a_row_per_turn_and_ids_that_begin_with_zero(tmp_path):
    rows = [("call_id", "start", "speaker", "text"), ("007", 2, "agent", "Yes?"), ("007", 1, "customer", "Hi.")]
    assert join(read_calls(write_workbook(tmp_path / "c.xlsx", {"T": rows}))) == {"007": "Customer: Hi.\nAgent: Yes?"}


def test_other_sheets_and_cut_texts_are_named(tmp_path, capsys):
    rows = [("call_id", "transcript"), ("a", "x" * 32_767), ("b", "Hi.")]
    path = write_workbook(tmp_path / "c.xlsx", {"Empty": [], "Calls": rows, "Notes": [("n",), ("m",)]})
    assert len(read_calls(path)) == 2
    said = capsys.readouterr().out
    assert "c.xlsx: only the sheet Calls is read, not Notes" in said
    assert "1 cells have 32,767 characters, where Excel cuts a text" in said


@pytest.mark.parametrize("content", [b"x", b"PK\x03\x04", b""])
def test_a_damaged_workbook_is_refused(tmp_path, content):
    with pytest.raises(CallsError, match=r"c\.xlsx: cannot be read as a workbook .*; write or download it again"):
        read_calls(write(tmp_path / "c.xlsx", content))


def test_a_workbook_that_unpacks_to_very_much_is_refused(tmp_path):
    path = write_workbook(tmp_path / "c.xlsx", {"Calls": [("call_id", "transcript"), ("a", "x" * 100_000_000)]})
    with pytest.raises(CallsError, match="unpacks to more than 100 times"):
        read_calls(path)


def test_ids_that_excel_has_rounded_are_named_as_such(tmp_path):
    text = "call_id,transcript\n1.23457E+17,a\n1.23457E+17,b\n"
    with pytest.raises(CallsError, match=r"1 ids belong to more than one call .*; Excel has rounded long numbers"):
        read_calls(write(tmp_path / "c.csv", text))
