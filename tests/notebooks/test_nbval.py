import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole

FOLDER = Path(__file__).parents[2] / "notebooks"
SANITIZE = Path(__file__).with_name("sanitize.cfg")
# nbval waits five seconds for what a cell shows, and has no option for more.
PATIENT = """
from nbval.plugin import IPyNbCell
IPyNbCell.output_timeout = property(lambda cell: 600, lambda cell, seconds: None)
"""


@pytest.fixture
def validate(account, tmp_path):
    """Run nbval on a copy of the notebooks.

    It executes a notebook in the notebook's own folder, as a reader does, so beside the committed ones
    their `../runs` would be this project's: only in a copy do the calls, the runs and the account belong to the test.
    """
    shutil.copytree(FOLDER, tmp_path / "notebooks")
    (tmp_path / "notebooks" / "conftest.py").write_text(PATIENT)

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", *map(str, options)]
        # What pytest tells its children of the test that runs would change how a kernel writes.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["TQDM_DISABLE"] = "1"  # as `make tour`: a bar comes where something takes long
        result = subprocess.run(
            command, cwd=tmp_path / "notebooks", env=environment, capture_output=True, text=True, check=False
        )
        return result.returncode, result.stdout + result.stderr

    return run


def test_the_tour_shows_what_is_committed(validate):
    options = ["--nbval", f"--nbval-sanitize-with={SANITIZE}", "--nbval-kernel-startup-timeout=600"]
    code, text = validate(*options, "tour.ipynb")
    assert code == 0, f"{text}\n\nIf the new outputs are right, `make tour` writes them."
