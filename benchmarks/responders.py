"""How many records a second a job processes, by its responder."""

import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inputs import TASK, read_transcripts, write_records
from jobs import BUCKET, no_wait, put_input, run_job

from bedrock_local import open_session
from bedrock_local.inference import Question, Reply
from bedrock_local.responders.extract import extract

SLOW_S = 0.05
WORKERS = (1, 8, 32)
WORDS = 600
ALONE = f"`extract` without a job, calls of {WORDS} words by processor time"
WORDINGS = (TASK, f"Write three bullets.\n\n{TASK}", f"Write two sentences.\n\n{TASK}")
TOGETHER = f"{ALONE}, {len(WORDINGS)} wordings of each"


@dataclass
class Case:
    """A responder, and a job that is long enough to be measured."""

    name: str
    records: int
    responder: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    session: Any = None


def answer_briefly(question):
    """Answer at once."""
    return Reply("A refund.", stop="end", input_tokens=len(question.text) // 4, output_tokens=3)


def answer_quickly(question):
    """Answer at once, without threads (`is_quick`)."""
    return answer_briefly(question)


answer_quickly.is_quick = True


@contextmanager
def model_server(delay_s):
    """Run the endpoint in its own process, and yield its URL."""
    command = [sys.executable, str(Path(__file__).with_name("model_server.py")), str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def make_cases(quick_url, slow_url):
    """List the responders to be measured."""
    return [
        Case("`extract`", 2_000),
        Case("recorded answers", 10_000, settings={"responder": "answers.jsonl"}),
        Case("a Python function", 10_000, answer_briefly),
        Case("a Python function with `is_quick`", 20_000, answer_quickly),
        *(endpoint_case("at once", quick_url, 2_000, workers) for workers in WORKERS),
        *(endpoint_case(f"after {SLOW_S * 1000:.0f} ms", slow_url, 40 * workers, workers) for workers in WORKERS),
    ]


def endpoint_case(when, url, records, workers):
    """Make the case of an endpoint."""
    settings = {"responder": url, "responder_workers": workers}
    return Case(f"endpoint that answers {when}, {workers} at once", records, settings=settings)


def open_case(case, folder):
    """Open a case in a folder, and put its input there."""
    case.session = open_session(folder, settings=no_wait(**case.settings), responder=case.responder)
    put_input(case.session, write_records(folder / "calls.jsonl", case.records))
    if case.settings.get("responder") == "answers.jsonl":
        record_answers(folder)


def record_answers(folder):
    """Record the answers of `extract` by a job of its own."""
    session = open_session(folder / "first", settings=no_wait())
    put_input(session, folder / "calls.jsonl")
    _, job = run_job(session, "first")
    key = f"output/{job['jobArn'].rsplit('/')[-1]}/calls.jsonl.out"
    session.client("s3").download_file(BUCKET, key, str(folder / "answers.jsonl"))
    shutil.rmtree(folder / "first")


def measure_alone(tasks):
    """Measure how many calls of `WORDS` words `extract` answers in a second of one core, each for several tasks."""
    questions = [Question("model", "", task + text, max_tokens=300) for text in read_transcripts() for task in tasks]
    started = time.process_time()
    for question in questions:
        extract(question)
    words = sum(len(question.text.split()) for question in questions)
    return words / WORDS / (time.process_time() - started)


def measure(folder, runs, tell):
    """Measure the records a second of each case in each run; the cases alternate within a run."""
    with model_server(0) as quick_url, model_server(SLOW_S) as slow_url:
        cases = make_cases(quick_url, slow_url)
        for number, case in enumerate(cases):
            open_case(case, folder / f"case-{number}")
        rates = {name: [] for name in (ALONE, TOGETHER, *(case.name for case in cases))}
        for run in range(runs):
            for name, tasks in ((ALONE, WORDINGS[:1]), (TOGETHER, WORDINGS)):
                tell(f"run {run + 1}: {name}")
                rates[name].append(measure_alone(tasks))
            for case in cases:
                tell(f"run {run + 1}: {case.name}")
                seen, _ = run_job(case.session, f"run-{run}")
                rates[case.name].append(case.records / seen[-1][0])
    return rates
