from analysis.families.family import ParsedAnswer, Vectors
from analysis.families.nova import NOVA
from analysis.families.nova_embed import NOVA_EMBED

MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"


def test_each_vector_is_in_an_object(read):
    body = '{"embeddings":[{"embeddingType":"TEXT","embedding":[0.5,0.25,0.1],"truncatedCharLength":5}]}'
    assert read(NOVA_EMBED, body) == ParsedAnswer(output_tokens=0, vectors=Vectors(1, 3, "float"))


def test_the_model_is_not_one_of_nova_s_text_models():
    assert NOVA_EMBED.models.match(MODEL)
    assert not NOVA.models.match(MODEL)
