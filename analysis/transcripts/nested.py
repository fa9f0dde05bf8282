"""Join the turns of calls that are lists in a column of a table, as JSON lines and Parquet can have them."""

from __future__ import annotations

from typing import Any

import polars as pl

from analysis.errors import CallsError, show_names
from analysis.transcripts.naming import UNKNOWN, find_usual_columns, has_words
from analysis.transcripts.sources import ColumnNames
from analysis.transcripts.turns import format_lines

TURNS = "turns"  # the column in which the lists are kept


def open_objects(table: pl.DataFrame) -> pl.DataFrame:
    """Replace each column of objects that hold but a list of turns, as {"messages": [...]}, by the lists."""
    for name, dtype in table.schema.items():
        fields = dtype.fields if isinstance(dtype, pl.Struct) else []
        if len(fields) == 1 and isinstance(fields[0].dtype, pl.List) and has_words(fields[0].dtype.inner):
            table = table.with_columns(pl.col(name).struct.field(fields[0].name).alias(name))
    return table


def join_lists(label: str, calls: pl.DataFrame, name: str, columns: ColumnNames) -> pl.DataFrame:
    """Make each transcript of the turns in its list, in the order of the list, and keep the lists as a column.

    A turn is an object, a pair of speaker and words, or words alone.
    """
    turns = calls.select(pl.int_range(pl.len()).alias("row"), turn="transcript").explode("turn").drop_nulls("turn")
    turns = divide_turns(label, name, turns, columns).filter(pl.col("text").str.contains(r"\S"))
    joined = turns.group_by("row", maintain_order=True).agg(format_lines(turns).str.join("\n").alias("transcript"))
    kept = name if name != "transcript" else TURNS
    if kept in calls.columns:
        raise CallsError(label, f"a second column is called {kept!r}", "rename or remove it")
    listed = calls.rename({"transcript": kept}).with_columns(pl.int_range(pl.len()).alias("row"))
    # A left join, so that a call without words keeps its row.
    full = listed.join(joined, on="row", how="left", maintain_order="left").drop("row")
    return full.select("call_id", "transcript", pl.exclude("call_id", "transcript", kept), kept)


def divide_turns(label: str, column: str, turns: pl.DataFrame, columns: ColumnNames) -> pl.DataFrame:
    """Divide turns into speaker and words, beside the row that they are of."""
    kind = turns.schema["turn"]
    if isinstance(kind, pl.List):
        return divide_pairs(label, turns)
    if not isinstance(kind, pl.Struct):
        return turns.select("row", text=read_words(label, turns["turn"]))
    fields: dict[str, Any] = {field.name: field.dtype for field in kind.fields}
    of_turns = ColumnNames(turn=columns.turn, speaker=columns.speaker, text=columns.text)
    found = find_usual_columns({name: dtype for name, dtype in fields.items() if not dtype.is_nested()}, of_turns)
    words = found.get("text", found.get("transcript"))
    if words is None:
        cure = f"a turn has {show_names(fields)}; name it"
        arguments = {"transcript": column, "text": UNKNOWN}
        raise CallsError(label, "no field of words in the turns", cure, arguments=arguments)
    named = {"text": words} | ({"speaker": found["speaker"]} if "speaker" in found else {})
    values = (pl.col("turn").struct.field(name).cast(pl.String).alias(word) for word, name in named.items())
    return turns.select("row", *values)


def divide_pairs(label: str, turns: pl.DataFrame) -> pl.DataFrame:
    """Divide lists of two texts into speaker and words."""
    kind = turns.schema["turn"]
    if kind != pl.List(pl.String) or (turns["turn"].list.len() != 2).any():
        raise CallsError(label, "a turn is a list, but not of a speaker and words", "write it as an object")
    return turns.select("row", speaker=pl.col("turn").list.get(0), text=pl.col("turn").list.get(1))


def read_words(label: str, words: pl.Series) -> pl.Series:
    """Return turns that are texts; raise for those of another type."""
    if words.dtype not in (pl.String, pl.Null):
        raise CallsError(label, f"the turns have the type {words.dtype.base_type()}", "they must be texts or objects")
    return words.cast(pl.String)
