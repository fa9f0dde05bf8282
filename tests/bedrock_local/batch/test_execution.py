from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from bedrock_local import open_session
from bedrock_local.batch import lease
from bedrock_local.batch.inference_pool import find_pool, list_ready
from bedrock_local.batch.jobs import RecordRef
from bedrock_local.batch.lifecycle import advance_jobs
from bedrock_local.inference import Reply

RECORDS = 100
ORACLES = weakref.WeakSet()


class Oracle:
    """A slow responder: it does not answer questions that a test holds back, and counts what it was asked."""

    def __init__(self, workers, held=()):
        self.workers, self.held, self.go = workers, set(held), threading.Event()
        self.asked, self.at_once, self.most_at_once = Counter(), 0, 0
        self.lock = threading.Lock()
        ORACLES.add(self)

    def __call__(self, question):
        with self.lock:
            self.asked[question.text] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        if question.text in self.held or "all" in self.held:
            self.go.wait()
        with self.lock:
            self.at_once -= 1
        return Reply("said", "end", 1, 1)


@pytest.fixture(autouse=True)
def all_oracles_answer():
    """Let no thread of a test outlive it, since a later one joins all threads that wait for answers."""
    yield
    for oracle in list(ORACLES):
        oracle.go.set()


@pytest.fixture
def ask_with(folder, jobs, record, clock):
    """Create a job and ask for it with a responder."""
    jobs.put([record(number) for number in range(RECORDS)])
    arn = jobs.create()

    def open_with(answer):
        bedrock = open_session(folder, responder=answer, now=clock).client("bedrock")
        return lambda: bedrock.get_model_invocation_job(jobIdentifier=arn)

    return open_with


def ask_until(get, is_enough):
    while not is_enough(job := get()):
        pass
    return job


def has_ended(job):
    return "endTime" in job


def wait_until(is_so):
    while not is_so():
        time.sleep(0.01)


def test_one_slow_answer_does_not_delay_the_rest(ask_with):
    oracle = Oracle(workers=2, held=["call 7"])
    get = ask_with(oracle)
    job = ask_until(get, lambda job: job["processedRecordCount"] == RECORDS - 1)
    assert job["status"] == "InProgress"
    oracle.go.set()
    assert ask_until(get, has_ended)["successRecordCount"] == RECORDS


def test_get_returns_while_an_answer_is_pending(ask_with):
    oracle = Oracle(workers=1, held=["all"])
    get = ask_with(oracle)
    ask_until(get, lambda _: oracle.at_once == 1)
    assert [get()["processedRecordCount"] for _ in range(3)] == [0, 0, 0]
    assert oracle.at_once == 1
    oracle.go.set()
    assert ask_until(get, has_ended)["successRecordCount"] == RECORDS


def test_records_submitted_by_one_request_are_collected_by_later_ones(ask_with):
    oracle = Oracle(workers=4)
    ask_until(ask_with(oracle), has_ended)
    assert oracle.asked == Counter(f"call {number}" for number in range(RECORDS))


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_are_asked_at_once_than_a_responder_takes(ask_with, workers):
    oracle = Oracle(workers, held=["all"])
    get = ask_with(oracle)
    ask_until(get, lambda _: oracle.at_once == workers)
    oracle.go.set()
    ask_until(get, has_ended)
    assert oracle.most_at_once == workers


@pytest.mark.parametrize("workers", [1, 3])
def test_a_batch_and_requests_on_demand_share_what_a_responder_takes(ask_with, folder, workers):
    oracle = Oracle(workers, held=["all"])
    get = ask_with(oracle)
    ask_until(get, lambda _: oracle.at_once == workers)
    ask_on_demand(folder, [oracle] * 4, oracle)
    ask_until(get, has_ended)
    assert oracle.most_at_once == workers


def test_a_method_is_one_responder_in_all_sessions(folder):
    oracle = Oracle(workers=1, held=["all"])
    ask_on_demand(folder, [oracle.__call__ for _ in range(4)], oracle)
    assert oracle.most_at_once == 1


def ask_on_demand(folder, responders, oracle):
    """Ask at the same time, then let the oracle answer."""
    clients = [open_session(folder, responder=answer).client("bedrock-runtime") for answer in responders]
    body = {"modelId": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": [{"text": "call"}]}]}
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = [pool.submit(client.converse, **body) for client in clients]
        wait_until(lambda: oracle.at_once == oracle.workers)
        time.sleep(0.3)  # enough to see one request too many; on a busy machine it may be missed
        oracle.go.set()
        assert {answer.result()["stopReason"] for answer in answers} == {"end_turn"}


def test_jobs_that_wait_for_answers_do_not_delay_others(folder, jobs, record, clock):
    oracle = Oracle(workers=9, held=["call 1"])
    bedrock = open_session(folder, responder=oracle, now=clock).client("bedrock")
    jobs.put([record(1)])
    for number in range(8):
        get = partial(bedrock.get_model_invocation_job, jobIdentifier=jobs.create(jobName=f"job-{number}"))
        ask_until(get, lambda _, number=number: oracle.at_once > number)
    jobs.put([record(2)])
    clock.move(1)
    jobs.create(jobName="youngest")
    listed = ask_until(bedrock.list_model_invocation_jobs, lambda page: has_ended(page["invocationJobSummaries"][0]))
    assert [job["status"] for job in listed["invocationJobSummaries"]] == ["Completed", *["InProgress"] * 8]


def test_a_stopped_job_drops_pending_answers(ask_with, jobs):
    oracle = Oracle(workers=2, held=["all"])
    job = ask_until(ask_with(oracle), lambda _: oracle.at_once == 2)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=job["jobArn"])
    job = jobs.get(job["jobArn"])
    oracle.go.set()
    assert (job["status"], job["processedRecordCount"], jobs.names(job)) == ("Stopped", 0, ["manifest.json.out"])


