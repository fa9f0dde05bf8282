import gzip
import json

import pytest

from analysis.transcripts import read_calls


@pytest.fixture
def write_json(tmp_path):
    """Write a document into a folder of calls; bytes unchanged."""

    def write(name, document):
        path = tmp_path / "calls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.fixture
def read_one(write_json):
    """Read the one call of a document as a dictionary."""

    def read(document, name="file.json"):
        (call,) = read_calls(write_json(name, document)).to_dicts()
        return call

    return read


@pytest.fixture
def read_turns(read_one):
    """Read the turns of a document as tuples of speaker, text, begin and end."""

    def read(document):
        turns = read_one(document)["turns"]
        return [(turn["speaker"], turn["text"], turn["begin_ms"], turn["end_ms"]) for turn in turns]

    return read
