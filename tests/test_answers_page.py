"""The table of docs/answers.md is what the reader makes of the answers in it."""

import json
import re
from pathlib import Path

import pytest

from analysis.outputs.frames import list_columns
from analysis.outputs.lines import read_lines

TEXT = (Path(__file__).parents[1] / "docs/answers.md").read_text(encoding="utf-8")
COLUMNS = ("family", "text", "tool_calls", "skipped_blocks", "reasoning_chars", "vectors", "error_message")
ROWS = [line.split(" | ") for line in re.findall(r"^\| (`\{.*) \|$", TEXT, re.MULTILINE)]


def compute_cells(answer: str) -> list[str]:
    """Write what the reader makes of an answer as the cells of its row."""
    line = f'{{"recordId":"r1","modelInput":{{}},"modelOutput":{answer}}}'.encode()
    (row,) = read_lines([line], "a.jsonl.out")
    columns = list_columns([row])
    cells = [columns[name][0] for name in COLUMNS]
    written = ["" if cell is None else f"`{json.dumps(cell, ensure_ascii=False)}`" for cell in cells]
    return [cell.replace("|", "\\|") for cell in written]


def test_the_table_has_the_columns_and_every_kind_of_answer():
    assert "| " + " | ".join(["modelOutput", *COLUMNS]) + " |" in TEXT
    assert len(ROWS) >= 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_of_the_table_is_what_the_reader_gives(row):
    answer, *cells = row
    assert [cell.strip() for cell in cells] == compute_cells(answer.strip("`"))
