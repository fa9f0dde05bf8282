"""The emulator against what other people recorded: real requests, and real calls. Skipped where the data is not."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
BODIES = SHARED / "bedrock_batch" / "observed_model_bodies.jsonl"
CALLS = SHARED / "qmsum_calls.parquet"


def read_observed():
    return [json.loads(line) for line in BODIES.read_bytes().split(b"\n") if line]


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
def test_a_model_that_bedrock_does_not_know_is_refused_in_its_words(runtime, error_of):
    (recorded, *_) = [seen for seen in read_observed() if seen["http_status"] == 400]
    message = error_of(runtime.converse, modelId=recorded["model_id"], messages=[])[2]
    assert message == recorded["modelOutput"]["message"]


@pytest.mark.skipif(not CALLS.exists(), reason="the calls are not here")
def test_long_meetings_come_back_byte_for_byte(jobs):
    turns = polars.read_parquet(CALLS.with_name("qmsum_turns.parquet"), columns=["call_id", "text"])
    calls = turns.group_by("call_id", maintain_order=True).agg(polars.col("text").str.join("\n"))
    inputs = {
        call_id: json.dumps({"messages": [{"role": "user", "content": [{"text": text}]}]}, ensure_ascii=False)
        for call_id, text in calls.iter_rows()
    }
    lines = [f'{{"recordId": {json.dumps(name)}, "modelInput": {body}}}\n'.encode() for name, body in inputs.items()]
    job = jobs.run(lines, modelInvocationType="Converse")
    assert job["successRecordCount"] == len(inputs)
    echoed = jobs.read(job).split(b"\n")[:-1]
    sent = {body.encode() for body in inputs.values()}
    assert {line.split(b',"modelOutput":')[0].removeprefix(b'{"modelInput":') for line in echoed} == sent
