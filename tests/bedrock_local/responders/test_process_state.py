from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bedrock_local

# What the parent has when it forks: a lock that another thread holds, a pool, a lease, an endpoint, a message.
FORK = """
import os, threading
from filelock import FileLock
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.batch.inference_pool import find_pool
from bedrock_local.responders.process_state import PROCESS
from bedrock_local.responders.selection import open_endpoint
from bedrock_local.settings import report_once

def responder(question):
    raise NotImplementedError

held = find_pool(responder), open_endpoint("http://127.0.0.1:1/v1", "", 1)
PROCESS.leases["a lock"] = FileLock("a lock")
report_once(SettingsError("reported"))
threading.Thread(target=lambda: PROCESS.lock.acquire()).start()
parent = PROCESS.process_id
if child := os.fork():
    os.waitpid(child, 0)
    print(len(PROCESS.semaphores), len(PROCESS.pools), len(PROCESS.leases), len(PROCESS.endpoints), PROCESS.reported)
else:
    print(len(PROCESS.semaphores), len(PROCESS.pools), len(PROCESS.leases), len(PROCESS.endpoints), PROCESS.reported)
    print(PROCESS.process_id != parent, PROCESS.lock.acquire(timeout=300), flush=True)
    os._exit(0)
"""


def test_a_child_that_is_forked_begins_with_an_empty_state(tmp_path):
    command = [sys.executable, "-c", FORK]
    forked = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert forked.stdout.splitlines() == ["0 0 0 0 set()", "True True", "1 1 1 1 {'reported'}"]
    assert forked.stderr == "bedrock_local: reported\n"


def test_one_module_alone_knows_of_forks():
    files = Path(bedrock_local.__file__).parent.rglob("*.py")
    assert [file.name for file in files if "register_at_fork" in file.read_text()] == ["process_state.py"]
