"""Embedding models: their answers in every format, and vectors that are near where texts share words."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import load_outputs
from bedrock_local import open_session
from bedrock_local.families import EMBEDDERS, find_embedder
from bedrock_local.families.vectors import embed_text, quantize
from bedrock_local.models import EMBEDDING_MODELS

TITAN, TITAN_1, IMAGE = "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1", "amazon.titan-embed-image-v1"
NOVA, COHERE, COHERE_4 = "amazon.nova-2-multimodal-embeddings-v1:0", "cohere.embed-english-v3", "cohere.embed-v4:0"
TEXTS = ["my card is lost", "my card was lost", "the weather in spring"]


def nova(text, /, **more):
    given = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": "END", "value": text}}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": given | more}


def cohere(*texts, **more):
    return {"input_type": "search_document", "texts": list(texts)} | more


# A body for one text, where the vector is in the answer, and how long it is.
CASES = {
    TITAN_1: (lambda text: {"inputText": text}, lambda answer: answer["embedding"], 1536),
    TITAN: (lambda text: {"inputText": text}, lambda answer: answer["embedding"], 1024),
    IMAGE: (lambda text: {"inputText": text}, lambda answer: answer["embedding"], 1024),
    NOVA: (nova, lambda answer: answer["embeddings"][0]["embedding"], 3072),
    COHERE: (cohere, lambda answer: answer["embeddings"][0], 1024),
    "cohere.embed-multilingual-v3": (cohere, lambda answer: answer["embeddings"][0], 1024),
    COHERE_4: (cohere, lambda answer: answer["embeddings"][0], 1536),
}


@pytest.fixture
def embed(runtime):
    """Return the answer of a model to a body, and the headers."""

    def invoke(model_id, body):
        response = runtime.invoke_model(modelId=model_id, body=json.dumps(body))
        return json.loads(response["body"].read()), response["ResponseMetadata"]["HTTPHeaders"]

    return invoke


def cosine(one, other):
    return math.sumprod(one, other) if hasattr(math, "sumprod") else sum(a * b for a, b in zip(one, other, strict=True))


def test_every_embedding_model_has_one_family():
    assert CASES.keys() == EMBEDDING_MODELS.keys()
    for model in EMBEDDING_MODELS.values():
        assert [embedder for embedder in EMBEDDERS if embedder.models.match(model.base)] == [find_embedder(model)]


@pytest.mark.parametrize("model_id", CASES)
def test_texts_that_share_words_are_near(embed, model_id):
    make_body, find_vector, length = CASES[model_id]
    card, same, weather = (find_vector(embed(model_id, make_body(text))[0]) for text in TEXTS)
    assert [len(vector) for vector in (card, same, weather)] == [length] * 3
    assert [cosine(vector, vector) for vector in (card, same, weather)] == pytest.approx([1, 1, 1], abs=1e-5)
    assert cosine(card, same) > 0.6 > 0.3 > cosine(card, weather)


@pytest.mark.parametrize("model_id", CASES)
def test_the_tokens_of_the_text_are_counted_in_the_headers(embed, model_id):
    answer, headers = embed(model_id, CASES[model_id][0](TEXTS[0]))
    # 15 letters, four to a token, and no words come out.
    counts = [headers[f"x-amzn-bedrock-{kind}-token-count"] for kind in ("input", "output")]
    assert counts == ["4", "0"]
    assert answer.get("inputTextTokenCount", 4) == 4


@settings(max_examples=100, deadline=None)
@given(text=st.text(min_size=1), dimensions=st.sampled_from([256, 384, 1024]))
def test_any_text_has_a_vector_of_length_one_and_always_the_same(text, dimensions):
    vector = embed_text(text, dimensions)
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert embed_text(text, dimensions) == vector


@pytest.mark.parametrize("dimensions", [256, 512])
def test_titan_has_the_dimensions_types_and_length_that_are_asked_for(embed, dimensions):
    body = {"inputText": "my card card card", "dimensions": dimensions, "embeddingTypes": ["binary", "float"]}
    answer = embed(TITAN, body | {"normalize": False})[0]
    assert answer.keys() == {"embedding", "embeddingsByType", "inputTextTokenCount"}
    assert list(answer["embeddingsByType"]) == ["float", "binary"]
    assert answer["embeddingsByType"]["float"] == answer["embedding"]
    assert len(answer["embedding"]) == dimensions
    assert answer["embeddingsByType"]["binary"] == [int(number > 0) for number in answer["embedding"]]
    assert math.hypot(*answer["embedding"]) > 1.5


def test_titan_leaves_out_floats_that_nobody_asked_for(embed):
    answer = embed(TITAN, {"inputText": "a", "embeddingTypes": ["binary"]})[0]
    assert (answer.keys(), list(answer["embeddingsByType"])) == (
        {"embeddingsByType", "inputTextTokenCount"},
        ["binary"],
    )


def test_an_image_has_a_vector_of_its_own_and_a_mixture_lies_between(embed):
    config = {"embeddingConfig": {"outputEmbeddingLength": 384}}
    bodies = [{"inputText": "a dog"}, {"inputImage": "AAAA"}, {"inputText": "a dog", "inputImage": "AAAA"}]
    text, image, both = (embed(IMAGE, body | config)[0]["embedding"] for body in bodies)
    assert (len(both), cosine(text, image) < 0.5) == (384, True)
    assert min(cosine(text, both), cosine(image, both)) > 0.5


def test_quantized_numbers_are_those_of_the_floats():
    vector = [1.0, -1.0, 0.5, 0.0, -0.5, 0.25, -0.25, 1.0]
    assert quantize(vector, "int8") == [127, -127, 64, 0, -64, 32, -32, 127]
    assert quantize(vector, "uint8") == [255, 1, 192, 128, 64, 160, 96, 255]
    # The signs are 10100101, which is 165.
    assert (quantize(vector, "ubinary"), quantize(vector, "binary")) == ([165], [37])


def test_cohere_gives_a_list_for_each_type(embed):
    kinds = ["float", "int8", "uint8", "binary", "ubinary"]
    answer = embed(COHERE_4, cohere(*TEXTS, embedding_types=kinds, output_dimension=256))[0]
    lengths = {kind: [len(vector) for vector in vectors] for kind, vectors in answer["embeddings"].items()}
    assert lengths == dict.fromkeys(kinds[:3], [256] * 3) | dict.fromkeys(kinds[3:], [32] * 3)
    assert (answer["response_type"], answer["texts"]) == ("embeddings_by_type", TEXTS)
    assert all(-128 <= number <= 127 for number in answer["embeddings"]["binary"][0])


def test_cohere_embeds_mixtures(embed):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    inputs = [{"content": [{"type": "text", "text": "a dog"}, part]}]
    answer = embed(COHERE_4, {"input_type": "search_query", "inputs": inputs})[0]
    assert ([len(vector) for vector in answer["embeddings"]], answer["response_type"]) == ([1536], "embeddings_floats")


@pytest.mark.parametrize("dimensions", [256, 384, 1024, 3072])
def test_nova_has_the_dimension_that_is_asked_for(embed, dimensions):
    (vector,) = embed(NOVA, nova("a dog", embeddingDimension=dimensions))[0]["embeddings"]
    assert (vector["embeddingType"], len(vector["embedding"])) == ("TEXT", dimensions)


def test_nova_embeds_an_image(embed):
    body = nova("a dog")
    given = body["singleEmbeddingParams"]
    del given["text"]
    given["image"] = {"format": "png", "source": {"bytes": "AAAA"}}
    assert embed(NOVA, body)[0]["embeddings"][0]["embeddingType"] == "IMAGE"


REFUSED = [
    (TITAN, {}, "required key [inputText] not found"),
    (TITAN, {"inputText": ""}, "expected minLength: 1, actual: 0"),
    (TITAN, {"inputText": "a", "dimensions": 100}, "#/dimensions: 100 is not a valid enum value"),
    (TITAN, {"inputText": "a", "embeddingTypes": ["int8"]}, "int8 is not a valid enum value"),
    (TITAN, {"inputText": "x" * 32_769}, "expected maxLength: 8192, actual: 8193"),
    (TITAN_1, {"inputText": "a", "dimensions": 256}, "extraneous key [dimensions] is not permitted"),
    (IMAGE, {}, "required key [inputText] not found"),
    (IMAGE, {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 1}}, "1 is not a valid enum value"),
    (COHERE, {"texts": ["a"]}, "required key [input_type] not found"),
    (COHERE, cohere(*["a"] * 97), "expected maximum item count: 96, found: 97"),
    (COHERE, cohere("a", images=["b"]), "exactly one of the keys [texts, images, inputs]"),
    (COHERE, cohere("a", embedding_types=["base2"]), "base2 is not a valid enum value"),
    (COHERE_4, cohere("a", output_dimension=7), "7 is not a valid enum value"),
    (NOVA, {"taskType": "SINGLE_EMBEDDING"}, "required key [singleEmbeddingParams] not found"),
    (NOVA, nova("a", embeddingDimension=512), "512 is not a valid enum value"),
    (NOVA, nova("a", image={}), "exactly one of the keys [text, image, audio, video]"),
    (NOVA, nova("a", text={"truncationMode": "END"}), "exactly one of the keys [value, source]"),
    (NOVA, nova("a", text={"truncationMode": "NONE", "value": "x" * 32_769}), "expected maxLength: 8192, actual: 8193"),
]


@pytest.mark.parametrize(("model_id", "body", "message"), REFUSED)
def test_a_body_that_the_page_does_not_allow_is_refused(runtime, error_of, model_id, body, message):
    code, status, text = error_of(runtime.invoke_model, modelId=model_id, body=json.dumps(body))
    assert (code, status) == ("ValidationException", 400)
    assert re.match(r"Malformed input request: .*, please reformat your input and try again\.$", text)
    assert message in text


def test_nova_cuts_off_a_long_text_where_it_is_allowed_to(embed):
    headers = embed(NOVA, nova("x" * 40_000))[1]
    assert headers["x-amzn-bedrock-input-token-count"] == "8192"


@pytest.mark.parametrize("model_id", CASES)
def test_no_words_and_no_stream_come_from_an_embedding_model(runtime, error_of, model_id):
    said = [{"role": "user", "content": [{"text": "a"}]}]
    for operation in (runtime.converse, runtime.converse_stream):
        assert "doesn't support the model that you provided" in error_of(operation, modelId=model_id, messages=said)[2]
    body = json.dumps(CASES[model_id][0]("a"))
    error = error_of(runtime.invoke_model_with_response_stream, modelId=model_id, body=body)
    assert error == ("ValidationException", 400, "The model is unsupported for streaming")


@pytest.mark.parametrize("model_id", [TITAN, IMAGE, NOVA])
def test_a_job_gives_vectors_that_analysis_reads(folder, jobs, model_id):
    make_body, _, length = CASES[model_id]
    lines = [{"recordId": f"r{number}", "modelInput": make_body(text)} for number, text in enumerate(TEXTS)]
    job = jobs.run([*lines, {"recordId": "bad", "modelInput": {}}], modelId=model_id)
    assert (job["status"], job["successRecordCount"], job["errorRecordCount"]) == ("Completed", 3, 1)
    manifest = json.loads(jobs.read(job, "manifest.json.out"))
    # 15, 16 and 21 letters, four to a token.
    assert (manifest["inputTokenCount"], manifest["outputTokenCount"]) == (4 + 4 + 6, 0)
    outputs = load_outputs(folder / "s3/calls/out", model_id=model_id)
    good = outputs.filter(outputs["error_kind"].is_null())
    assert good["vectors"].to_list() == [1, 1, 1]
    assert good["vector_length"].to_list() == [length] * 3


@pytest.mark.parametrize("model_id", [TITAN_1, COHERE, COHERE_4])
def test_other_embedding_models_have_no_batch(jobs, error_of, request_of, model_id):
    jobs.put([])
    error = error_of(jobs.bedrock.create_model_invocation_job, **request_of(modelId=model_id))
    assert error[2] == "Batch inference is not supported for the requested model."


def test_a_fault_of_a_record_is_one_of_a_vector_too(jobs_at):
    jobs = jobs_at(faults={"record-424": 1})
    job = jobs.run([{"recordId": "r1", "modelInput": {"inputText": "a"}}], modelId=TITAN)
    assert [output["error"]["errorCode"] for output in jobs.outputs(job)] == [424]


def test_a_vector_needs_no_responder(folder):
    def refuse(question):
        raise AssertionError("was asked")

    runtime = open_session(folder, responder=refuse).client("bedrock-runtime")
    response = runtime.invoke_model(modelId=TITAN, body=json.dumps({"inputText": "a"}))
    assert len(json.loads(response["body"].read())["embedding"]) == 1024
