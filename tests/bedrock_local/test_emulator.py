import pytest
from botocore.exceptions import ClientError

from bedrock_local import Settings, open_session
from bedrock_local.emulator import Emulator, make_folder, write_folder_id
from bedrock_local.inference import Question, Reply
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.responders.extract import extract
from bedrock_local.responders.openai_endpoint import Endpoint

QUESTION = Question("model", "", "Who is Rumpelstiltskin?", 50)
GOOD = {"text": "A refund.", "stop": "end", "input_tokens": 3, "output_tokens": 3}


@pytest.fixture
def open_emulator(folder):
    def open_with(answer):
        return Emulator(make_folder(folder, Settings(responder=answer)))

    return open_with


def ask_with(folder, answer):
    return Emulator(folder, responder=answer).ask(QUESTION)


def test_a_stand_in_answers_by_default(folder):
    assert Emulator(make_folder(folder)).find_responder() is extract


def test_the_responder_of_the_process_takes_precedence_over_the_settings(folder):
    def answer(question):
        return Reply(**GOOD)

    assert Emulator(make_folder(folder, Settings(responder="worker")), responder=answer).find_responder() is answer


def test_an_endpoint_is_opened_once_with_the_settings_model_and_workers(folder):
    settings = Settings(responder="http://127.0.0.1:8080/v1", responder_model="llama3.2:1b", responder_workers=3)
    emulator = Emulator(make_folder(folder, settings))
    endpoint = emulator.find_responder()
    assert isinstance(endpoint, Endpoint)
    assert (endpoint.url, endpoint.model, endpoint.workers) == (
        "http://127.0.0.1:8080/v1/chat/completions",
        "llama3.2:1b",
        3,
    )
    assert emulator.find_responder() is endpoint


def test_a_process_that_leaves_answers_to_workers_has_no_responder(open_emulator):
    emulator = open_emulator("worker")
    assert emulator.find_responder() is None
    with pytest.raises(
        ServiceError, match=r"ModelNotReadyException: .* settings say responder = worker\. Open the folder with"
    ):
        emulator.ask(QUESTION)


@pytest.mark.parametrize("name", ["", "extrakt", "ftp://host/v1", "answers.json", "answers.parquet"])
def test_an_unknown_responder_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"unknown responder .*; choose extract, worker, the URL .* recorded answers"):
        Settings(responder=name)


@pytest.mark.parametrize("url", ["http://", "https:///v1", "http://host:port/v1", "http://host:99999/v1", "http://:80"])
def test_a_url_without_a_host_is_refused(url):
    with pytest.raises(ValueError, match="is a URL without a host or with an invalid port"):
        Settings(responder=url)


@pytest.mark.parametrize("url", ["http://me:hush@host/v1", "https://host/v1?key=hush"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url):
    with pytest.raises(ValueError, match="put the key into OPENAI_API_KEY") as refused:
        Settings(responder=url)
    assert "hush" not in str(refused.value)


def test_a_bad_name_in_the_file_is_refused_with_the_file_and_the_cure(folder):
    make_folder(folder)
    (folder / "settings.json").write_text('{"responder": "extrakt"}')
    with pytest.raises(ValueError, match=r"settings\.json: unknown responder 'extrakt'; .*; correct it, or delete"):
        Emulator(folder).find_responder()


def test_recorded_answers_that_are_not_there_are_named(open_emulator):
    with pytest.raises(ValueError, match=r"answers\.jsonl: cannot read recorded answers \(No such file or directory\)"):
        open_emulator("answers.jsonl").find_responder()


def test_an_exception_of_a_responder_is_a_model_error_without_its_text(folder):
    def look_up(question):
        return {}[question.text]

    with pytest.raises(
        ServiceError, match=r"ModelErrorException: The responder failed: KeyError in look_up \(test_emu"
    ) as raised:
        ask_with(folder, look_up)
    assert "Rumpel" not in str(raised.value)


def test_a_responder_without_python_code_may_fail_too(folder):
    with pytest.raises(ServiceError, match=r"The responder failed: TypeError$"):
        ask_with(folder, len)


def test_a_timeout_of_a_responder_is_a_model_timeout(folder):
    def wait(question):
        raise TimeoutError

    with pytest.raises(ServiceError) as raised:
        ask_with(folder, wait)
    assert (raised.value.code, raised.value.status) == ("ModelTimeoutException", 408)


def test_a_responder_may_raise_errors_of_the_service(folder):
    def refuse(question):
        raise ServiceError("ThrottlingException", "Wait.")

    with pytest.raises(ServiceError, match="ThrottlingException: Wait"):
        ask_with(folder, refuse)


@pytest.mark.parametrize("given", [None, "A refund.", {"text": "A refund."}])
def test_a_result_that_is_not_a_reply_is_a_model_error_with_its_type(folder, given):
    with pytest.raises(
        ServiceError, match=f"ModelErrorException: The responder returned {type(given).__name__}, not a Reply"
    ):
        ask_with(folder, lambda question: given)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("text", None, "text is not a str"),
        ("text", "half \ud800", "text contains half of a surrogate pair"),
        ("stop", "end_turn", "stop is not one of end, length, stop_sequence, filtered"),
        ("stop", ["end"], "stop is not one of end"),
        ("input_tokens", 2.5, "input_tokens is not a count"),
        ("output_tokens", -1, "output_tokens is not a count"),
        ("output_tokens", True, "output_tokens is not a count"),
        ("stop_sequence", 5, "stop_sequence is neither a str nor None"),
        ("stop_sequence", "\ud800", "stop_sequence contains half of a surrogate pair"),
    ],
)
def test_a_reply_with_an_invalid_field_is_a_model_error_that_names_it(folder, field, value, fault):
    with pytest.raises(ServiceError, match=f"The responder returned a Reply whose {fault}"):
        ask_with(folder, lambda question: Reply(**GOOD | {field: value}))


