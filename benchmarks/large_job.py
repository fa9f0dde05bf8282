"""A job of 100,000 records in a process of its own: its memory, and whether it gets slower.

    python benchmarks/large_job.py <folder> imports|job

`imports` opens the folder and makes clients, and does nothing with them. Prints JSON.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

from jobs import run_job
from measuring import peak_bytes

from bedrock_local import open_session
from bedrock_local.inference import Reply


def answer_quickly(question):
    """Answer at once."""
    return Reply("A refund.", stop="end", input_tokens=len(question.text) // 4, output_tokens=3)


answer_quickly.is_quick = True


def rates_by_tenth(seen, total):
    """Give the records a second of each tenth of a job; between two questions it went on evenly."""
    begin = max(seconds for seconds, processed in seen if not processed)
    moments = [begin, *(moment_of(seen, total * tenth / 10) for tenth in range(1, 11))]
    return [total / 10 / (later - earlier) for earlier, later in pairwise(moments)]


def moment_of(seen, processed):
    """Give the second at which so many records were processed."""
    place = next(place for place, (_, number) in enumerate(seen) if number >= processed)
    (before, few), (after, many) = seen[place - 1], seen[place]
    return before + (after - before) * (processed - few) / (many - few)


def main(folder, task):
    """Measure, and print what was measured."""
    session = open_session(folder, responder=answer_quickly)
    clients = [session.client(name) for name in ("s3", "bedrock")]
    facts = {"clients": len(clients)}
    if task == "job":
        seen, job = run_job(session, f"job-{len(list(Path(folder, 'state', 'jobs').glob('*')))}")
        total = job["totalRecordCount"]
        facts = {"records": total, "seconds": seen[-1][0], "rates": rates_by_tenth(seen, total)}
    print(json.dumps(facts | {"peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
