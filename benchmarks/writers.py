"""Write the input of a batch job in one of many ways, in a process of its own: how long it takes and how much memory.

    python benchmarks/writers.py <way> <folder>

The folder holds `calls-*.parquet`. Imports, and reading the table of calls, are not counted. Prints JSON. Every way
writes each call with both prompts; only those of this package give records ids by their content, estimate tokens,
cut files by the quotas and refuse what cannot be sent.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from measuring import cpu_seconds, peak_bytes
from tqdm import tqdm

from analysis.prompts import Prompt

MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
SYSTEM = "You write call notes for a service centre. You write only what the transcript says."
TASKS = {
    "notes": "Write notes of this call in three sentences.",
    "reasons": "Why did the customer call, and how did the call end?\nAnswer in one line each.",
}
TEXTS = {name: (f"{task}\n\n<call>\n", "\n</call>") for name, task in TASKS.items()}
SETTINGS = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 400, "system": SYSTEM}
PROMPTS = [
    Prompt(name=name, model_id=MODEL, template="{{ transcript }}".join(texts), system=SYSTEM, max_tokens=400)
    for name, texts in TEXTS.items()
]


def make_record(call_id, name, transcript):
    """Make a record as a dict."""
    content = [{"type": "text", "text": transcript.join(TEXTS[name])}]
    messages = [{"role": "user", "content": content}]
    return {"recordId": f"{call_id}-{name}", "modelInput": {**SETTINGS, "messages": messages}}


def way_blog(calls, folder):
    """Go through a pandas frame row by row, dump each dict, join the list of lines: as the examples do it."""
    frame = calls.to_pandas()
    yield
    lines = []
    for name in TEXTS:
        for _, row in frame.iterrows():
            lines.append(json.dumps(make_record(row["call_id"], name, row["transcript"])))
    (folder / "0.jsonl").write_text("\n".join(lines))
    yield


def way_json(calls, folder):
    """Dump dict by dict to the file, over the rows of two columns."""
    yield
    with (folder / "0.jsonl").open("w") as file:
        for name in TEXTS:
            for call_id, transcript in calls.select("call_id", "transcript").iter_rows():
                file.write(json.dumps(make_record(call_id, name, transcript)) + "\n")
    yield


def way_orjson(calls, folder):
    """As `json`, by orjson."""
    import orjson

    yield
    with (folder / "0.jsonl").open("wb") as file:
        for name in TEXTS:
            for call_id, transcript in calls.select("call_id", "transcript").iter_rows():
                file.write(orjson.dumps(make_record(call_id, name, transcript)) + b"\n")
    yield


def way_msgspec(calls, folder):
    """As `json`, by msgspec."""
    import msgspec

    encode = msgspec.json.Encoder().encode
    yield
    with (folder / "0.jsonl").open("wb") as file:
        for name in TEXTS:
            for call_id, transcript in calls.select("call_id", "transcript").iter_rows():
                file.write(encode(make_record(call_id, name, transcript)) + b"\n")
    yield


def way_polars(calls, folder):
    """Build columns of structs, and write them with `write_ndjson`."""
    yield
    for name, (before, after) in TEXTS.items():
        text = pl.concat_str(pl.lit(before), "transcript", pl.lit(after))
        block = pl.struct(pl.lit("text").alias("type"), text.alias("text"))
        message = pl.struct(pl.lit("user").alias("role"), pl.concat_list(block).alias("content"))
        body = pl.struct(**{key: pl.lit(value) for key, value in SETTINGS.items()}, messages=pl.concat_list(message))
        record_id = pl.concat_str("call_id", pl.lit(f"-{name}"))
        calls.select(recordId=record_id, modelInput=body).write_ndjson(folder / f"{name}.jsonl")
    yield


def way_records(calls, folder):
    """Write the records of a run: what `prepare` does after it has looked at the calls."""
    from analysis.facts.quotas import find_quotas
    from analysis.requests.records import write_records

    tqdm.get_lock()  # imports multiprocessing
    yield
    write_records(calls, PROMPTS, into=folder, find_quotas=find_quotas)
    yield


def way_prepare(calls, folder):
    """Prepare a run: look at the calls, write them, their records and their lines."""
    from analysis import prepare

    tqdm.get_lock()
    yield
    prepare(calls, PROMPTS, into=folder, name="run")
    yield


WAYS = {name.removeprefix("way_"): way for name, way in globals().items() if name.startswith("way_")}


def forget_peak():
    """Let the most memory begin again from what there is."""
    Path("/proc/self/clear_refs").write_text("5")


def main(name, source):
    """Write once, and print what was measured."""
    calls = pl.read_parquet(Path(source) / "calls-*.parquet")
    with TemporaryDirectory(dir=source) as folder:
        way = WAYS[name](calls, Path(folder))
        next(way)
        forget_peak()
        table, begin, begin_cpu = peak_bytes(), time.perf_counter(), cpu_seconds()
        next(way)
        facts = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - begin_cpu}
        peak = peak_bytes()
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.jsonl"))
    print(json.dumps(facts | {"bytes": size, "peak": peak, "over": peak - table}))


if __name__ == "__main__":
    main(*sys.argv[1:])
