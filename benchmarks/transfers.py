"""How fast objects go in and out, through the door in the process and through the one over HTTP."""

import multiprocessing
import os
import time
from contextlib import contextmanager

import boto3
from inputs import write_bytes

from bedrock_local import open_session, serve

BUCKET = "objects"
# Bytes of an object, and how many of them one run sends, one after the other.
SIZES = {1_000_000: 20, 64_000_000: 2, 512_000_000: 1}
SMALL_BYTES, SMALL_NUMBER = 1_000, 300
READ_BYTES = 1 << 20


def serve_folder(folder, pipe):
    """Serve in a process of its own, as `batchbook emulator` does, until told to end."""
    with serve(folder) as server:
        pipe.send(server.environment | {"PID": str(os.getpid())})
        pipe.recv()


@contextmanager
def served(serving, *arguments):
    """Serve in another process; gives the environment variables that lead clients there."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serving, args=(*arguments, theirs))
    process.start()
    theirs.close()  # or a server that fails would be waited for
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join()


@contextmanager
def http_client(folder):
    """Give an S3 client of a server that runs in another process."""
    with served(serve_folder, folder) as facts:
        keys = {name.lower(): facts[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        yield boto3.client("s3", endpoint_url=facts["AWS_ENDPOINT_URL"], region_name=facts["AWS_REGION"], **keys)


def put_objects(s3, path, number):
    """Put a file so many times; give the seconds."""
    started = time.perf_counter()
    for place in range(number):
        with path.open("rb") as body:
            s3.put_object(Bucket=BUCKET, Key=f"{path.name}-{place}", Body=body)
    return time.perf_counter() - started


def get_objects(s3, path, number):
    """Get what was put, piece by piece; give the seconds."""
    started = time.perf_counter()
    for place in range(number):
        body = s3.get_object(Bucket=BUCKET, Key=f"{path.name}-{place}")["Body"]
        got = sum(len(piece) for piece in body.iter_chunks(READ_BYTES))
        if got != path.stat().st_size:
            raise SystemExit(f"{path.name}-{place}: {got} bytes came back")
    return time.perf_counter() - started


def measure(folder, runs, tell):
    """Give the bytes, or the small requests, a second of each door, size and direction in each run."""
    files = {size: write_bytes(folder / f"{size}-bytes", size) for size in SIZES}
    small = folder / "small"
    small.write_bytes(bytes(SMALL_BYTES))
    rates = {}
    with http_client(folder / "served") as over_http:
        doors = {"in the process": open_session(folder / "own").client("s3"), "over HTTP": over_http}
        for s3 in doors.values():
            s3.create_bucket(Bucket=BUCKET)
        for run in range(runs):
            for size, number in SIZES.items():
                tell(f"run {run + 1}: objects of {size // 1_000_000} MB")
                for door, s3 in doors.items():
                    add_rates(rates, (door, size), s3, files[size], number, unit=size)
            for door, s3 in doors.items():
                add_rates(rates, (door, SMALL_BYTES), s3, small, SMALL_NUMBER, unit=1)
    return rates


def add_rates(rates, case, s3, path, number, *, unit):
    """Measure one door and size, both ways."""
    for direction, send in (("put", put_objects), ("get", get_objects)):
        rates.setdefault((*case, direction), []).append(number * unit / send(s3, path, number))
