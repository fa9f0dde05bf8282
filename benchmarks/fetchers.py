"""Fetch objects, or put one, in one of many ways, in a process of its own: how long it takes, and how much memory.

    python benchmarks/fetchers.py <way> <threads> <s3://bucket/prefix/> <folder>

The environment says where S3 is. Imports and the listing are not counted. Prints JSON.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import s3transfer.manager  # noqa: F401 (outside the clock, as all imports are)
from measuring import cpu_seconds, peak_bytes

from analysis.aws.downloads import fetch_files
from analysis.aws.session import make_client, open_session
from analysis.aws.storage import list_files, parse_s3_uri, put_file

BLOCK_BYTES = 1 << 20


def read_whole(s3, place, path):
    """Read a body in one go."""
    path.write_bytes(s3.get_object(**place)["Body"].read())


def read_blocks(s3, place, path):
    """Read a body into one buffer."""
    buffer = memoryview(bytearray(BLOCK_BYTES))
    body = s3.get_object(**place)["Body"]
    with path.open("wb", buffering=0) as file:
        while size := body.readinto(buffer):
            file.write(buffer[:size])


def download_file(s3, place, path):
    """Have boto3 write the file."""
    s3.download_file(*place.values(), str(path))


def download_fileobj(s3, place, path):
    """Have boto3 write into an open file."""
    with path.open("wb") as file:
        s3.download_fileobj(*place.values(), file)


def put_whole(s3, place, path):
    """Put a file in one request."""
    with path.open("rb") as body:
        s3.put_object(**place, Body=body)


def upload_file(s3, place, path):
    """Have boto3 put a file, in parts when it is large."""
    s3.upload_file(str(path), *place.values())


FETCHES = {
    "read": read_whole,
    "stream": read_blocks,
    "download_file": download_file,
    "download_fileobj": download_fileobj,
}
PUTS = {"put_object": put_whole, "upload_file": upload_file}


def fetch(way, threads, s3, uri, folder):
    """Fetch what is below an address."""
    files = list_files(uri, s3=s3)
    yield len(files)
    if way == "ours":
        yield fetch_files(files, folder, s3=s3)
    with ThreadPoolExecutor(threads) as pool:
        yield list(pool.map(lambda file: FETCHES[way](s3, find_place(file.uri), folder / file.name), files))


def put(way, s3, uri, folder):
    """Put the files of a folder, one after the other."""
    files = sorted(folder.iterdir())
    yield len(files)
    for file in files:
        if way == "put_file":
            put_file(file, f"{uri}{file.name}", s3=s3)
        else:
            PUTS[way](s3, find_place(f"{uri}{file.name}"), file)
    yield files


def find_place(uri):
    """Write an address as boto3's functions want it."""
    return dict(zip(("Bucket", "Key"), parse_s3_uri(uri), strict=True))


def main(way, threads, uri, folder):
    """Fetch or put once, and print what was measured."""
    s3 = make_client(open_session(), "s3")
    is_put = way in {*PUTS, "put_file"}
    task = put(way, s3, uri, Path(folder)) if is_put else fetch(way, int(threads), s3, uri, Path(folder))
    next(task)
    before, begin, begin_cpu = peak_bytes(), time.perf_counter(), cpu_seconds()
    next(task)
    facts = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - begin_cpu}
    print(json.dumps(facts | {"bytes_over_imports": peak_bytes() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
