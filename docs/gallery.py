"""Run the code of docs/widgets.md in JupyterLab, and take the picture of each cell that a picture follows there."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import nbformat
from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent
FOLDER = DOCS.parent / "build" / "gallery"
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n!\[[^\]]*\]\((pictures/[^)]+)\))?", re.DOTALL)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1250, "height": 6000}  # JupyterLab draws only the cells that are in sight
COLOURS = 64  # enough for text on light grounds, and half of the bytes
MOST_MS = 600_000


def make_folder(blocks: list[tuple[str, str]]) -> None:
    """Make a folder with the prompts, and a notebook that has each block as a cell."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(DOCS.parent / "notebooks" / "prompts", FOLDER / "notebooks" / "prompts")
    cells = [nbformat.v4.new_code_cell(code.strip()) for code, _ in blocks]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), FOLDER / "gallery.ipynb")


@contextmanager
def open_lab() -> Iterator[str]:
    """Start a JupyterLab on the folder, with settings and an emulator of its own, and yield the notebook's address."""
    own = {f"JUPYTER_{kind}_DIR": str(FOLDER / "jupyter" / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"BEDROCK_LOCAL": str(FOLDER / "account"), "IPYTHONDIR": str(FOLDER / "ipython"), "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.root_dir", str(FOLDER)]
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, *as_root], env=os.environ | own, **quiet) as server:  # noqa: S603 -- its own
        try:
            about = find_server(server, FOLDER / "jupyter" / "runtime")
            yield f"{about['url']}lab/tree/gallery.ipynb?token={about['token']}"
        finally:
            server.terminate()


def find_server(server: subprocess.Popen[bytes], runtime: Path) -> dict[str, str]:
    """Return what the server writes of itself, once it answers."""
    while server.poll() is None:
        time.sleep(0.2)
        with suppress(OSError, ValueError):  # not written yet, or not listening yet
            about = json.loads((runtime / f"jpserver-{server.pid}.json").read_text(encoding="utf-8"))
            with urlopen(f"{about['url']}api?token={about['token']}"):  # noqa: S310 -- its own
                return dict(about)
    sys.exit("JupyterLab has ended")


def run_cells(tab: Page, address: str, cells: int) -> None:
    """Run all cells, and wait until the last of them has run and the kernel is idle."""
    tab.goto(address)
    tab.get_by_text("(ipykernel) | Idle").wait_for()
    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_text("Run All Cells", exact=True).click()
    tab.get_by_text(f"[{cells}]:", exact=True).first.wait_for()
    tab.get_by_text("(ipykernel) | Idle").wait_for()
    tab.wait_for_timeout(3000)  # for pictures that are drawn after the cell has run


def take_pictures(tab: Page, blocks: list[tuple[str, str]]) -> None:
    """Write what the cells show as small PNGs."""
    for number, (_, picture) in enumerate(blocks):
        if picture:
            shown = tab.locator(".jp-CodeCell").nth(number).locator(".batchbook, .jp-RenderedImage img").first
            shown.scroll_into_view_if_needed()
            Image.open(BytesIO(shown.screenshot())).convert("RGB").quantize(COLOURS).save(DOCS / picture, optimize=True)


def main() -> None:
    """Take all pictures of the page."""
    blocks = BLOCK.findall((DOCS / "widgets.md").read_text(encoding="utf-8"))
    make_folder(blocks)
    (DOCS / "pictures").mkdir(exist_ok=True)
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root a sandbox
    with open_lab() as address, sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, CHROMIUMS)))
        browser = playwright.chromium.launch(executable_path=path, args=alone, timeout=MOST_MS)
        tab = browser.new_page(viewport=SIZE)
        tab.set_default_timeout(MOST_MS)
        run_cells(tab, address, len(blocks))
        take_pictures(tab, blocks)
        browser.close()


if __name__ == "__main__":
    main()
