from __future__ import annotations

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ResponseStreamingError

from bedrock_local import Settings, open_session
from bedrock_local.faults import REQUEST_FAULTS, applies, check_faults, find_operations

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def open_with(open_at, s3):
    """Make an object, then open the folder with faults; clients try once unless told otherwise."""
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")

    def open_client(faults, service="s3", config=ONCE, **settings):
        return open_at(faults=faults, **settings).client(service, config=config)

    return open_client


def statuses(s3, count=40):
    found = []
    for _ in range(count):
        try:
            found.append(s3.head_object(Bucket="calls", Key="a")["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            found.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return found


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttled", "SlowDown", 503),
        ("internal-error", "InternalError", 500),
        ("unavailable", "ServiceUnavailable", 503),
        ("answer-lost", "InternalError", 500),
    ],
)
def test_s3_refuses_in_its_own_words(open_with, error_of, fault, code, status):
    assert error_of(open_with({fault: 1}).get_object, Bucket="calls", Key="a")[:2] == (code, status)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttled", "ThrottlingException", 429),
        ("internal-error", "InternalServerException", 500),
        ("unavailable", "ServiceUnavailableException", 503),
        ("answer-lost", "InternalServerException", 500),
    ],
)
def test_bedrock_refuses_in_its_own_words(open_with, error_of, fault, code, status):
    bedrock = open_with({fault: 1}, "bedrock")
    assert error_of(bedrock.list_model_invocation_jobs)[:2] == (code, status)


