"""Places: a folder with an account of its own, in this process or behind a server, and the run that is sent to it."""

import math
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from points import in_fork

from analysis import Prompt
from analysis.aws.session import EMULATOR_BUCKET, EMULATOR_ROLE, open_session
from bedrock_local import serve
from bedrock_local.settings import Settings, write_settings

MODEL = "us.amazon.nova-micro-v1:0"
CALLS, PER_JOB = 24, 8
QUOTAS = {"records_per_job": PER_JOB, "min_records": 1, "unfinished_jobs": 2}
LIMITS = {"min_records": 1, "max_unfinished_jobs": 2}
PROMPT = Prompt(name="short", model_id=MODEL, template="Summarize.\n\n{{ transcript }}", max_tokens=50)


def make_calls():
    """Make the calls of each run: all different."""
    texts = [f"Agent: Hello.\nCustomer: Line {place} is down since Monday." for place in range(CALLS)]
    return pl.DataFrame({"call_id": [f"c{place}" for place in range(CALLS)], "transcript": texts})


def find_account() -> dict:
    """Find where jobs go: the emulator in this process, or the server that AWS_ENDPOINT_URL names."""
    if "AWS_ENDPOINT_URL" not in os.environ:
        return {}
    return {"profile": "", "bucket": EMULATOR_BUCKET, "role_arn": EMULATOR_ROLE, "budget_usd": math.inf}


def new_place(folder: Path, faults: dict | None = None, seed: int = 0) -> str:
    """Make a place with an account of its own."""
    place = Path(folder) / f"{random.getrandbits(40):x}"
    place.mkdir()
    write_settings(place / "account", Settings(faults=faults or {}, seed=seed, speed=100, **LIMITS))
    os.environ["BEDROCK_LOCAL"] = str(place / "account")
    return str(place)


def copy_place(folder: Path, make: Callable[[str], None], faults: dict | None = None, seed: int = 0) -> str:
    """Copy a place in which something was made, which is done once for each way of making it."""
    source = Path(folder) / make.__name__
    if not source.exists():
        made = new_place(folder, faults, seed)
        in_fork(make, made)
        Path(made).rename(source)
    place = Path(folder) / f"{random.getrandbits(40):x}"
    shutil.copytree(source, place)
    os.environ["BEDROCK_LOCAL"] = str(place / "account")
    return str(place)


@contextmanager
def served(place: str) -> Iterator[None]:
    """Serve the account of a place from a fork, to which this process and its forks then talk."""
    reading, writing = os.pipe()
    server = os.fork()
    if server == 0:
        os.close(reading)
        with serve(Path(place) / "account") as served:
            os.write(writing, served.url.encode())
            os.close(writing)
            signal.pause()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        url = pipe.read()
    keys = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    os.environ.update(keys, AWS_DEFAULT_REGION="us-east-1")
    try:
        in_fork(make_bucket)
        yield
    finally:
        for name in (*keys, "AWS_DEFAULT_REGION"):
            del os.environ[name]
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def make_bucket() -> None:
    """Make the bucket, which the profile `emulator` has from the beginning."""
    open_session("").client("s3").create_bucket(Bucket=EMULATOR_BUCKET)
