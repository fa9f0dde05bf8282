"""Generate output files of batch jobs, as large as wanted and the same for the same seed.

python benchmarks/generate.py /tmp/outputs --files 4 --records 50000
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from analysis.families.anthropic import write_request
from analysis.prompts import Prompt
from analysis.samples import make_calls

PROMPT = Prompt(
    name="notes",
    model_id="anthropic.claude-haiku-4-5-20251001-v1:0",
    template="{{ transcript }}",
    system="You write call notes for a service centre. You write only what the transcript says.",
    max_tokens=400,
    temperature=0.2,
)
CALLS, LONGEST = 600, 260  # so that a line has 6.6 KB; the files have the calls again and again
FAILED, TRUNCATED = 0.005, 0.03  # shares of the records


def write_outputs(folder: Path, *, files: int, records: int, seed: int = 0) -> None:
    """Write output files of one job, records spread evenly, in Anthropic's Messages format."""
    calls = make_calls(CALLS, seed=seed).sort("words").tail(LONGEST)["transcript"].to_list()
    requests = [msgspec.json.encode(write_request(PROMPT, call)) for call in calls]
    sentences = [line.split(": ", 1)[-1] for call in calls for line in call.splitlines()]
    lines = generate_lines(requests, sentences, random.Random(seed))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        count = records * (number + 1) // files - records * number // files
        with (folder / f"{number:05}.jsonl.out").open("wb") as file:
            file.writelines(next(lines) for _ in range(count))


def generate_lines(requests: list[bytes], sentences: list[str], chance: random.Random) -> Iterator[bytes]:
    """Generate lines without end: 1 of 200 failed, 3 of 100 answers truncated."""
    number = 0
    while True:
        number += 1
        request, answer = chance.choice(requests), chance.choices(sentences, k=11)
        lot = chance.random()
        result = b'"error":{"errorCode":400,"errorMessage":"too long"}' if lot < FAILED else write_answer(answer, lot)
        yield b'{"modelInput":%b,%b,"recordId":"CALL%08d"}\n' % (request, result, number)


def write_answer(sentences: list[str], lot: float) -> bytes:
    """Write an answer; the lot decides how it ended."""
    output = {
        "model": "claude-haiku-4-5-20251001",
        "id": f"msg_bdrk_{int(lot * 1e18):018}",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": " ".join(sentences)}],
        "stop_reason": "max_tokens" if lot < FAILED + TRUNCATED else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 1_000 + int(lot * 1_000),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 100 + int(lot * 300),
        },
    }
    return b'"modelOutput":' + msgspec.json.encode(output)


def main(folder: Path, files: Annotated[int, typer.Option()], records: Annotated[int, typer.Option()]) -> None:
    """Write the files and say how large they are."""
    write_outputs(folder, files=files, records=records)
    size = sum(file.stat().st_size for file in folder.glob("*.out"))
    print(f"{records:,} records in {files:,} files, {size / 1e6:,.0f} MB, {size / records / 1e3:.1f} KB each")


if __name__ == "__main__":
    typer.run(main)
