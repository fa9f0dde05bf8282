import json

import pytest

from analysis.families.cohere_embed import COHERE_EMBED
from analysis.families.family import ParsedAnswer, Vectors


@pytest.mark.parametrize(
    ("embeddings", "vectors"),
    [
        ([[0.5, 0.25]], Vectors(1, 2, "float")),
        ([[0.5, 0.25, 0.1], [0.1, 0.2, 0.3]], Vectors(2, 3, "float")),
        ({"float": [[0.5, 0.25]]}, Vectors(1, 2, "float")),
        ({"int8": [[5, -2], [1, 2]], "ubinary": [[3], [4]]}, Vectors(2, 2, "int8, ubinary")),
        ({"float": None, "int8": [[5, -2]]}, Vectors(1, 2, "int8")),
        ({"base64": ["AAAAPw=="]}, Vectors(1, None, "base64")),
        ([], None),
        ({}, None),
        (None, None),
        ("x", None),
    ],
)
def test_vectors_are_described(read, embeddings, vectors):
    body = json.dumps({"id": "a", "response_type": "embeddings_floats", "embeddings": embeddings, "texts": ["hi"]})
    assert read(COHERE_EMBED, body) == ParsedAnswer(output_tokens=0, vectors=vectors)


def test_tokens_are_those_that_are_billed(read):
    body = '{"embeddings":[[0.5]],"meta":{"billed_units":{"input_tokens":9}}}'
    assert read(COHERE_EMBED, body).input_tokens == 9


def test_a_request_is_told_by_its_input_type(echo):
    assert echo(COHERE_EMBED, {"texts": ["x"], "input_type": "search_document"}).has_own_field()
    assert not echo(COHERE_EMBED, {"texts": ["x"]}).has_own_field()


@pytest.mark.parametrize("model", ["cohere.embed-english-v3", "cohere.embed-multilingual-v3", "cohere.embed-v4:0"])
def test_the_models_are_those_of_embeddings(model):
    assert COHERE_EMBED.models.match(model)
