import io

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

import bedrock_local
from analysis.aws.session import RetryNotice, find_region, make_client, name_account, open_session, print_beside_bars
from analysis.errors import StorageError
from bedrock_local.settings import Settings, write_settings

GET, LIST = (f"response-received.bedrock.{name}" for name in ("GetModelInvocationJob", "ListModelInvocationJobs"))
ANSWER = {"ResponseMetadata": {"HTTPStatusCode": 200}}
BUSY = {
    "Error": {"Code": "ThrottlingException", "Message": "Too many requests."},
    "ResponseMetadata": {"HTTPStatusCode": 429},
}
REFUSAL = {"Error": {"Code": "AccessDeniedException", "Message": "No."}, "ResponseMetadata": {"HTTPStatusCode": 403}}
AWAY = EndpointConnectionError(endpoint_url="https://bedrock.us-east-1.amazonaws.com/")


@pytest.fixture
def clock():
    """A clock that is set by hand."""
    return [0.0]


@pytest.fixture
def patience(clock):
    """One that keeps its lines."""
    said = []
    return RetryNotice(say=said.append, now=lambda: clock[0]), said


def attempt(patience, clock, moments, *, name=GET, response=None, error=None):
    """Let attempts go the same way at some moments."""
    for moment in moments:
        clock[0] = moment
        patience[0](event_name=name, parsed_response=response, exception=error)
    return patience[1]


@pytest.mark.parametrize(
    ("response", "error", "reason"),
    [
        (BUSY, None, "ThrottlingException: Too many requests."),
        ({"ResponseMetadata": {"HTTPStatusCode": 503}}, None, "busy: no message"),
        (None, AWAY, 'Could not connect to the endpoint URL: "https://bedrock.us-east-1.amazonaws.com/"'),
    ],
)
def test_trouble_that_lasts_is_told_with_its_reason(patience, clock, response, error, reason):
    said = attempt(patience, clock, [0, 3, 6], response=response, error=error)
    assert said == [f"GetModelInvocationJob of bedrock has failed for 6 s and is repeated: {reason}"]


def test_trouble_is_told_again_after_a_minute_and_when_it_is_over(patience, clock):
    attempt(patience, clock, [0, 6, 30, 60, 70], response=BUSY)
    said = attempt(patience, clock, [80, 90], response=ANSWER)
    assert [line.split(" is ")[0].partition("bedrock ")[2] for line in said[:2]] == [
        "has failed for 6 s and",
        "has failed for 70 s and",
    ]
    assert said[2:] == ["GetModelInvocationJob of bedrock works again."]


def test_a_moment_of_trouble_is_not_told(patience, clock):
    attempt(patience, clock, [0, 2], response=BUSY)
    attempt(patience, clock, [4], response=ANSWER)
    assert attempt(patience, clock, [6], response=BUSY) == []


def test_answers_to_another_question_end_no_trouble(patience, clock):
    for moment in range(0, 8, 2):
        attempt(patience, clock, [moment], response=BUSY)
        attempt(patience, clock, [moment + 1], name=LIST, response=ANSWER)
    assert len(patience[1]) == 1


def test_a_refusal_is_no_trouble_that_passes(patience, clock):
    assert attempt(patience, clock, [0, 100, 200], response=REFUSAL) == []


def test_clients_tell_what_keeps_them_waiting(emulator, monkeypatch, capsys):
    monkeypatch.setattr("analysis.aws.session.SILENT_S", 0)
    client = make_client(emulator, "bedrock")
    replies = iter([ReadTimeoutError(endpoint_url="https://bedrock.us-east-1.amazonaws.com/"), None])
    client.meta.events.register_first("before-send", lambda **_: raise_once(next(replies)))
    client.list_model_invocation_jobs()
    assert "ListModelInvocationJobs of bedrock has failed for 0 s and is repeated: Read timeout" in (
        capsys.readouterr().out
    )


def raise_once(error):
    if error is not None:
        raise error


