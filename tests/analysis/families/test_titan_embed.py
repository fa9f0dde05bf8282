import pytest

from analysis.families.family import ParsedAnswer, Vectors
from analysis.families.titan_embed import TITAN_EMBED


@pytest.mark.parametrize(
    ("body", "vectors"),
    [
        ('{"embedding":[0.5,-0.25],"inputTextTokenCount":9}', Vectors(1, 2, "float")),
        (
            '{"embedding":[0.5,0.1],"embeddingsByType":{"float":[0.5,0.1],"binary":[1,0]},"inputTextTokenCount":9}',
            Vectors(1, 2, "float, binary"),
        ),
        ('{"embeddingsByType":{"binary":[1,0,1]},"inputTextTokenCount":9}', Vectors(1, 3, "binary")),
        ('{"embedding":[0.5,1e-3,7],"inputTextTokenCount":9,"message":null}', Vectors(1, 3, "float")),
        ('{"embedding":null,"message":"too large","inputTextTokenCount":9}', None),
        ('{"embedding":[],"inputTextTokenCount":9}', None),
        ('{"embedding":"x","embeddingsByType":5,"inputTextTokenCount":9}', None),
    ],
)
def test_a_vector_is_described(read, body, vectors):
    assert read(TITAN_EMBED, body) == ParsedAnswer(input_tokens=9, output_tokens=0, vectors=vectors)


@pytest.mark.parametrize(
    ("request_", "has_own_field"),
    [
        ({"inputText": "x", "dimensions": 256, "normalize": True}, True),
        ({"inputText": "x", "embeddingTypes": ["binary"]}, True),
        ({"inputImage": "x", "embeddingConfig": {"outputEmbeddingLength": 256}}, True),
        ({"inputText": "x"}, False),
    ],
)
def test_a_request_is_told_by_what_only_embeddings_have(echo, request_, has_own_field):
    assert echo(TITAN_EMBED, request_).has_own_field() == has_own_field


@pytest.mark.parametrize(
    "model", ["amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0", "amazon.titan-embed-image-v1"]
)
def test_the_models_are_those_of_embeddings(model):
    assert TITAN_EMBED.models.match(model)
