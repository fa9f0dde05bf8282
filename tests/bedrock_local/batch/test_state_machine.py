"""Any jobs, clocks, settings, stops and crashes, in any order: no status is taken back, and no record is lost."""

from __future__ import annotations

import json
import threading
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from bedrock_local import Settings, open_session
from bedrock_local.inference import Reply
from bedrock_local.responders.process_state import reset_after_fork
from bedrock_local.settings import write_settings

HOUR = 3600
# Amazon Bedrock API Reference, ModelInvocationJobSummary, `status`; whoever polls may miss what lies between.
NEXT = {
    "Submitted": {"Validating", "Stopping", "Expired"},
    "Validating": {"Scheduled", "Failed", "Stopping"},
    "Scheduled": {"InProgress", "Stopping", "Expired"},
    "InProgress": {"Completed", "PartiallyCompleted", "Failed", "Stopping"},
    "Stopping": {"Stopped"},
}
COUNTERS = ("totalRecordCount", "processedRecordCount", "successRecordCount", "errorRecordCount")
NO_WAIT = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 0, "Stopping": 0}

LASTS = {
    "Submitted": [0, 20],
    "Validating": [0, 20],
    "Scheduled": [0, 20, 30 * HOUR],
    "InProgress": [100, 0, 30 * HOUR],
    "Stopping": [0, 20],
}
CHANGES = st.fixed_dictionaries(
    {
        "seconds": st.fixed_dictionaries({status: st.sampled_from(seconds) for status, seconds in LASTS.items()}),
        "speed": st.sampled_from([None, 0.1, 10]),
        "unprocessed": st.sampled_from(["expired", "absent"]),
        "quota": st.sampled_from([100, 2, 1]),
        # One step to a question, or as many as the clock allows.
        "work": st.sampled_from([0, 10]),
    }
)


def later(status):
    """Return all statuses that may follow one, sooner or later, and itself."""
    return {status}.union(*(later(following) for following in NEXT.get(status, ())))


class Killed(BaseException):
    """A crash of the process."""


class Process:
    """A clock and a model of one process, which crashes after so many calls of either."""

    def __init__(self, is_quick):
        self.is_quick, self.workers = is_quick, 2
        self.seconds, self.left, self.lock = 1_790_000_000.0, None, threading.Lock()

    def live(self):
        with self.lock:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    self.left = None
                    raise Killed

    def now(self):
        self.live()
        return self.seconds

    def __call__(self, question):
        self.live()
        return Reply(question.text, "end", 1, 1)