SECONDS = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 0, "Stopping": 10}


@pytest.fixture
def asked(jobs_at, record, folder, clock):
    """A job of which four records are asked, two of them by the oracle and two queued, and none is collected."""

    def ask(**settings):
        jobs, oracle = jobs_at(work_seconds=0, seconds=SECONDS, **settings), Oracle(workers=2, held=["all"])
        jobs.put([record(number) for number in range(RECORDS)])
        arn = jobs.create()
        bedrock = open_session(folder, responder=oracle, now=clock).client("bedrock")
        get = partial(bedrock.get_model_invocation_job, jobIdentifier=arn)
        ask_until(get, lambda _: oracle.at_once == 2)
        return jobs, arn, oracle, get

    return ask


def let_answer(oracle, arn, count):
    """Let the oracle answer, and wait until so many answers can be collected."""
    oracle.go.set()
    wait_until(lambda: len(list_ready(arn[-12:])) >= count)


@pytest.mark.parametrize("unprocessed", ["absent", "expired"])
def test_answers_that_are_ready_are_kept_when_a_job_is_stopped(asked, clock, unprocessed):
    jobs, arn, oracle, get = asked(unprocessed_records=unprocessed)
    let_answer(oracle, arn, 4)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(10)
    job = ask_until(get, has_ended)
    answered = ["modelOutput" in output for output in jobs.outputs(job)]
    assert (job["status"], job["processedRecordCount"], sum(answered)) == ("Stopped", 4, 4)


def test_answers_that_are_ready_are_kept_when_a_job_times_out(asked, jobs_at, clock):
    _, arn, oracle, get = asked()
    let_answer(oracle, arn, 4)
    jobs_at(work_seconds=0, seconds=SECONDS | {"InProgress": 1e9})
    clock.move(24 * 3600)
    job = ask_until(get, has_ended)
    assert (job["status"], job["processedRecordCount"]) == ("PartiallyCompleted", 4)


def test_questions_that_are_not_begun_are_cancelled_when_a_job_is_stopped(asked, clock):
    jobs, arn, oracle, get = asked()
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    let_answer(oracle, arn, 2)
    clock.move(10)
    assert (ask_until(get, has_ended)["processedRecordCount"], oracle.asked.total()) == (2, 2)


def quick(question):
    return Reply(question.text, "end", 1, 1)


quick.is_quick = True


def test_quick_and_slow_responders_give_the_same_order(folder, jobs, record, clock):
    jobs.put([record(number) for number in range(700)])
    orders = []
    for answer in (quick, Oracle(workers=1)):
        bedrock = open_session(folder, responder=answer, now=clock).client("bedrock")
        arn = jobs.create(jobName=f"job-{len(orders)}")
        ask_until(partial(bedrock.get_model_invocation_job, jobIdentifier=arn), has_ended)
        orders.append([output["recordId"] for output in jobs.outputs({"jobArn": arn})])
    assert orders[0] == orders[1]


def test_lines_are_shuffled_over_hundreds_and_not_over_the_whole_file(jobs, record):
    job = jobs.run([record(number) for number in range(2000)])
    numbers = [int(output["recordId"][1:]) for output in jobs.outputs(job)]
    assert max(numbers[:20]) > 200
    assert max(numbers[:100]) < 512 + 100


def test_a_responder_is_garbage_collected_when_its_job_has_ended(folder, jobs, record, clock):
    jobs.put([record(1)])
    arn, oracle = jobs.create(), Oracle(workers=1)
    bedrock = open_session(folder, responder=oracle, now=clock).client("bedrock")
    ask_until(partial(bedrock.get_model_invocation_job, jobIdentifier=arn), has_ended)
    seen = weakref.ref(oracle)
    del oracle, bedrock
    for thread in threading.enumerate():
        if thread.name == "bedrock_local answer":
            thread.join()
    gc.collect()
    assert seen() is None