def test_on_demand_a_failing_responder_is_a_client_error(folder):
    def fail(question):
        raise ValueError("Rumpelstiltskin")

    runtime = open_session(folder, responder=fail).client("bedrock-runtime")
    with pytest.raises(
        ClientError, match=r"\(ModelErrorException\).*The responder failed: ValueError in fail"
    ) as raised:
        runtime.converse(modelId="us.amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "Why?"}]}])
    assert "Rumpel" not in str(raised.value)


# Which folder it is


def test_each_folder_has_an_id_that_stays(tmp_path):
    one, other = (Emulator(make_folder(tmp_path / name)).folder_id for name in ("one", "other"))
    assert one != other
    (tmp_path / "one").rename(tmp_path / "moved")
    assert Emulator(make_folder(tmp_path / "moved")).folder_id == one


def test_a_folder_that_has_an_id_keeps_it_from_a_process_that_is_late(folder):
    emulator = Emulator(make_folder(folder))
    before = emulator.folder_id
    write_folder_id(emulator.folder)
    assert emulator.folder_id == before


def test_the_identity_of_a_caller_names_the_folder(folder):
    identity = open_session(folder).client("sts").get_caller_identity()
    assert (identity["Account"], identity["UserId"]) == ("123456789012", f"emulator:{Emulator(folder).folder_id}")


def test_everything_that_names_the_account_names_that_of_the_settings(folder, jobs_of, record, open_held):
    account = "444455556666"
    session = open_held(folder, account=account, strict=True, work_seconds=600)
    jobs, s3 = jobs_of(session), session.client("s3")
    role = {"roleArn": f"arn:aws:iam::{account}:role/batch"}
    owned = {"s3InputDataConfig": {"s3Uri": "s3://calls/in/", "s3BucketOwner": account}}
    job = jobs.run([record(1)], inputDataConfig=owned, **role)
    assert (job["status"], job["jobArn"].split(":")[4], job["modelId"].split(":")[4]) == ("Completed", account, account)
    assert job["outputDataConfig"]["s3OutputDataConfig"]["s3BucketOwner"] == account
    assert session.client("sts").get_caller_identity()["Account"] == account
    assert s3.list_buckets()["Owner"]["ID"] == s3.list_objects(Bucket="calls")["Contents"][0]["Owner"]["ID"] == account
    assert s3.head_bucket(Bucket="calls", ExpectedBucketOwner=account)
    with pytest.raises(ClientError, match="iam:PassRole"):
        jobs.create(jobName="other-1")
    profile = session.client("bedrock").list_inference_profiles()["inferenceProfileSummaries"][0]
    assert profile["inferenceProfileArn"].split(":")[4] == account


def test_a_job_stays_in_the_account_that_it_was_created_in(folder, jobs_of, record, open_held):
    jobs = jobs_of(open_held(folder))
    jobs.put([record(1)])
    arn = jobs.create()
    job = open_held(folder, account="444455556666").client("bedrock").get_model_invocation_job(jobIdentifier=arn)
    assert (job["jobArn"], job["inputDataConfig"]["s3InputDataConfig"]["s3BucketOwner"]) == (arn, "123456789012")