def test_a_model_on_demand_is_throttled_too(open_with, error_of):
    runtime = open_with({"throttled:Converse": 1}, "bedrock-runtime")
    wish = {"modelId": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    assert error_of(runtime.converse, **wish)[0] == "ThrottlingException"


def test_a_refused_request_does_nothing(open_with, error_of):
    s3 = open_with({"internal-error:PutObject": 1})
    error_of(s3.put_object, Bucket="calls", Key="a", Body=b"new")
    assert s3.get_object(Bucket="calls", Key="a")["Body"].read() == b"hello"


def test_a_request_whose_answer_is_lost_is_carried_out(open_with, error_of):
    s3 = open_with({"answer-lost:PutObject": 1})
    assert error_of(s3.put_object, Bucket="calls", Key="a", Body=b"new")[1] == 500
    assert s3.get_object(Bucket="calls", Key="a")["Body"].read() == b"new"


def test_a_job_whose_answer_is_lost_is_there(open_with, error_of, request_of):
    bedrock = open_with({"answer-lost:CreateModelInvocationJob": 1}, "bedrock")
    error_of(bedrock.create_model_invocation_job, **request_of())
    assert len(bedrock.list_model_invocation_jobs()["invocationJobSummaries"]) == 1


def test_a_retry_after_a_lost_answer_makes_no_second_job(open_with, request_of):
    # Of the first two requests of this seed, one is struck: the first.
    bedrock = open_with({"answer-lost:CreateModelInvocationJob": 0.5}, "bedrock", None, seed=seed_for("answer-lost"))
    created = bedrock.create_model_invocation_job(**request_of())
    assert created["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(bedrock.list_model_invocation_jobs()["invocationJobSummaries"]) == 1


def seed_for(fault, operation="CreateModelInvocationJob"):
    """Find a seed with which a fault applies to the first request and not to the second."""
    return next(n for n in range(99) if [applies(0.5, n, fault, operation, i) for i in (1, 2)] == [True, False])


@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("fault", ["throttled", "internal-error", "unavailable"])
def test_a_client_that_tries_again_gets_through(open_with, fault, mode, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    s3 = open_with({fault: 0.5}, config=Config(retries={"mode": mode, "total_max_attempts": 9}))
    found = [s3.get_object(Bucket="calls", Key="a") for _ in range(9)]
    assert {body["Body"].read() for body in found} == {b"hello"}
    assert sum(body["ResponseMetadata"]["RetryAttempts"] for body in found) > 0


def test_a_body_breaks_off_half_way(open_with):
    body = open_with({"broken-read": 1}).get_object(Bucket="calls", Key="a")["Body"]
    assert body.read(2) == b"he"
    with pytest.raises(ResponseStreamingError, match="2 bytes read, 3 more expected"):
        body.read(2)


def test_a_broken_body_cannot_be_read_as_a_whole(open_with):
    found = open_with({"broken-read": 1}).get_object(Bucket="calls", Key="a", Range="bytes=1-4")
    assert found["ContentLength"] == 4
    with pytest.raises(ResponseStreamingError, match="2 bytes read, 2 more expected"):
        found["Body"].read()


def test_a_download_goes_on_after_a_broken_read(open_with, tmp_path):
    s3 = open_with({"broken-read": 0.5}, seed=seed_for("broken-read", "GetObject"))
    s3.download_file("calls", "a", str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"hello"


def test_a_fault_of_one_operation_does_not_apply_to_others(open_with, error_of):
    s3 = open_with({"throttled:GetObject": 1})
    assert s3.head_object(Bucket="calls", Key="a")["ContentLength"] == 5
    assert error_of(s3.get_object, Bucket="calls", Key="a")[0] == "SlowDown"


def test_the_rate_of_an_operation_takes_precedence_over_that_of_all(open_with, error_of):
    s3 = open_with({"throttled": 1, "throttled:GetObject": 0})
    assert s3.get_object(Bucket="calls", Key="a")["Body"].read() == b"hello"
    assert error_of(s3.list_buckets)[0] == "SlowDown"


def test_the_rate_is_kept_on_the_whole(open_with):
    assert 5 <= statuses(open_with({"unavailable": 0.3})).count(503) <= 19  # 12 of 40, 2.4 standard deviations


def test_the_same_seed_gives_the_same_faults(tmp_path):
    def run(name, seed):
        made = Settings(faults={"unavailable": 0.5}, seed=seed)
        s3 = open_session(tmp_path / name, settings=made).client("s3", config=ONCE)
        return statuses(s3)

    assert run("one", seed=7) == run("two", seed=7) != run("three", seed=8)


def test_requests_are_counted_over_all_clients(open_with, tmp_path):
    faults = {"unavailable": 0.5}
    alone = statuses(open_with(faults))
    one, two = (open_session(tmp_path / "emulator").client("s3", config=ONCE) for _ in range(2))
    (tmp_path / "emulator/state/requests/HeadObject").unlink()
    assert [status for _ in range(20) for client in (one, two) for status in statuses(client, 1)] == alone


def test_without_faults_nothing_is_counted(open_with, folder):
    statuses(open_with({"throttled": 0, "broken-read:GetObject": 1}), 1)
    assert not (folder / "state" / "requests").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("throtled", "unknown fault 'throtled'; choose from record-400, .*, broken-read"),
        (
            "throttled:GetObjects",
            "unknown operation 'GetObjects' in 'throttled:GetObjects'; choose from CreateModelInv.*GetObj",
        ),
        ("throttled:", "unknown operation ''"),
        ("broken-read:PutObject", "unknown operation 'PutObject' in 'broken-read:PutObject'; choose from GetObject$"),
        ("record-lost:GetObject", "unknown fault 'record-lost:GetObject'"),
    ],
)
def test_an_unknown_fault_is_refused_with_the_known_ones(name, reason):
    with pytest.raises(ValueError, match=reason):
        Settings(faults={name: 1})


def test_every_fault_of_a_request_may_name_an_operation():
    check_faults({f"{fault}:{(*find_operations(fault), 'GetObject')[0]}": 1 for fault in REQUEST_FAULTS})


def test_a_rate_of_one_applies_always_and_of_zero_never():
    assert all(applies(1, seed, "throttled", "GetObject", 1) for seed in range(200))
    assert not any(applies(0, seed, "throttled", "GetObject", 1) for seed in range(200))
