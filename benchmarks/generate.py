"""Generate output files of batch jobs, as large as wanted and the same for the same seed.

python benchmarks/generate.py <folder> --files 4 --records 50000
"""

import argparse
import random
from pathlib import Path

import msgspec

from analysis.families.anthropic import write_request
from analysis.prompts import Prompt
from analysis.synthetic import make_calls

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


def write_outputs(folder, *, files, records, seed=0):
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


def generate_lines(requests, sentences, chance):
    """Generate lines without end: 1 of 200 failed, 3 of 100 answers truncated."""
    number = 0
    while True:
        number += 1
        request, answer = chance.choice(requests), chance.choices(sentences, k=11)
        lot = chance.random()
        result = b'"error":{"errorCode":400,"errorMessage":"too long"}' if lot < FAILED else write_answer(answer, lot)
        yield b'{"modelInput":%b,%b,"recordId":"CALL%08d"}\n' % (request, result, number)


def write_answer(sentences, lot):
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


def main():
    """Write the files and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--records", type=int, default=50_000)
    given = parser.parse_args()
    write_outputs(given.folder, files=given.files, records=given.records)
    size = sum(file.stat().st_size for file in given.folder.glob("*.out"))
    print(f"{given.records:,} records, {size / 1e6:,.0f} MB, {size / given.records / 1e3:.1f} KB each")


if __name__ == "__main__":
    main()
