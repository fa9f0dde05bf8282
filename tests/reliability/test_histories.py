"""Any history of a run keeps its promises: what people, the service and a killed process may do to it, in any order."""

import math
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import botocore.client
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from analysis import (
    Prompt,
    collect,
    delete,
    load_answers,
    load_outputs,
    open_run,
    prepare,
    repair,
    stop,
    submit,
    write_answers,
)
from analysis.aws.session import open_session
from analysis.errors import AnalysisError
from analysis.jobs.statuses import UNFINISHED
from analysis.outputs import OUTPUT_SCHEMA
from analysis.runs import is_collected, is_finished
from bedrock_local.settings import Settings, write_settings

pytestmark = pytest.mark.whole

PRICES = (0.0175, 0.07)  # USD per million tokens of Nova Micro in batch, in and out: the price list of AWS
CALLS = pl.DataFrame(
    {"call_id": [f"c{place}" for place in range(6)], "transcript": [f"Customer: Line {place}." for place in range(6)]}
)
PROMPT = Prompt(name="p", model_id="us.amazon.nova-micro-v1:0", template="Summarize. {{ transcript }}", max_tokens=40)
RECORDS = 2 * len(CALLS)
REGIONS = ("us-east-1", "us-west-2")
QUOTAS = {"records_per_job": 4, "min_records": 3, "unfinished_jobs": 2}
LIMITS = {"min_records": 1, "max_unfinished_jobs": 2, "speed": 100}
FAULTS = (
    "job-failed", "job-expired", "job-partial", "record-500", "record-lost", "record-truncated", "line-cut",
    "manifest-missing",
)  # fmt: skip


class Killed(BaseException):
    """Ends a process at a call of a service, as far as one process can show it."""


@contextmanager
def killed_at(number):
    """Raise Killed after so many calls of services, before or after the next one was carried out."""
    call, made = botocore.client.BaseClient._make_api_call, []

    def count(client, operation, request):
        made.append(operation)
        if len(made) == number:
            raise Killed
        answer = call(client, operation, request)
        if len(made) == number + 1:
            raise Killed
        return answer

    botocore.client.BaseClient._make_api_call = count
    try:
        yield
    finally:
        botocore.client.BaseClient._make_api_call = call


