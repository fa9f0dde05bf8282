"""Find the columns of a table that hold ids, transcripts, turns, speakers and words, by the names that are usual."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from analysis.errors import NAME_CHARS, CallsError
from analysis.transcripts.sources import COMPARED, ColumnNames, suggest_columns

DEFAULTS = ColumnNames()
TITLES = {
    "call_id": "of ids",
    "transcript": "of transcripts (where a row is a call)",
    "turn": "that orders the turns",
    "speaker": "of speakers",
    "text": "of words (where a row is a turn)",
}
OF_CALLS, OF_TURNS = ("call_id", "transcript"), ("call_id", "turn", "speaker", "text")
# Without case, spaces and marks; the first one that a table has counts.
USUAL = {
    "call_id": (
        "callid", "contactid", "conversationid", "callsid", "interactionid", "sessionid", "chatid", "convoid",
        "dialogueid", "dialogid", "recordingid", "initialcontactid", "callguid", "callreference", "call", "contact",
    ),
    "transcript": (
        "transcript", "transcription", "transcripttext", "transcriptiontext", "fulltranscript", "calltranscript",
        "conversationtranscript", "chattranscript", "conversationtext", "dialogue", "dialog",
    ),
    "speaker": (
        "speaker", "participantrole", "speakerrole", "role", "speakername", "speakerlabel", "speakerid", "participant",
        "participantname", "participantid", "sender", "sendertype", "sendername", "author", "authorrole", "from",
        "party", "displayname", "who",
    ),
    "text": ("text", "utterance", "body", "content", "message", "messagetext", "messagebody", "sentence", "phrase",
             "displaytext", "words", "said"),
    "turn": (
        "turn", "turnid", "turnnumber", "turnindex", "turnno", "utterancenumber", "utteranceindex", "sequence",
        "sequencenumber", "seq", "beginoffsetmillis", "startoffsetmillis", "beginms", "startms", "starttimems", "begin",
        "start", "begintime", "starttime", "startoffset", "offset", "offsetms", "timestamp", "absolutetime", "time",
        "datetime", "createdat", "sentat", "linenumber",
    ),
}  # fmt: skip
LISTS = ("turns", "messages", "utterances", "segments", "phrases", "entries", "exchanges")  # of turns, in one row
EITHER = "conversation"  # the words where the table has another column of ids, else the ids
IDS_OF_CALLS = ("id", "uuid", "guid", "filename", "file", "recording")  # a turn may have such of its own
UNKNOWN = "COLUMN"
WITHOUT = {"turn": "without one the order is the file's", "speaker": "without one a line is the words alone"}


def find_columns(label: str, schema: Mapping[str, pl.DataType], columns: ColumnNames) -> dict[str, str]:
    """Map our names to the table's, of calls or else of turns.

    Raises
    ------
    CallsError
        Columns are missing, by a usual name or by the one that the caller gave: all are named at once.
    """
    found = find_usual_columns(schema, columns)
    needed = OF_TURNS if "text" in found or is_given_as_turns(columns) else OF_CALLS
    # Then the other names are those of fields in the list.
    is_list = "transcript" in found and schema[found["transcript"]].is_nested()
    missing = [
        word
        for word, name in vars(columns).items()
        if (word in needed and word not in found and name is not None)
        or (word in list_given(columns) and name not in schema and (word in needed or not is_list))
    ]
    if missing:
        raise explain_missing(label, missing, [name for name in schema if name not in found.values()], columns, schema)
    return found


def find_usual_columns(schema: Mapping[str, pl.DataType], columns: ColumnNames) -> dict[str, str]:
    """Map our names to the table's, as far as it has such columns."""
    given = list_given(columns)
    names = {plain(name): name for name in reversed(list(schema))}

    def pick(word: str, usual: Iterable[str]) -> str | None:
        name: str | None = vars(columns)[word]
        if name is None or name in schema or word in given:
            return name if name in schema else None
        return next((names[each] for each in usual if each in names and fits(word, each, schema[names[each]])), None)

    call_id = pick("call_id", USUAL["call_id"])
    found = {word: pick(word, USUAL[word]) for word in ("turn", "speaker", "text")}
    transcript = pick("transcript", (*USUAL["transcript"], *LISTS, *((EITHER,) if call_id else ())))
    if transcript is None and not found["text"]:
        transcript = find_only_list(schema) if "transcript" not in given else None
    is_of_turns = transcript is None and found["text"] and (found["turn"] or found["speaker"])
    if is_given_as_turns(columns) or (is_of_turns and "transcript" not in given):
        pairs = {"call_id": call_id or pick("call_id", (EITHER,)), **found}
    else:
        call_id = call_id or pick("call_id", (EITHER, *IDS_OF_CALLS))
        pairs = {"call_id": call_id, "transcript": transcript or (None if "transcript" in given else found["text"])}
    return {word: name for word, name in pairs.items() if name is not None}