WAIT_FOR_EVER = """
import sys, threading
from bedrock_local import open_session

asked = threading.Event()

def answer(question):
    asked.set()
    threading.Event().wait()

bedrock = open_session(sys.argv[1], responder=answer).client("bedrock")
while not asked.is_set():
    job = bedrock.get_model_invocation_job(jobIdentifier=sys.argv[2])
print(job["status"])
"""


def test_a_pending_answer_does_not_keep_a_process_from_ending(folder, jobs, record):
    jobs.put([record(1)])
    command = [sys.executable, "-W", "error", "-c", WAIT_FOR_EVER, str(folder), jobs.create()]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("InProgress\n", "")


ASK = """
import os, sys, time
from bedrock_local import open_session
from bedrock_local.batch import lease
from bedrock_local.inference import Reply

lease.LEASE_SECONDS = 1e9  # or a process that gets no processor for long would lose its questions to the other

def answer(question):
    os.write(1, question.text.encode() + b"\\n")
    time.sleep(0.02)
    return Reply("said", "end", 1, 1)

answer.workers = 4
bedrock = open_session(sys.argv[1], responder=answer).client("bedrock")
while "endTime" not in bedrock.get_model_invocation_job(jobIdentifier=sys.argv[2]):
    time.sleep(0.001)
"""


def test_two_processes_ask_each_record_once(folder, jobs, record):
    jobs.put([record(number) for number in range(RECORDS)])
    command = [sys.executable, "-c", ASK, str(folder), jobs.create()]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    asked = Counter(line for process in processes for line in process.communicate()[0].splitlines())
    assert asked == Counter(f"call {number}" for number in range(RECORDS))


HOLD = """
import sys, threading
from bedrock_local import open_session

asked = threading.Event()

def answer(question):
    asked.set()
    threading.Event().wait()

bedrock = open_session(sys.argv[1], responder=answer).client("bedrock")
while not asked.is_set():
    job = bedrock.get_model_invocation_job(jobIdentifier=sys.argv[2])
print(job["status"], flush=True)
threading.Event().wait()
"""


@pytest.fixture
def held(folder, jobs, record):
    """A job that another process has leased, and that process."""
    jobs.put([record(1)])
    arn = jobs.create()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder), arn], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "InProgress\n"
        yield arn, process
        process.kill()


def test_a_process_asks_nothing_of_a_job_that_another_has_leased(held, jobs, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1e9)
    arn, _ = held
    jobs.get(arn)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert (jobs.get(arn)["status"], jobs.get(arn)["processedRecordCount"]) == ("Stopping", 0)


def test_a_lease_ends_with_its_process(held, jobs):
    arn, process = held
    process.kill()
    process.wait()
    assert jobs.finish(arn)["status"] == "Completed"


def test_a_lease_that_is_not_renewed_expires(held, jobs, folder):
    arn, _ = held
    path = folder / "state" / "jobs" / arn[-12:] / "progress.json"
    progress = json.loads(path.read_bytes())
    path.write_text(json.dumps(progress | {"asked": progress["asked"] - 10}))
    assert jobs.finish(arn)["status"] == "Completed"


def test_a_forked_process_asks_again(folder, jobs, record):
    jobs.put([record(number) for number in range(4)])
    command = [sys.executable, "-c", FORK, str(folder), jobs.create(jobName="one"), jobs.create(jobName="two")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "Completed\n"


FORK = """
import os, sys, threading
from bedrock_local import open_session
from bedrock_local.inference import Reply

parent, asked = os.getpid(), threading.Event()

def answer(question):
    if os.getpid() == parent:
        asked.set()
        threading.Event().wait()
    return Reply("said", "end", 1, 1)

bedrock = open_session(sys.argv[1], responder=answer).client("bedrock")
while not asked.is_set():
    bedrock.get_model_invocation_job(jobIdentifier=sys.argv[2])
if child := os.fork():
    os.waitpid(child, 0)
else:
    while "endTime" not in (job := bedrock.get_model_invocation_job(jobIdentifier=sys.argv[3])):
        pass
    print(job["status"], flush=True)
"""


def test_without_a_responder_a_job_waits_for_a_worker(jobs_at, folder, record, clock):
    jobs = jobs_at(responder="worker")
    jobs.put([record(1)])
    alone = open_session(folder, now=clock).client("bedrock")
    arn = jobs.create()
    waiting = [alone.get_model_invocation_job(jobIdentifier=arn) for _ in range(3)]
    assert {(job["status"], job["processedRecordCount"]) for job in waiting} == {("InProgress", 0)}
    assert jobs.finish(arn)["successRecordCount"] == 1


def test_jobs_are_advanced_no_longer_than_the_deadline_while_an_answer_is_pending():
    oracle = Oracle(1, held=["all"])
    pool = find_pool(oracle)
    pool.submit(("a job", RecordRef(0, 0, 1)), oracle.go.wait)
    thread = threading.Thread(target=advance_jobs, args=(list, None, time.monotonic() - 1), daemon=True)
    thread.start()
    thread.join(300)
    oracle.go.set()
    assert not thread.is_alive()
    pool.drop("a job")
