"""The tables of docs/transcripts.md are those of the code."""

import re
from pathlib import Path

import pytest

from analysis.transcripts import naming
from analysis.transcripts.formats import FORMATS

PAGE = Path(__file__).parents[3] / "docs" / "transcripts.md"


def write_names():
    """Write the table of the names that are known."""
    titles = {
        "call_id": "its id", "transcript": "the whole call", "turn": "what orders the turns",
        "speaker": "who said a turn", "text": "what was said in a turn",
    }  # fmt: skip
    more = {
        "call_id": f", of a table of calls also {list_names(naming.IDS_OF_CALLS)}",
        "transcript": f", and lists of turns called {list_names(naming.LISTS)}",
    }
    lines = [
        f"| `{word}` | {title} | {list_names(naming.USUAL[word])}{more.get(word, '')} |"
        for word, title in titles.items()
    ]
    return "\n".join(["| name | | names that are known |", "|---|---|---|", *lines])


def list_names(names):
    return ", ".join(f"`{name}`" for name in names)


def write_fields():
    """Write the table of the fields that become columns."""
    lines = []
    for known in (each for each in FORMATS if each.fields):
        first = f"{known.title} (`{known.source_format}`)"
        for column, fields in known.fields.items():
            lines.append(f"| {first} | `{column}` | {', else '.join(f'`{field}`' for field in fields)} |")
            first = ""
    return "\n".join(["| service | column | field |", "|---|---|---|", *lines])


TABLES = {"names": write_names, "fields": write_fields}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_page_is_that_of_the_code(name):
    shown = re.search(rf"<!-- {name} -->\n(.*?)\n\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown[1] == TABLES[name]()