def test_a_profile_without_a_region_is_named(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("[profile production]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StorageError, match="profile 'production': no region is known; name one"):
        make_client(open_session("production"), "bedrock")


@pytest.mark.parametrize(("service", "seconds"), [("bedrock-runtime", 3600), ("bedrock", 60), ("s3", 60)])
def test_only_a_model_may_be_silent_for_an_hour(service, seconds):
    client = make_client(boto3.Session(region_name="us-east-1"), service)
    assert client.meta.config.read_timeout == seconds


def test_wrong_settings_of_the_emulator_are_told_in_a_sentence(emulator, tmp_path):
    (tmp_path / "emulator" / "settings.json").write_text('{"clock": "fast"}')
    with pytest.raises(StorageError, match=r"settings\.json: clock: Invalid enum value 'fast'; choose from instant"):
        open_session("emulator")


def test_the_emulator_opens_under_throttling(emulator, tmp_path):
    write_settings(tmp_path / "emulator", Settings(faults={"throttled": 0.5}))
    assert open_session("emulator")


@pytest.mark.parametrize(("region", "bucket"), [("us-east-1", "batchbook"), ("eu-west-1", "batchbook-eu-west-1")])
def test_two_processes_may_open_the_emulator_in_a_region_at_once(emulator, monkeypatch, region, bucket):
    open_session("emulator", region=region)
    real = BaseClient._make_api_call
    # As the second process lists them that asks before the first has made the bucket.
    none = {"Buckets": []}
    monkeypatch.setattr(
        BaseClient,
        "_make_api_call",
        lambda self, name, given: none if name == "ListBuckets" else real(self, name, given),
    )
    head = open_session("emulator", region=region).client("s3").head_bucket(Bucket=bucket)
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == region


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Write the AWS configuration of a profile `p`, without the user's own."""

    def write(*lines, content=None):
        text = "\n".join(["[profile p]", *lines]).encode()
        (tmp_path / "config").write_bytes(text if content is None else content)

    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return write


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["region = us east/1"], r"region 'us east/1': AWS has no such region; did you mean .*us-east-1"),
        (
            ["region = us-esat-1"],
            r"AWS has no such region; did you mean .*us-east-1.*\? a new one needs a newer boto3",
        ),
        (["region = mars"], "region 'mars': AWS has no such region; write it as AWS does"),
        (
            ["region = us-east-1", "credential_process = false"],
            "Error when retr.*run the command of credential",
        ),
        (
            ["region = us-east-1", "role_arn = x", "source_profile = q"],
            'source_profile "q".*not exist.*; correct ~',
        ),
        (["region = us-east-1", "sso_session = q", "sso_account_id = 1"], 'sso-session does not exist: "q"; correct ~'),
        (["region = us-east-1", "aws_access_key_id = a"], "Partial credentials found.*; correct ~/.aws/config"),
        (["region = us-east-1", "s3 =", "  addressing_style = odd"], "addressing style odd.*; correct ~/.aws/config"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_in_a_sentence(configure, lines, text):
    configure(*lines)
    with pytest.raises(StorageError, match=text):
        make_client(open_session("p"), "s3")


@pytest.mark.parametrize("content", [b"broken [", b"[profile p]\nregion = \xff\xfe\n"])
def test_a_configuration_that_cannot_be_read_is_said_in_a_sentence(configure, content):
    configure(content=content)
    with pytest.raises(StorageError, match=r"profile 'p': Unable to parse config file: .*; correct"):
        open_session("p")


def test_a_wrong_endpoint_is_said_in_a_sentence(configure, monkeypatch):
    configure("region = us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not a url")
    with pytest.raises(StorageError, match="Invalid endpoint: not a url; correct"):
        make_client(open_session("p"), "s3")


def test_another_service_may_call_its_region_as_it_likes(configure, monkeypatch):
    configure("region = garage")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert make_client(open_session("p"), "s3").meta.region_name == "garage"


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1", "ap-southeast-7"])
def test_regions_of_all_partitions_are_known(configure, region):
    configure()
    assert find_region("p", region) == region


def test_a_misspelt_region_is_refused_where_it_is_given(configure):
    configure("region = us-east-1")
    with pytest.raises(StorageError, match=r"did you mean .*eu-west-1"):
        find_region("p", "eu-wset-1")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", rb"\xfc \u2192"), ("utf-8", "ü \u2192".encode())])
def test_a_line_that_the_terminal_cannot_show_is_escaped(monkeypatch, encoding, shown):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    print_beside_bars("ü \u2192")
    assert written.getvalue() == shown + b"\n"


def test_an_account_of_the_emulator_is_named_by_its_folder(tmp_path):
    one, same, other = (name_account(bedrock_local.open_session(tmp_path / name)) for name in ("a", "a", "b"))
    assert one.startswith("emulator:")
    assert one == same != other


@pytest.mark.usefixtures("s3")
def test_an_account_of_aws_is_named_by_its_number():
    assert name_account(boto3.Session(region_name="us-east-1")) == "123456789012"
