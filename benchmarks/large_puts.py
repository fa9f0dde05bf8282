"""How fast the emulator takes an object of 256 MB over HTTP, beside `cp` of the same file: prints Markdown.

    python benchmarks/large_puts.py [--runs 7]

The server is a process of its own; the file lies in the system's cache, and goes to the same disk both ways. Everything
lies in a temporary folder (1 GB) that is gone afterwards.
"""

import argparse
import socket
import subprocess
import time
import zlib
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from inputs import write_bytes
from measuring import describe_machine, find_ratio, spread, table, take_turns
from small_requests import connect, cpu_of
from transfers import BUCKET, serve_folder, served

OBJECT_BYTES = 256_000_000
WAYS = ("`cp`", "**put, plain**", "**put with CRC32**, as boto3 sends it")


def main():
    """Measure all ways in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7, help="of each way, in turns; medians are printed")
    runs = parser.parse_args().runs
    print(describe_machine("psutil"))
    with TemporaryDirectory() as folder, served(serve_folder, Path(folder) / "served") as facts:
        send(facts, f"PUT /{BUCKET}", {})
        path = write_bytes(Path(folder) / "object", OBJECT_BYTES)
        sum_of = {"x-amz-checksum-crc32": b64encode(zlib.crc32(path.read_bytes()).to_bytes(4)).decode()}
        headers = dict(zip(WAYS, (None, {}, sum_of), strict=True))
        seen = take_turns(WAYS, runs, lambda way: measure(facts, path, headers[way]))
    print(f"\n{describe(seen)}")


def measure(facts, path, headers):
    """Copy a file, or put it where there are headers; give the seconds, and the processor time of who stores it."""
    if headers is None:
        started = time.perf_counter()
        subprocess.run(["cp", str(path), f"{path}-copy"], check=True)
        return time.perf_counter() - started, 0.0
    server = psutil.Process(int(facts["PID"]))
    before, started = cpu_of(server), time.perf_counter()
    send(facts, f"PUT /{BUCKET}/{path.name}", headers, path)
    return time.perf_counter() - started, cpu_of(server) - before


def send(facts, line, headers, path=None):
    """Send a request, its body straight from disk, and check that it is answered well."""
    fields = {"Host": facts["AWS_ENDPOINT_URL"].removeprefix("http://"), "Connection": "close", **headers}
    fields["Content-Length"] = str(path.stat().st_size if path else 0)
    lines = [f"{line} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items()), "\r\n"]
    with closing(connect(facts)) as connection:
        connection.sendall("\r\n".join(lines).encode())
        if path:
            with path.open("rb") as body:
                connection.sendfile(body)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(answer.decode("latin-1"))


def describe(seen):
    """Write the table; the copy is what the others are held against."""
    copied, rows = [seconds for seconds, _ in seen[WAYS[0]]], []
    for way, facts in seen.items():
        seconds = [each for each, _ in facts]
        rates = [OBJECT_BYTES / 1e6 / each for each in seconds]
        cpu = f"{median(each for _, each in facts):.2f}" if way != WAYS[0] else ""
        rows.append([way, *spread(rates), f"{find_ratio(copied, seconds):.2f}", cpu])
    head = [f"{OBJECT_BYTES // 1_000_000} MB", "MB/s", "slowest and fastest run", "to `cp`", "server's CPU s"]
    return table(head, rows)


if __name__ == "__main__":
    main()
