"""Models and inference profiles: listed, described, made, used and deleted; each answer is held to its shape."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bedrock_local.models import ALL_MODELS, EMBEDDING_MODELS, MODELS
from bedrock_local.profiles import DESTINATIONS

TRANSPORTS = ["inside", "http"]
HAIKU, NOVA = "anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-micro-v1:0"
NOVA_ARN = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
PROFILE_ARN = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}"
SAID = [{"role": "user", "content": [{"text": "my card is lost"}]}]


def list_ids(bedrock, **query):
    return [model["modelId"] for model in bedrock.list_foundation_models(**query)["modelSummaries"]]


def list_all(bedrock, **query):
    pages = bedrock.get_paginator("list_inference_profiles").paginate(**query)
    return [profile for page in pages for profile in page["inferenceProfileSummaries"]]


@pytest.fixture
def made(bedrock):
    """Make a profile, and return its ARN."""

    def create(source=NOVA_ARN, name="calls-team", **more):
        response = bedrock.create_inference_profile(inferenceProfileName=name, modelSource={"copyFrom": source}, **more)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 201
        return response["inferenceProfileArn"]

    return create


def test_every_model_is_listed_and_described_alike(bedrock):
    models = bedrock.list_foundation_models()["modelSummaries"]
    assert [model["modelId"] for model in models] == list(ALL_MODELS)
    for model in models[:10]:
        assert bedrock.get_foundation_model(modelIdentifier=model["modelId"])["modelDetails"] == model
        assert bedrock.get_foundation_model(modelIdentifier=model["modelArn"])["modelDetails"] == model


def test_a_model_is_described_by_what_the_table_knows(bedrock):
    model = bedrock.get_foundation_model(modelIdentifier=HAIKU)["modelDetails"]
    assert model["modelLifecycle"]["startOfLifeTime"].isoformat() == "2025-10-01T00:00:00+00:00"
    del model["modelLifecycle"]["startOfLifeTime"]
    assert model == {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}",
        "modelId": HAIKU,
        "modelName": "Claude Haiku 4 5",
        "providerName": "Anthropic",
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def test_models_are_filtered(bedrock):
    assert list_ids(bedrock, byOutputModality="EMBEDDING") == list(EMBEDDING_MODELS)
    assert list_ids(bedrock, byOutputModality="TEXT") == list(MODELS)
    assert list_ids(bedrock, byOutputModality="IMAGE") == list_ids(bedrock, byCustomizationType="FINE_TUNING") == []
    names = [base for base in MODELS if base.startswith("mistral.")]
    assert list_ids(bedrock, byProvider="mistral") == list_ids(bedrock, byProvider="Mistral AI") == names
    on_demand = list_ids(bedrock, byInferenceType="ON_DEMAND")
    assert on_demand == [base for base, model in ALL_MODELS.items() if not model.needs_profile]


def test_a_model_that_has_ended_is_not_listed_where_it_is_refused(open_at, error_of):
    gone = "anthropic.claude-3-7-sonnet-20250219-v1:0"
    assert list_ids(open_at(ended_models="keep").client("bedrock"), byProvider="Anthropic").count(gone) == 1
    bedrock = open_at(ended_models="refuse").client("bedrock")
    assert list_ids(bedrock, byProvider="Anthropic").count(gone) == 0
    assert error_of(bedrock.get_foundation_model, modelIdentifier=gone)[:2] == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("model_id", ["nobody.nothing-v1:0", f"arn:aws:bedrock:eu-west-1::foundation-model/{NOVA}"])
def test_an_unknown_model_is_not_found(bedrock, error_of, model_id):
    error = error_of(bedrock.get_foundation_model, modelIdentifier=model_id)
    assert error[:2] == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize(
    ("region", "prefix", "model_arn"),
    [
        ("us-west-2", "us", "arn:aws:bedrock:us-east-1::foundation-model/"),
        ("eu-west-1", "eu", "arn:aws:bedrock:eu-central-1::foundation-model/"),
        ("ap-south-1", "apac", "arn:aws:bedrock:ap-northeast-1::foundation-model/"),
        ("us-gov-west-1", "us-gov", "arn:aws-us-gov:bedrock:us-gov-east-1::foundation-model/"),
    ],
)
def test_profiles_are_those_of_the_region(client_of, region, prefix, model_arn):
    profiles = list_all(client_of("bedrock", region))
    by_id = {profile["inferenceProfileId"]: profile for profile in profiles}
    assert {name.split(".")[0] for name in by_id} == {prefix, "global"} - ({"global"} if prefix == "us-gov" else set())
    assert by_id[f"{prefix}.{HAIKU}"]["models"][0] == {"modelArn": f"{model_arn}{HAIKU}"}


def test_a_global_profile_has_its_own_region_and_an_arn_without_one(bedrock):
    profile = bedrock.get_inference_profile(inferenceProfileIdentifier=f"global.{HAIKU}")
    arns = [f"arn:aws:bedrock:{region}::foundation-model/{HAIKU}" for region in ("us-east-1", "")]
    assert profile["models"] == [{"modelArn": arn} for arn in arns]


@pytest.mark.parametrize("prefix", [*DESTINATIONS, "global"])
def test_a_profile_of_any_prefix_is_described_since_it_is_answered(bedrock, prefix):
    profile = bedrock.get_inference_profile(inferenceProfileIdentifier=f"{prefix}.{HAIKU}")
    by_arn = bedrock.get_inference_profile(inferenceProfileIdentifier=profile["inferenceProfileArn"])
    assert (profile["type"], profile["status"], profile["inferenceProfileId"]) == (
        "SYSTEM_DEFINED", "ACTIVE", f"{prefix}.{HAIKU}",
    )  # fmt: skip
    assert by_arn["models"] == profile["models"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pages_hold_each_profile_once(bedrock, made, size):
    arns = [made(name=f"team-{number}") for number in range(3)]
    whole = bedrock.list_inference_profiles(maxResults=1000)["inferenceProfileSummaries"]
    paged = list_all(bedrock, PaginationConfig={"PageSize": size})
    assert paged == whole
    assert sorted(profile["inferenceProfileArn"] for profile in whole[-3:]) == sorted(arns)
    first = bedrock.list_inference_profiles(maxResults=size)
    assert len(first["inferenceProfileSummaries"]) == min(size, len(whole))
    assert ("nextToken" in first) == (size < len(whole))


def test_profiles_are_filtered_by_their_type(bedrock, made):
    arn = made()
    assert [each["inferenceProfileArn"] for each in list_all(bedrock, typeEquals="APPLICATION")] == [arn]
    assert {each["type"] for each in list_all(bedrock, typeEquals="SYSTEM_DEFINED")} == {"SYSTEM_DEFINED"}


def test_a_token_of_no_list_and_where_strict_of_another_is_refused(open_at, bedrock, error_of):
    token = bedrock.list_inference_profiles(maxResults=1)["nextToken"]
    of_another = {"nextToken": token, "typeEquals": "APPLICATION"}
    assert bedrock.list_inference_profiles(**of_another)["inferenceProfileSummaries"] == []
    bedrock = open_at(strict=True).client("bedrock")
    for more in (of_another, {"nextToken": "bm9uZQ=="}, {"nextToken": "x"}):
        error = error_of(bedrock.list_inference_profiles, **more)
        assert error == ("ValidationException", 400, "The provided nextToken is invalid.")


def test_a_profile_that_was_made_is_described(bedrock, made, clock):
    arn = made(description="Calls of team A", tags=[{"key": "team", "value": "a"}])
    profile = bedrock.get_inference_profile(inferenceProfileIdentifier=arn)
    by_id = bedrock.get_inference_profile(inferenceProfileIdentifier=arn.rsplit("/", 1)[1])
    assert profile["createdAt"].timestamp() == profile["updatedAt"].timestamp() == clock.seconds
    assert (profile["inferenceProfileName"], profile["description"]) == ("calls-team", "Calls of team A")
    assert (profile["models"], profile["type"]) == ([{"modelArn": NOVA_ARN}], "APPLICATION")
    assert by_id["inferenceProfileArn"] == arn


def test_tags_of_a_profile_are_kept_changed_and_gone_with_it(bedrock, made, error_of):
    arn = made(tags=[{"key": "team", "value": "a"}, {"key": "run", "value": "1"}])
    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "run", "value": "2"}, {"key": "new", "value": ""}])
    bedrock.untag_resource(resourceARN=arn, tagKeys=["team", "none"])
    tags = bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
    assert {tag["key"]: tag["value"] for tag in tags} == {"run": "2", "new": ""}
    assert bedrock.get_inference_profile(inferenceProfileIdentifier=arn)["inferenceProfileName"] == "calls-team"
    bedrock.delete_inference_profile(inferenceProfileIdentifier=arn)
    assert error_of(bedrock.list_tags_for_resource, resourceARN=arn)[:2] == ("ResourceNotFoundException", 404)


def test_a_profile_has_each_tag_once_and_fifty_at_most(bedrock, made, error_of):
    tags = [{"key": f"k{number}", "value": ""} for number in range(50)]
    arguments = {"inferenceProfileName": "a", "modelSource": {"copyFrom": NOVA_ARN}}
    assert error_of(bedrock.create_inference_profile, **arguments, tags=tags[:1] * 2)[0] == "ValidationException"
    more = {"resourceARN": made(tags=tags), "tags": [{"key": "one", "value": ""}]}
    assert error_of(bedrock.tag_resource, **more)[:2] == ("TooManyTagsException", 400)


def test_a_profile_of_aws_has_no_tags(bedrock, error_of):
    arn = bedrock.get_inference_profile(inferenceProfileIdentifier=f"us.{HAIKU}")["inferenceProfileArn"]
    assert error_of(bedrock.list_tags_for_resource, resourceARN=arn)[0] == "ResourceNotFoundException"


def test_a_profile_of_a_profile_has_its_regions(bedrock, made):
    of_aws = bedrock.get_inference_profile(inferenceProfileIdentifier=f"us.{HAIKU}")
    profile = bedrock.get_inference_profile(inferenceProfileIdentifier=made(PROFILE_ARN))
    assert profile["models"] == of_aws["models"]


def test_the_same_token_gives_the_same_profile(made):
    assert made(clientRequestToken="one") == made(clientRequestToken="one") != made(clientRequestToken="two")


def test_a_name_may_be_used_twice_unless_the_emulator_is_strict(made, open_at, error_of):
    assert made() != made()
    arguments = {"inferenceProfileName": "calls-team", "modelSource": {"copyFrom": NOVA_ARN}}
    assert error_of(open_at(strict=True).client("bedrock").create_inference_profile, **arguments)[0] == (
        "ConflictException"
    )


@pytest.mark.parametrize("source", [f"{NOVA_ARN}9", PROFILE_ARN.replace("haiku", "nobody")])
def test_a_profile_of_no_model_is_refused(bedrock, error_of, source):
    arguments = {"inferenceProfileName": "a", "modelSource": {"copyFrom": source}}
    assert error_of(bedrock.create_inference_profile, **arguments)[:2] == ("ResourceNotFoundException", 404)


def test_a_profile_answers_on_demand_and_in_streams(session, made):
    runtime, arn = session.client("bedrock-runtime"), made(PROFILE_ARN)
    assert runtime.converse(modelId=arn, messages=SAID)["stopReason"] == "end_turn"
    assert len(list(runtime.converse_stream(modelId=arn, messages=SAID)["stream"])) > 3
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
    answer = json.loads(runtime.invoke_model(modelId=arn, body=json.dumps(body))["body"].read())
    assert answer["model"] == "claude-haiku-4-5-20251001"


def test_a_profile_runs_a_job_which_says_so(jobs, made, record):
    arn = made(PROFILE_ARN)
    job = jobs.run([record(1)], modelId=arn)
    assert (job["status"], job["modelId"], job["successRecordCount"]) == ("Completed", arn, 1)


def test_a_profile_that_was_deleted_is_gone(session, bedrock, made, error_of):
    arn = made()
    bedrock.delete_inference_profile(inferenceProfileIdentifier=arn)
    assert list_all(bedrock, typeEquals="APPLICATION") == []
    for operation in (bedrock.get_inference_profile, bedrock.delete_inference_profile):
        assert error_of(operation, inferenceProfileIdentifier=arn)[:2] == ("ResourceNotFoundException", 404)
    runtime = session.client("bedrock-runtime")
    assert "identifier is invalid" in error_of(runtime.converse, modelId=arn, messages=SAID)[2]


def test_a_profile_of_aws_cannot_be_deleted(bedrock, error_of):
    error = error_of(bedrock.delete_inference_profile, inferenceProfileIdentifier=f"us.{HAIKU}")
    assert error[:2] == ("ValidationException", 400)


def test_a_profile_belongs_to_its_region(client_of, made, error_of):
    arn = made()
    elsewhere = client_of("bedrock", "eu-west-1")
    assert list_all(elsewhere, typeEquals="APPLICATION") == []
    for identifier in (arn, arn.rsplit("/", 1)[1]):
        error = error_of(elsewhere.get_inference_profile, inferenceProfileIdentifier=identifier)
        assert error[0] == "ResourceNotFoundException"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    query=st.fixed_dictionaries(
        {},
        optional={
            "byProvider": st.sampled_from(["Anthropic", "amazon", "Nobody", "Z AI"]),
            "byOutputModality": st.sampled_from(["TEXT", "EMBEDDING", "IMAGE"]),
            "byInferenceType": st.sampled_from(["ON_DEMAND", "PROVISIONED"]),
        },
    )
)
def test_filters_only_take_away(bedrock, query):
    every, found = list_ids(bedrock), list_ids(bedrock, **query)
    apart = [set(list_ids(bedrock, **{name: value})) for name, value in query.items()]
    assert found == [base for base in every if all(base in each for each in apart)]