class Account(RuleBasedStateMachine):
    """Jobs in one folder, and the last description of each."""

    arns = Bundle("arns")

    def __init__(self, folder, *, is_quick, make_session, make_record, job_request):
        super().__init__()
        self.folder, self.make_record, self.job_request = folder, make_record, job_request
        self.process, self.told, self.records, self.names = Process(is_quick), {}, {}, 0
        self.latest = self.process.seconds
        session = make_session(folder, self.process)
        self.s3, self.bedrock = session.client("s3"), session.client("bedrock")
        self.s3.create_bucket(Bucket="calls")

    @precondition(lambda self: self.names < 4)
    @rule(target=arns, files=st.lists(st.integers(1, 8), min_size=1, max_size=3), hours=st.sampled_from([24, 48]))
    def create(self, files, hours):
        self.names += 1
        prefix, ids = f"in/{self.names}/", []
        for number, count in enumerate(files):
            records = [self.make_record(f"{number}-{line}") for line in range(count)]
            body = "".join(json.dumps(record) + "\n" for record in records)
            self.s3.put_object(Bucket="calls", Key=f"{prefix}{'deep/' * number}{number}.jsonl", Body=body)
            ids += [record["recordId"] for record in records]
        config = {"s3InputDataConfig": {"s3Uri": f"s3://calls/{prefix}"}}
        request = self.job_request(jobName=f"job-{self.names}", inputDataConfig=config, timeoutDurationInHours=hours)
        arn = self.bedrock.create_model_invocation_job(**request)["jobArn"]
        self.records[arn], self.told[arn] = ids, []
        return arn

    @initialize(changes=CHANGES)
    def begin(self, changes):
        self.change(**changes)

    @rule(changes=CHANGES)
    def change_settings(self, changes):
        self.change(**changes)

    def change(self, seconds, speed, unprocessed, quota, work):
        made = Settings(
            min_records=1,
            seconds=seconds,
            records_per_second=speed,
            work_seconds=work,
            over_quota="queue",
            max_unfinished_jobs=quota,
            unprocessed_records=unprocessed,
        )
        write_settings(self.folder, made)

    @rule(arn=arns, moves=st.lists(st.sampled_from([15, 40, 5, 12 * HOUR, -30]), min_size=1, max_size=8))
    def follow(self, arn, moves):
        for seconds in moves:
            self.move_clock(seconds)
            self.ask(arn)

    def move_clock(self, seconds):
        self.process.seconds += seconds
        self.latest = max(self.latest, self.process.seconds)

    def ask(self, arn):
        self.hear(self.bedrock.get_model_invocation_job(jobIdentifier=arn))

    @rule()
    def list_all(self):
        for job in self.bedrock.list_model_invocation_jobs(maxResults=1000)["invocationJobSummaries"]:
            self.hear(job)

    @rule(arn=arns)
    def stop(self, arn):
        if "endTime" not in (self.told[arn] or [{}])[-1]:
            try:
                self.bedrock.stop_model_invocation_job(jobIdentifier=arn)
            except self.bedrock.exceptions.ValidationException:
                self.ask(arn)
                assert "endTime" in self.told[arn][-1]

    @rule(arn=arns, looks=st.integers(0, 20), seconds=st.sampled_from([0, 40, 12 * HOUR]))
    def ask_and_die(self, arn, looks, seconds):
        self.move_clock(seconds)
        self.process.left = looks
        try:
            self.ask(arn)
        except Killed:
            pass
        finally:
            self.process.left = None
            # The next process has none of the answers that this one had in memory, nor its crash in one of them.
            reset_after_fork()

    @rule(arn=arns)
    def leave_half_a_line(self, arn):
        for path in (self.folder / "state" / "jobs" / arn[-12:] / "output").glob("*"):
            with path.open("ab") as output:
                output.write(b'{"modelInput":{"half a li')

    def hear(self, job):
        """Check the description of a job against the one before."""
        told = self.told[job["jobArn"]]
        told.append({name: value for name, value in job.items() if name != "ResponseMetadata"})
        assert job["processedRecordCount"] == job["successRecordCount"] + job["errorRecordCount"]
        assert job["processedRecordCount"] <= job["totalRecordCount"] or not job["totalRecordCount"]
        for before, after in pairwise(told[-2:]):
            assert after["status"] in later(before["status"]), (before["status"], after["status"])
            assert all(after[name] >= before[name] for name in COUNTERS), (before, after)
            assert "endTime" not in before or after == before

    def teardown(self):
        """Let all jobs end, and read what they left."""
        self.change(seconds=NO_WAIT, speed=None, unprocessed="absent", quota=100, work=10)
        self.process.seconds = self.latest + 1
        for arn in self.told:
            self.ask(arn)
            assert "endTime" in self.told[arn][-1]
            self.check_outputs(self.told[arn][-1], self.records[arn])

    def check_outputs(self, job, ids):
        """Check the output of a job that has ended against its status and counters."""
        outputs, manifest = self.read_outputs(job["jobArn"])
        answered = Counter(output["recordId"] for output in outputs if "modelOutput" in output)
        marked = Counter(output["recordId"] for output in outputs if output.get("error", {}).get("expired"))
        assert (answered + marked).keys() <= set(ids)
        assert max((answered + marked).values(), default=1) == 1
        assert len(answered) == job["successRecordCount"]
        assert len(answered) + len(marked) == len(outputs)
        assert outputs == [] or manifest is not None
        if job["status"] == "Completed":
            assert set(answered) == set(ids)
        if manifest is not None:
            assert [manifest[name] for name in COUNTERS] == [job[name] for name in COUNTERS]

    def read_outputs(self, arn):
        """Read the lines of all outputs of a job, and its manifest when there is one."""
        found = self.s3.list_objects_v2(Bucket="calls", Prefix=f"out/{arn[-12:]}/").get("Contents", [])
        bodies = {each["Key"]: self.s3.get_object(Bucket="calls", Key=each["Key"])["Body"].read() for each in found}
        manifest = bodies.pop(f"out/{arn[-12:]}/manifest.json.out", None)
        lines = [json.loads(line) for body in bodies.values() for line in body.split(b"\n")[:-1]]
        return lines, manifest and json.loads(manifest)


@pytest.fixture
def make_session():
    """Make the session through which the jobs are made and asked for."""
    return lambda folder, process: open_session(folder, responder=process, now=process.now)


@pytest.mark.parametrize("is_quick", [True, False])
def test_no_order_of_events_loses_a_record_or_takes_a_status_back(
    tmp_path_factory, make_session, record, request_of, is_quick
):
    def begin():
        folder = tmp_path_factory.mktemp("story")
        made = {"make_session": make_session, "make_record": record, "job_request": request_of}
        return Account(folder, is_quick=is_quick, **made)

    few = settings(
        max_examples=25,
        stateful_step_count=25,
        derandomize=True,
        database=None,
        # To look for a shorter story takes minutes.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(begin, settings=few)
