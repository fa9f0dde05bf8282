import pytest

from analysis.errors import ModelError
from analysis.facts.model_arns import list_model_arns

ACCOUNT = "111122223333"
NOVA = "amazon.nova-micro-v1:0"


def list_arns(model_id, region="us-east-1", **more):
    return list_model_arns(model_id, region=region, account=ACCOUNT, **more)


def test_a_model_in_its_own_region_is_one_resource_of_aws():
    assert list_arns("openai.gpt-oss-20b-1:0") == ["arn:aws:bedrock:us-east-1::foundation-model/openai.gpt-oss-20b-1:0"]


@pytest.mark.parametrize(
    ("prefix", "region", "places"),
    [
        ("us", "us-east-1", ["us-*"]),
        ("us", "ca-central-1", ["ca-central-1", "us-*"]),
        ("eu", "eu-west-1", ["eu-*"]),
        ("jp", "ap-northeast-1", ["ap-northeast-1", "ap-northeast-3"]),
        ("au", "ap-southeast-2", ["ap-southeast-2", "ap-southeast-4"]),
        ("global", "sa-east-1", ["sa-east-1", ""]),
    ],
)
def test_a_profile_is_itself_and_its_model_where_it_sends_requests(prefix, region, places):
    profile, *models = list_arns(f"{prefix}.{NOVA}", region)
    assert profile == f"arn:aws:bedrock:{region}:{ACCOUNT}:inference-profile/{prefix}.{NOVA}"
    assert models == [f"arn:aws:bedrock:{place}::foundation-model/{NOVA}" for place in places]


def test_govcloud_has_a_partition_of_its_own():
    profile, *models = list_arns(f"us-gov.{NOVA}", "us-gov-west-1")
    assert profile.startswith("arn:aws-us-gov:bedrock:us-gov-west-1:")
    assert models == [f"arn:aws-us-gov:bedrock:us-gov-*::foundation-model/{NOVA}"]


def test_what_bedrock_lists_behind_a_profile_wins():
    behind = [f"arn:aws:bedrock:{place}::foundation-model/{NOVA}" for place in ("us-east-1", "us-west-2")]
    assert list_arns(f"us.{NOVA}", behind=behind)[1:] == behind


def test_an_arn_of_a_profile_keeps_its_own_region():
    arn = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:inference-profile/eu.{NOVA}"
    assert list_arns(arn) == [arn, f"arn:aws:bedrock:eu-*::foundation-model/{NOVA}"]


def test_an_application_profile_needs_what_is_behind_it():
    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/ab12cd34ef56"
    with pytest.raises(ModelError, match="GetInferenceProfile is asked"):
        list_arns(arn)
    behind = [f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"]
    assert list_arns(arn, behind=behind) == [arn, *behind]
