"""Make the run that a release is tested to open ever after: `python tests/analysis/runs/make_release.py FOLDER`.

Two prompts and six calls in batch jobs on an emulator with faults, then a repair on demand. What it answered is written
beside it, as the tests have to find it.
"""

import os
import sys
import tempfile
from pathlib import Path

import polars as pl

from analysis import Prompt, collect, load_answers, load_attempts, prepare, repair, submit
from analysis.prompts import Expectations
from bedrock_local.settings import Settings, write_settings

CALLS = pl.DataFrame(
    {
        "call_id": [f"c{place}" for place in range(6)],
        "transcript": [f"Agent: Hello.\nCustomer: Line {place} is down since Monday." for place in range(6)],
        "minutes": [3, 5, 8, 2, 4, 6],
    }
)
SHORT = Prompt(name="short", model_id="us.amazon.nova-micro-v1:0", template="Summarize.\n\n{{ transcript }}", samples=2)
LONG = Prompt(
    name="long",
    model_id="global.anthropic.claude-haiku-4-5-20251001-v1:0",
    system="You summarize calls.",
    template="Summarize in a paragraph.\n\n{{ transcript }}",
    expects=Expectations(max_words=60),
)
FAULTS = {"record-429": 0.2, "record-truncated": 0.2, "line-cut": 0.1}
KEYS = ("call_id", "variant", "sample", "attempt")


def main(folder: Path) -> None:
    """Make the run in `demo` below the folder."""
    with tempfile.TemporaryDirectory() as account:
        os.environ["BEDROCK_LOCAL"] = account
        write_settings(Path(account), Settings(faults=FAULTS, min_records=1, speed=100, seed=1))
        run = prepare(CALLS, [SHORT, LONG], into=folder, name="demo", quotas={"min_records": 4})
        submit(run)
        collect(run)
        write_settings(Path(account), Settings(min_records=1, speed=100))
        repair(run)
    load_answers(run).select(*KEYS, "text", "stop").write_ndjson(folder / "answers.jsonl")
    load_attempts(run).select(*KEYS, "cause", "won", "stop", "error_kind").write_ndjson(folder / "attempts.jsonl")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
