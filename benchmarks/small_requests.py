"""How fast the emulator answers small GETs of many clients over HTTP, beside hypercorn with the same bytes.

    python benchmarks/small_requests.py [--runs 9]

Each server is a process of its own. Hypercorn reads the same file for each request and looks at nothing in it, where
the emulator checks what S3 checks. Everything lies in a temporary folder that is gone afterwards.
"""

import argparse
import asyncio
import os
import selectors
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread

import boto3
import psutil
from measuring import describe_machine, find_ratio, spread, table, take_turns
from transfers import BUCKET, serve_folder, served

CLIENTS, REQUESTS, OBJECT_BYTES = 32, 10_000, 4_096
OURS = "**the emulator**"


def main():
    """Measure both servers in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="of both, in turns; medians are printed")
    runs = parser.parse_args().runs
    print(describe_machine("botocore", "hypercorn", "h11"))
    with TemporaryDirectory() as folder, ExitStack() as servers:
        ours = servers.enter_context(served(serve_folder, Path(folder)))
        request = write_request(ours)
        answer = fetch(ours, request)
        facts = {OURS: ours, "hypercorn": servers.enter_context(served(serve_hypercorn, find_file(folder), answer))}
        # Hypercorn writes no "OK" into its first line.
        sizes = {name: len(fetch(served_by, request)) for name, served_by in facts.items()}
        seen = take_turns(facts, runs, lambda name: measure(facts[name], request, sizes[name]))
    print(f"\n{describe(seen)}")


def write_request(facts):
    """Put an object; give the bytes of the GET that boto3 sends for it."""
    keys = {name.lower(): facts[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    s3 = boto3.client("s3", endpoint_url=facts["AWS_ENDPOINT_URL"], region_name=facts["AWS_REGION"], **keys)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="small", Body=bytes(OBJECT_BYTES))
    sent = []
    s3.meta.events.register("before-send.s3.GetObject", lambda request, **_: sent.append(request))
    s3.get_object(Bucket=BUCKET, Key="small")["Body"].read()
    fields = {"Host": facts["AWS_ENDPOINT_URL"].removeprefix("http://"), "Accept-Encoding": "identity"}
    texts = {name: value.decode() if isinstance(value, bytes) else value for name, value in sent[0].headers.items()}
    lines = [f"GET /{BUCKET}/small HTTP/1.1", *(f"{name}: {value}" for name, value in (fields | texts).items())]
    return "\r\n".join([*lines, "\r\n"]).encode()


def fetch(facts, request):
    """Send a request over a connection of its own; give the whole answer."""
    with connect(facts) as connection:
        connection.sendall(request)
        answer = connection.recv(65_536)
        while not answer.endswith(bytes(OBJECT_BYTES)):
            answer += connection.recv(65_536)
    return answer


def connect(facts):
    """Open a connection to a server."""
    host, port = facts["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def find_file(folder):
    """Find the file of the object."""
    (path,) = Path(folder).glob(f"s3/{BUCKET}/*")
    return path


def serve_hypercorn(path, answer, pipe):
    """Serve a file by hypercorn until told to end, with the headers of an answer; the date is hypercorn's own."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    head = answer.partition(b"\r\n\r\n")[0]
    headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:] if not line.startswith(b"date:")]

    async def answer_request(scope, _, send):
        if scope["type"] == "http":  # or the lifespan of the server
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": path.read_bytes()})

    async def run():
        listening, config, ended = socket.create_server(("127.0.0.1", 0)), Config(), asyncio.Event()
        url = "http://{}:{}".format(*listening.getsockname())
        config.bind, config.include_server_header = [f"fd://{listening.detach()}"], False
        pipe.send({"AWS_ENDPOINT_URL": url, "PID": str(os.getpid())})
        loop = asyncio.get_running_loop()
        Thread(target=lambda: (pipe.recv(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
        await serve(answer_request, config, shutdown_trigger=ended.wait)

    asyncio.run(run())


def measure(facts, request, size):
    """Send all requests, one after the other over each connection; give seconds, and the server's processor time."""
    server = psutil.Process(int(facts["PID"]))
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for _ in range(CLIENTS):
            connection = stack.enter_context(connect(facts))
            waiting.register(connection, selectors.EVENT_READ, [0])
        before, started = cpu_of(server), time.perf_counter()
        drive(waiting, request, size)
        return time.perf_counter() - started, cpu_of(server) - before


def drive(waiting, request, size):
    """Keep a request under way on each connection until enough have been answered."""
    for key in list(waiting.get_map().values()):
        key.fileobj.sendall(request)
    left = REQUESTS
    while left > 0:
        for key, _ in waiting.select():
            got = key.fileobj.recv(65_536)
            if not got:
                raise SystemExit("a server hung up")
            key.data[0] += len(got)
            if key.data[0] >= size:
                key.data[0], left = 0, left - 1
                key.fileobj.sendall(request)


def cpu_of(process):
    """Give the processor time of a process until now."""
    times = process.cpu_times()
    return times.user + times.system


def describe(seen):
    """Write the table: by seconds, and by the processor time of the server, which other processes change less."""
    rows, (ours, *_) = [], seen.values()
    for name, facts in seen.items():
        rates = [REQUESTS / seconds for seconds, _ in facts]
        by_cpu = median(REQUESTS / cpu for _, cpu in facts)
        ratios = [find_ratio([run[at] for run in facts], [run[at] for run in ours]) for at in (0, 1)]
        rows.append([name, *spread(rates), f"{ratios[0]:.2f}", f"{by_cpu:,.0f}", f"{ratios[1]:.2f}"])
    head = [f"GETs of {OBJECT_BYTES:,} bytes, {CLIENTS} clients", "a second", "slowest and fastest run"]
    return table([*head, "the emulator to this", "a second of processor time", "the emulator to this"], rows)


if __name__ == "__main__":
    main()
