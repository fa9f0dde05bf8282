import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from urllib.request import urlopen

import pytest
from playwright.sync_api import sync_playwright

from .lab import MOST_MS, TALL, wait_until_ready

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium(give_up):
    """The system's Chromium, looked for before anything else is done."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        give_up("no Chromium on this machine: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def open_chromium(chromium):
    """Open a context of the browser, whose pages wait as long as a busy machine takes."""

    @contextmanager
    def run():
        with sync_playwright() as playwright:
            alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root a sandbox
            browser = playwright.chromium.launch(executable_path=chromium, args=alone, timeout=MOST_MS)
            context = browser.new_context()
            context.set_default_timeout(MOST_MS)
            yield context
            browser.close()

    return run


@pytest.fixture(scope="module")
def open_lab(tmp_path_factory):
    """Open a JupyterLab on a folder, and give the function that finds the address of a notebook in it."""

    @contextmanager
    def run(root):
        state = tmp_path_factory.mktemp("jupyter")
        folders = {f"JUPYTER_{kind}_DIR": str(state / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.root_dir", str(root)]
        as_root = ["--allow-root"] if os.geteuid() == 0 else []
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*command, *as_root], env=os.environ | folders, **quiet) as server:
            try:
                about = find_server(server, state / "runtime")
                yield lambda path: f"{about['url']}lab/tree/{path}?token={about['token']}"
            finally:
                end(server)

    return run


@pytest.fixture(scope="module")
def open_notebook(open_chromium, open_lab):
    """Open a notebook in a JupyterLab and a browser of its own; the page notes what it asks for, and its errors."""

    @contextmanager
    def run(root, path):
        with open_lab(root) as find_address, open_chromium() as context:
            page = context.new_page()
            page.set_viewport_size(TALL)
            page.requests, page.errors = [], []
            page.on("request", lambda request: page.requests.append(request.url))
            page.on("websocket", lambda socket: page.requests.append(socket.url))
            page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.goto(find_address(path))
            wait_until_ready(page)
            yield page

    return run


def end(server):
    """End a JupyterLab; one that waits for a kernel or a client that no longer answers is killed."""
    server.terminate()
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()


def find_server(server, runtime):
    """Return what the server writes of itself, once it answers."""
    while server.poll() is None:
        time.sleep(0.2)
        with suppress(OSError, ValueError):  # not written yet, or not listening yet
            about = json.loads((runtime / f"jpserver-{server.pid}.json").read_text(encoding="utf-8"))
            with urlopen(f"{about['url']}api?token={about['token']}"):
                return about
    pytest.fail("JupyterLab has ended")
