import pytest
from botocore.exceptions import ClientError, ConfigParseError, ProxyConnectionError, SSLError, SSOTokenLoadError

from analysis.aws.cures import find_cure, s3_errors
from analysis.errors import StorageError


def refusal(code, *, message="no", headers=None, **more):
    about = {"HTTPStatusCode": 400, "HTTPHeaders": headers or {}}
    return ClientError({"Error": {"Code": code, "Message": message} | more, "ResponseMetadata": about}, "PutObject")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (refusal("RequestTimeTooSkewed"), "clock differs from that of S3 by more than 15 minutes; set it"),
        (refusal("PermanentRedirect"), "the bucket is in another region; give the region of the bucket"),
        (
            refusal("PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-1"}),
            "the bucket is in region eu-west-1; give region='eu-west-1'",
        ),
        (refusal("301", headers={"x-amz-bucket-region": "eu-west-1"}), "the bucket is in region eu-west-1; give"),
        (refusal("AuthorizationHeaderMalformed", Region="eu-west-1"), "the bucket is in region eu-west-1; give"),
        (
            refusal("AuthorizationHeaderMalformed", message="a non-empty key"),
            "AuthorizationHeaderMalformed: a non-empty",
        ),
        (refusal("IllegalLocationConstraintException"), "the bucket is in another region; give the region"),
        (
            refusal("KMS.NotFoundException", message="Invalid keyId"),
            "KMS key cannot be used .*Invalid keyId.*kms_key_id",
        ),
        (refusal("InvalidBucketOwnerAWSAccountID"), "bucket_owner is not the number of an account; give its 12 digits"),
        (refusal("AccessDenied"), "for a bucket of another account, give bucket_owner"),
        (refusal("NewToUs", message="said"), "s3://calls/a: NewToUs: said$"),
        (ProxyConnectionError(proxy_url="http://proxy:3128"), "Failed to connect to proxy URL.*check HTTPS_PROXY"),
        (SSLError(endpoint_url="https://s3", error="self-signed certificate"), "self-signed.*AWS_CA_BUNDLE"),
        (SSOTokenLoadError(profile_name="p", error_msg="no token"), "not signed in; sign in to AWS again"),
        (
            ConfigParseError(path="/home/ada/.aws/config", error="no section"),
            "Unable to parse config file: /home/ada.*cor",
        ),
    ],
)
def test_each_error_says_what_it_means_and_what_helps(error, text):
    with pytest.raises(StorageError, match=text), s3_errors("s3://calls/a"):
        raise error


def test_an_unknown_error_keeps_its_own_words():
    assert find_cure(refusal("", message="nobody knows")) == ("nobody knows", "")
