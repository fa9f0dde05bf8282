"""How fast objects come from S3 and go there, beside other ways of boto3: prints Markdown.

    python benchmarks/storage.py [--runs 3] [--small]

S3 is the emulator, and then moto's server, each in a process of its own on this machine. Everything is made up from a
fixed seed, and lies in temporary folders (4 GB; 1 GB with --small) that are gone afterwards.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import boto3
from inputs import write_bytes
from measuring import describe_machine, find_ratio, table, take_turns, tell
from transfers import serve_folder, served

BUCKET = "objects"
SMALL_BYTES = 4_096
THREADS = (1, 4, 8, 16, 32)
NAMES = {
    "ours": "**`fetch_files`**",
    "read": "`get_object`, body read whole",
    "stream": "`get_object`, body read into one buffer",
    "download_file": "`download_file`",
    "download_fileobj": "`download_fileobj`",
    "put_file": "**`put_file`**",
    "put_object": "`put_object` of an open file",
    "upload_file": "`upload_file`",
}
LARGE = [(way, 1) for way in ("ours", "read", "stream", "download_file", "download_fileobj")]
MANY = [("ours", 1), *(("read", threads) for threads in THREADS), ("download_file", 8)]
PUTS = [(way, 1) for way in ("put_file", "put_object", "upload_file")]


def main():
    """Measure server by server, and print the tables of each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="of everything, in turns; medians are printed")
    parser.add_argument("--small", action="store_true", help="no object of 1 GB, a tenth of the small ones, no moto")
    given = parser.parse_args()
    print(describe_machine("boto3", "botocore", "s3transfer", "urllib3", "moto"))
    large = [(4, 64_000_000)] if given.small else [(4, 64_000_000), (1, 1_000_000_000)]
    servers = {"the emulator": (serve_folder, large, 500 if given.small else 5_000)}
    if not given.small:
        servers["moto's server"] = (serve_moto, large[:1], 500)
    for name, (serving, sizes, number) in servers.items():
        with TemporaryDirectory() as folder:
            for part in measure(Path(folder), name, serving, sizes, number, given.runs):
                print(f"\n{part}", flush=True)


def serve_moto(_, pipe):
    """Serve moto's S3 until told to end."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    pipe.send(keys | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"})
    pipe.recv()
    server.stop()


def measure(folder, name, serving, sizes, number, runs):
    """Yield the tables of one server."""
    with served(serving, folder / "served") as facts:
        s3 = make_bucket(facts)
        for count, size in sizes:
            title, total = f"{count} of {size // 1_000_000:,} MB, {name}", count * size / 1e6
            yield describe(f"put {title}", total, "MB/s", put_large(facts, folder / "files", count, size, runs))
            yield describe(f"fetch {title}", total, "MB/s", fetch_all(LARGE, facts, "large/", folder / "copy", runs))
            delete(s3, "large/")
        tell(f"{number:,} small objects")
        for place in range(number):
            s3.put_object(Bucket=BUCKET, Key=f"small/{place}", Body=bytes(SMALL_BYTES))
        seen = fetch_all(MANY, facts, "small/", folder / "copy", runs)
        yield describe(f"fetch {number:,} of {SMALL_BYTES:,} bytes, {name}", number, "objects/s", seen)


def put_large(facts, folder, count, size, runs):
    """Put files in all ways, over what is there."""
    folder.mkdir()
    for place in range(count):
        write_bytes(folder / f"{place}", size)
    seen = take_turns(PUTS, runs, lambda case: transfer(case, facts, "large/", folder))
    shutil.rmtree(folder)
    return seen


def fetch_all(cases, facts, prefix, folder, runs):
    """Fetch what is below a prefix in all ways."""
    return take_turns(cases, runs, lambda case: fetch(case, facts, prefix, folder))


def make_bucket(facts):
    """Make the bucket; gives a client."""
    keys = {name.lower(): facts[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    s3 = boto3.client("s3", endpoint_url=facts["AWS_ENDPOINT_URL"], region_name=facts["AWS_REGION"], **keys)
    s3.create_bucket(Bucket=BUCKET)
    return s3


def delete(s3, prefix):
    """Delete what is below a prefix, as the disk is not made for all at once."""
    for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])


def fetch(case, facts, prefix, folder):
    """Fetch into a folder that is new, and gone afterwards."""
    folder.mkdir()
    measured = transfer(case, facts, prefix, folder)
    shutil.rmtree(folder)
    return measured


def transfer(case, facts, prefix, folder):
    """Fetch or put in a process of its own."""
    way, threads = case
    command = [sys.executable, str(Path(__file__).with_name("fetchers.py")), way, str(threads)]
    command += [f"s3://{BUCKET}/{prefix}", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ | facts)
    return json.loads(done.stdout)


def describe(title, amount, unit, seen):
    """Write the table of one task; the first row is what the others are held against."""
    first = [fact["seconds"] for fact in next(iter(seen.values()))]
    rows = []
    for (way, threads), facts in seen.items():
        seconds = [fact["seconds"] for fact in facts]
        rate, ratio = amount / median(seconds), find_ratio(first, seconds)
        cpu, peak = median(fact["cpu"] for fact in facts), max(fact["bytes_over_imports"] for fact in facts)
        name = NAMES[way] + (f", {threads} at once" if (way, threads) in MANY[1:] else "")
        rows.append([name, f"{rate:,.0f}", f"{ratio:.2f}", f"{cpu:.2f}", f"{peak / 1e6:,.0f}"])
    return table([title, unit, "times the first", "CPU seconds", "MB over imports"], rows)


if __name__ == "__main__":
    main()
