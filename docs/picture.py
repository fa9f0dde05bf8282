"""Take the picture of a report's first screen that the README shows, with the system's Chromium."""

import os
import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = {"width": 1160, "height": 1130}
COLOURS = 80  # enough for text on light grounds, and half of the bytes
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def take_picture(page: Path, into: Path) -> None:
    """Write what is seen first of a page as a small PNG."""
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root a sandbox
    path = next(filter(None, map(shutil.which, CHROMIUMS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=alone)
        tab = browser.new_page(viewport=SIZE)
        tab.goto(page.resolve().as_uri())
        shown = tab.screenshot()
        browser.close()
    Image.open(BytesIO(shown)).convert("RGB").quantize(COLOURS).save(into, optimize=True)


if __name__ == "__main__":
    take_picture(*map(Path, sys.argv[1:]))
