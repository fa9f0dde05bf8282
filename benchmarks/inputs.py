"""What the benchmarks send: made-up support calls and bytes, the same in every run."""

import json
import random
from functools import cache

from analysis.synthetic import make_calls

SEED = 7
DISTINCT_CALLS = 1_000
TASK = "Summarize the call below in three sentences.\n\n"
BLOCK_BYTES = 1_000_000


@cache
def read_transcripts():
    """Make transcripts once, of 3,500 characters each on average."""
    return make_calls(DISTINCT_CALLS, seed=SEED)["transcript"].to_list()


def make_records(number):
    """Yield the lines of an input file; each asks something that no other does."""
    transcripts = read_transcripts()
    for place in range(number):
        text = f"{TASK}Call {place}\n{transcripts[place % DISTINCT_CALLS]}"
        body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 300}
        body["messages"] = [{"role": "user", "content": text}]
        yield json.dumps({"recordId": f"call-{place:06}", "modelInput": body}).encode() + b"\n"


def write_records(path, number):
    """Write an input file."""
    with path.open("wb") as file:
        file.writelines(make_records(number))
    return path


def write_bytes(path, size):
    """Write a file of bytes that nobody can compress: blocks that differ by their number."""
    block = random.Random(SEED).randbytes(BLOCK_BYTES)
    with path.open("wb") as file:
        for place in range(size // BLOCK_BYTES):
            file.write(place.to_bytes(8, "big") + block[8:])
    return path