def find_only_list(schema: Mapping[str, pl.DataType]) -> str | None:
    """Return the one column whose values are lists of objects with words, whatever it is called."""
    lists = [name for name, dtype in schema.items() if isinstance(dtype, pl.List) and has_words(dtype.inner)]
    return lists[0] if len(lists) == 1 else None


def has_words(dtype: Any) -> bool:
    """Return whether objects have a field of words."""
    fields = dtype.fields if isinstance(dtype, pl.Struct) else []
    return any(plain(field.name) in USUAL["text"] and field.dtype == pl.String for field in fields)


def fits(word: str, name: str, dtype: pl.DataType) -> bool:
    """Return whether a column may be what its name says: a number of messages is not what was said."""
    is_text = isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
    if word == "transcript":
        return isinstance(dtype, pl.List) or (is_text and name not in LISTS)
    return is_text if word == "text" else not dtype.is_nested()


def is_given_as_turns(columns: ColumnNames) -> bool:
    """Return whether the caller has named the words of turns, and no transcripts."""
    return list_given(columns) & {"transcript", "text"} == {"text"}


def list_given(columns: ColumnNames) -> set[str]:
    """List the words for which the caller has given a name."""
    return {word for word, name in vars(columns).items() if name not in {None, getattr(DEFAULTS, word)}}


def explain_missing(
    label: str, missing: list[str], free: list[str], columns: ColumnNames, present: Iterable[str]
) -> CallsError:
    """Return an error that names all missing columns, with the arguments that give them."""
    given = list_given(columns)
    is_unclear = "transcript" in missing and "transcript" not in given
    titles = [f"{vars(columns)[word]!r}" if word in given else TITLES[word] for word in missing]
    titles += [TITLES["text"]] if is_unclear and "text" not in missing else []
    arguments = {word: find_near(word, free, columns) for word in missing}
    asked = vars(columns)[missing[0]] if missing[0] in given else missing[0]
    notes = [WITHOUT[word] for word in missing if arguments[word] is None]
    cure = "; ".join([suggest_columns(asked, list(present)), *notes, "name them" if len(arguments) > 1 else "name it"])
    return CallsError(label, f"no column {' or '.join(titles)}", cure, arguments=arguments)


def find_near(word: str, free: list[str], columns: ColumnNames) -> str | None:
    """Return the column whose name is most like a usual one; else None where it is not needed, or a gap to fill."""
    names = {plain(column): column for column in free[:COMPARED] if len(column) <= NAME_CHARS}
    wanted = [plain(vars(columns)[word])] if word in list_given(columns) else USUAL[word]
    close = (difflib.get_close_matches(each, names, n=1, cutoff=0.75) for each in wanted)
    near = next(filter(None, close), None)
    return names[near[0]] if near else None if word in WITHOUT else UNKNOWN


def plain(name: str) -> str:
    """Return a name without case, spaces and marks."""
    return re.sub(r"[\W_]+", "", name.lower())
