"""An OpenAI-compatible endpoint that gives the same answer to each question after a fixed time; prints its URL.

python benchmarks/model_server.py 0.05
"""

import asyncio
import json
import sys

ANSWER = json.dumps(
    {
        "choices": [{"message": {"role": "assistant", "content": "A refund. " * 20}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60},
    }
).encode()
HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n".encode()


async def converse(reader, writer, delay_s):
    """Answer the questions of one connection, one after the other."""
    while head := await read_head(reader):
        lines = head.lower().split(b"\r\n")
        size = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        await reader.readexactly(size)
        await asyncio.sleep(delay_s)
        writer.write(HEAD + ANSWER)
        await writer.drain()
    writer.close()


async def read_head(reader):
    """Read the head of a request; empty at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


async def main(delay_s):
    """Serve until the process is ended."""
    server = await asyncio.start_server(lambda *ends: converse(*ends, delay_s), "127.0.0.1", 0, backlog=128)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