class Histories(RuleBasedStateMachine):
    """One run in one account, whose settings, files and processes change; its jobs are in one Region or in two."""

    def __init__(self):
        super().__init__()
        self.place = Path(mkdtemp())
        self.before = os.environ.get("BEDROCK_LOCAL")
        os.environ["BEDROCK_LOCAL"] = str(self.place / "account")
        self.set_account({})

    @initialize(region=st.sampled_from(["", REGIONS[1]]))
    def begin(self, region):
        self.prompts = [PROMPT, PROMPT.replace(name="q", region=region)]
        self.run = prepare(CALLS, self.prompts, into=self.place / "runs", name="demo", quotas=QUOTAS)
        self.limit = 2 * self.run.plan(region="us-east-1").cost_usd_high  # of each run
        self.budget = self.limit  # of all that the account has answered
        self.names = 0

    def set_account(self, faults):
        write_settings(self.place / "account", Settings(faults=faults, **LIMITS))

    def teardown(self):
        os.environ.pop("BEDROCK_LOCAL")
        if self.before is not None:
            os.environ["BEDROCK_LOCAL"] = self.before
        shutil.rmtree(self.place)

    @rule(fault=st.sampled_from(FAULTS), rate=st.sampled_from([0, 0.3, 1]))
    def change_what_the_service_does(self, fault, rate):
        self.set_account({fault: rate})

    @rule()
    def submit(self):
        with suppress(AnalysisError):
            submit(self.run, budget_usd=self.limit, pause_s=0.01)

    @rule(number=st.integers(1, 12))
    def submit_and_be_killed(self, number):
        with suppress(AnalysisError, Killed), killed_at(number):
            submit(self.run, budget_usd=self.limit, pause_s=0.01)

    @rule()
    def repair(self):
        with suppress(AnalysisError):
            repair(self.run, budget_usd=self.limit, pause_s=0.01)

    @rule(number=st.integers(1, 20))
    def repair_and_be_killed(self, number):
        with suppress(AnalysisError, Killed), killed_at(number):
            repair(self.run, budget_usd=self.limit, pause_s=0.01)

    @rule()
    def stop(self):
        with suppress(AnalysisError):
            stop(self.run)

    @precondition(lambda self: is_collected(self.run))
    @rule(suffix=st.sampled_from(["csv", "xlsx", "parquet"]))
    def export(self, suffix):
        export = write_answers(load_answers(self.run), self.place / f"answers.{suffix}", replace=True)
        assert export.rows == RECORDS

    @precondition(lambda self: not self.runs_jobs())
    @rule()
    def delete_and_begin_again(self):
        paid = self.count_jobs()
        with suppress(AnalysisError):  # such as a lost ledger, which cannot tell what is in S3
            delete(self.run, ask=lambda _: "yes")
            assert self.count_jobs() == paid  # their names stay with Bedrock
            assert not any(self.find_texts())
        if not self.run.folder.exists():
            self.names += 1
            name = f"demo-{self.names}"
            self.run = prepare(CALLS, self.prompts, into=self.place / "runs", name=name, quotas=QUOTAS)
            self.budget += self.limit

    @rule()
    def submit_with_too_small_a_budget(self):
        before = self.count_jobs()
        with suppress(AnalysisError):
            submit(self.run, budget_usd=1e-9, pause_s=0.01)
        assert self.count_jobs() == before

    @precondition(lambda self: self.run.ledger.file.exists())
    @rule(cut=st.integers(1, 400))
    def lose_the_end_of_the_ledger(self, cut):
        content = self.run.ledger.file.read_bytes()
        self.run.ledger.file.write_bytes(content[: max(0, len(content) - cut)])

    @rule()
    def rename_the_folder(self):
        self.names += 1
        self.run = open_run(self.run.folder.rename(self.run.folder.with_name(f"name-{self.names}")))

    @rule(file=st.integers(0, 2), what=st.sampled_from(["cut", "empty", "edit"]))
    def damage_an_input_file(self, file, what):
        path = sorted((self.run.folder / "input").glob("job0[123]/*.jsonl"))[file]
        content = path.read_bytes()
        changes = {"cut": content[: len(content) // 2], "empty": b"", "edit": content.replace(b"Line", b"Lime")}
        path.write_bytes(changes[what])

    @precondition(lambda self: self.run.read_sending())
    @rule()
    def collect(self):
        checks = collect(self.run)
        assert checks["prepared"].sum() == RECORDS
        parts = checks.select(pl.sum_horizontal("answered", "failed", "missing"))
        assert parts.to_series().to_list() == checks["prepared"].to_list()

    @invariant()
    def no_job_is_created_twice(self):
        names = [job["jobName"] for job in self.list_jobs()]
        assert len(set(names)) == len(names)

    @invariant()
    def nothing_is_spent_beyond_the_budget(self):
        batch, on_demand = self.read_account(), self.read_on_demand()
        tokens = pl.concat([batch, on_demand, on_demand])  # whose price is twice that of a batch
        counts = tokens.select("input_tokens", "output_tokens").sum().row(0)
        assert sum(count * usd / 1e6 for count, usd in zip(counts, PRICES, strict=True)) <= self.budget

    @precondition(lambda self: self.run.read_sending() and is_finished(self.run))
    @rule()
    def repair_until_all_is_well(self):
        self.set_account({})
        for _ in range(3):
            repair(self.run, pause_s=0.01)
        assert load_answers(self.run)["stop"].unique().to_list() == ["end"]
        sent = self.count_jobs(), self.read_on_demand().height
        repair(self.run, pause_s=0.01)
        assert (self.count_jobs(), self.read_on_demand().height) == sent
        self.budget = math.inf  # was not asked for

    def find_texts(self):
        """The files in which a transcript stands, but for exports, which stay."""
        files = (path for path in self.place.rglob("*.*") if path.is_file() and path.parent != self.place)
        return (path for path in files if b"Customer: Line " in path.read_bytes())

    def runs_jobs(self):
        return any(job["status"] in UNFINISHED for job in self.list_jobs())

    def list_jobs(self):
        clients = (open_session("emulator", region=region).client("bedrock") for region in REGIONS)
        return [job for each in clients for job in each.list_model_invocation_jobs()["invocationJobSummaries"]]

    def count_jobs(self):
        return len(self.list_jobs())

    def read_account(self):
        """What the service's own files say was answered, also where a line did not reach the output."""
        if not any((self.place / "account").rglob("*.jsonl.out")):
            return pl.DataFrame(schema=OUTPUT_SCHEMA)
        return load_outputs(self.place / "account" / "s3")

    def read_on_demand(self):
        """What was answered on demand."""
        files = self.run.folder / "output" / "on-demand"
        return load_outputs(files) if any(files.glob("*.out")) else pl.DataFrame(schema=OUTPUT_SCHEMA)


def test_any_history_keeps_the_promises():
    from hypothesis.stateful import run_state_machine_as_test

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = {"deadline": None, "max_examples": 4, "stateful_step_count": 12, "derandomize": True}
    run_state_machine_as_test(Histories, settings=settings(**chosen, suppress_health_check=slow))
