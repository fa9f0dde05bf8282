import msgspec
import pytest

from analysis.prompts import Prompt


@pytest.fixture
def make_prompt():
    """Make a prompt of a model, with a system text and the inference parameters that every family has."""

    def make(model_id, **fields):
        fields = {"system": "You write notes.", "max_tokens": 400, "temperature": 0.5, "top_p": 0.9} | fields
        return Prompt(name="short", model_id=model_id, template="{{ transcript }}", **fields)

    return make


@pytest.fixture
def read():
    """Read an answer, given as JSON text, with the Struct of a family."""
    return lambda family, body: family.read_answer(body.encode())


@pytest.fixture
def echo():
    """Encode a request and decode it with the Struct of a family."""
    return lambda family, body: msgspec.json.decode(msgspec.json.encode(body), type=family.request)
