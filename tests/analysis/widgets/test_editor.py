import polars as pl
import pytest

from analysis import preview
from analysis.errors import ColumnError, PromptError
from analysis.widgets import edit_prompt

TEXT = """---
model_id: us.amazon.nova-micro-v1:0
max_tokens: 50
---
# System
Be brief.

# User
Sum up:

{{ transcript }}
"""
LONGER = TEXT.replace("Sum up:", "Sum up in one sentence:")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "short.md"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def calls():
    return pl.DataFrame({"call_id": ["c1", "c2"], "transcript": ["My $20 \x1b[31m<b>", "Line down."]})


@pytest.fixture
def editor(file, calls):
    return edit_prompt(file, calls)


def ask(widget, action, text=None):
    number = widget.asked.get("number", 0) + 1
    widget.asked = {"do": action, "number": number} | ({} if text is None else {"text": text})


def test_what_the_model_will_see_stands_beside_the_text(editor, file, calls):
    shown = preview(file, calls.row(0, named=True))
    assert editor.heading == shown.heading()
    assert editor.parts == [["System", "Be brief."], ["User", "Sum up:\n\nMy $20 \\x1b[31m<b>"]]
    editor.position = 1
    assert editor.parts[1] == ["User", "Sum up:\n\nLine down."]


def test_the_preview_follows_what_is_written_and_the_file_does_not(editor, file):
    editor.text = LONGER
    assert editor.parts[1][1].startswith("Sum up in one sentence:")
    assert file.read_text() == TEXT
    assert "not saved" in editor.told


def test_what_is_saved_is_in_the_file_and_can_be_undone(editor, file):
    ask(editor, "save", LONGER)
    assert file.read_text() == LONGER
    assert "short.md, saved." in editor.told
    ask(editor, "undo")
    assert (file.read_text(), editor.text, editor.can_undo) == (TEXT, TEXT, False)


def test_undo_drops_first_what_is_not_saved(editor, file):
    ask(editor, "save", LONGER)
    ask(editor, "undo", LONGER + "more")
    assert (file.read_text(), editor.text, editor.can_undo) == (LONGER, LONGER, True)


def test_what_is_no_prompt_is_said_and_not_saved(editor, file):
    ask(editor, "save", TEXT.replace("{{ transcript }}", "{{ transcrip }}"))
    assert "no variable 'transcrip'" in editor.problem
    ask(editor, "save", "no header")
    assert "not a prompt file" in editor.problem
    assert file.read_text() == TEXT
    editor.text = LONGER
    assert editor.problem == ""


def test_what_another_program_wrote_is_not_overwritten(editor, file):
    other = TEXT.replace("brief", "polite")
    file.write_text(other)
    ask(editor, "save", LONGER)
    assert "another program has changed it; reload it" in editor.problem
    assert file.read_text() == other
    ask(editor, "reload")
    assert (editor.text, editor.problem) == (other, "")


def test_a_save_that_failed_leaves_nothing_to_undo_in_the_file(editor, file):
    file.write_text(TEXT + "x")
    ask(editor, "save", LONGER)
    ask(editor, "undo")
    ask(editor, "undo")
    assert (file.read_text(), editor.text) == (TEXT + "x", TEXT)


def test_the_ends_of_lines_stay(file, calls):
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    ask(edit_prompt(file, calls), "save", LONGER)
    assert file.read_bytes() == LONGER.replace("\n", "\r\n").encode()


def test_the_model_is_asked_by_the_button_alone(account, file, calls):
    editor = edit_prompt(file, calls, profile="emulator")
    assert [title for title, _ in editor.parts] == ["System", "User"]
    ask(editor, "ask", LONGER)
    assert editor.parts[2][0].startswith("Answer (")
    editor.position = 1
    assert len(editor.parts) == 2


def test_without_calls_there_is_nothing_to_show(file, calls):
    with pytest.raises(PromptError, match="no calls to show it with"):
        edit_prompt(file, calls.head(0))
    with pytest.raises(ColumnError, match="no column 'transcript'"):
        edit_prompt(file, calls.drop("transcript"))


def test_pandas_is_taken_as_well(file, calls, kind):
    assert edit_prompt(file, kind.make(calls)).calls == 2
