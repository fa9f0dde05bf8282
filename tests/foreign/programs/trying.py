"""What the scripts of this folder share: run a check, and print what came of it as a line of JSON."""

import asyncio
import contextlib
import inspect
import json
from pathlib import Path

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
ASKED = "Summarize: the customer wants a refund of 40 euros."
# What `extract` answers to it, but for its first letter.
ANSWER = "customer wants a refund of 40 euros"


def check(what):
    """Run the decorated function, which raises or returns something that is not true where the program fails."""

    def run(function):
        try:
            found = function()
            found = asyncio.run(found) if inspect.isawaitable(found) else found
            said = "" if found else f"it gave {found!r}"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps({"what": what, "ok": not said, "said": said[:500]}), flush=True)
        return function

    return run


@contextlib.contextmanager
def faults(**rates):
    """Let the emulator, whose folder is beside the script's working directory, have faults for a while."""
    settings = Path("account/settings.json")
    before = settings.read_text()
    names = {name.replace("_", "-"): rate for name, rate in rates.items()}
    settings.write_text(json.dumps(json.loads(before) | {"faults": names}))
    try:
        yield
    finally:
        settings.write_text(before)


def finish(bedrock, arn):
    """Wait for the end of a job, and return its description."""
    while "endTime" not in (job := bedrock.get_model_invocation_job(jobIdentifier=arn)):
        pass
    return job
