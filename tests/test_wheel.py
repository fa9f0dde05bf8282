"""The wheel, as somebody installs it: the core alone, and with the extra `notebooks`."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import boto3
import pytest

from analysis.errors import EXTRAS

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv", path=Path(sys.executable).parent)
pytestmark = pytest.mark.wheel

IMPORT_ALL = """
import importlib, json, pkgutil
import analysis, bedrock_local

failed = {}
for package in (analysis, bedrock_local):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            failed[module.name] = str(error)
print(json.dumps(failed))
"""

PRICE = """
import json
from analysis import add_costs, collect, load_outputs, make_calls, prepare, read_prompts, submit, sum_costs

prompts = read_prompts("notebooks/prompts/paragraph.md")
run = prepare(make_calls(110), prompts, name="demo")
print(run)
submit(run)
checks = collect(run)
outputs = load_outputs(run.folder / "output", model_id=prompts[0].model_id)
bill = sum_costs(add_costs(outputs), by=())
print(json.dumps({"answered": checks["answered"].sum()} | bill.select("outputs", "cost_usd").row(0, named=True)))
"""


def install(*words):
    """Run uv or pip with the settings of this machine, such as its index."""
    subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=True)


@dataclass
class Installation:
    """A virtual environment with nothing but the wheel and what it needs, and the folder of its user."""

    bin: Path
    folder: Path

    @property
    def variables(self):
        """Nothing of this process, whose packages must not be found."""
        named = {"HOME": str(self.folder), "BEDROCK_LOCAL": str(self.folder / "account"), "PYTHONUNBUFFERED": "1"}
        return named | {"PATH": f"{self.bin}{os.pathsep}{os.defpath}", "TQDM_DISABLE": "1"}

    def start(self, *words):
        """Start a command of the environment."""
        command = [self.bin / words[0], *map(str, words[1:])]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=self.variables, **pipes)

    def run(self, *words, code=0):
        """Run a command of the environment, and return what it prints."""
        process = self.start(*words)
        said, complained = process.communicate()
        assert process.returncode == code, said + complained
        return said + complained


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel; by uv it is built from the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    if UV:
        install(UV, "build", "--quiet", "--out-dir", folder, ROOT)
    else:
        install(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def make_installation(wheel, tmp_path_factory):
    """Install the wheel, with an extra or without, into an environment of its own."""

    def make(extra=""):
        root = tmp_path_factory.mktemp("installation")
        python, package = root / "venv" / "bin" / "python", f"{wheel}{extra}"
        if UV:
            install(UV, "venv", "--quiet", "--python", sys.executable, root / "venv")
            install(UV, "pip", "install", "--quiet", "--python", python, "-c", "constraints.txt", package)
        else:
            install(sys.executable, "-m", "venv", root / "venv")
            install(python, "-m", "pip", "install", "--quiet", "-c", "constraints.txt", package)
        (root / "user").mkdir()
        return Installation(python.parent, root / "user")

    return make


@pytest.fixture(scope="module")
def core(make_installation):
    """The core alone."""
    return make_installation()


@pytest.fixture(scope="module")
def notebooks(make_installation):
    """The core and the extra `notebooks`."""
    return make_installation("[notebooks]")


def test_the_core_prints_its_version(core):
    assert core.run("batchbook", "--version") == f"batchbook {version('batchbook')}\n"


def test_the_core_has_no_library_of_the_notebooks(core):
    code = f"from importlib.util import find_spec; print([name for name in {EXTRAS['notebooks']} if find_spec(name)])"
    assert core.run("python", "-c", code) == "[]\n"


def test_every_module_of_the_core_but_plots_and_widgets_can_be_imported(core):
    failed = json.loads(core.run("python", "-c", IMPORT_ALL))
    assert failed.pop("bedrock_local.pytest_plugin") == "No module named 'pytest'"
    cure = "is not installed; pip install 'batchbook[notebooks]'"
    assert failed == {
        "analysis.plots": f"analysis.plots: matplotlib {cure}",
        "analysis.widgets": f"analysis.widgets: anywidget {cure}",
    }


def test_the_core_prepares_submits_reads_and_prices(core):
    core.run("batchbook", "new", ".")
    *plan, bill = core.run("python", "-c", PRICE).splitlines()
    assert "110 records" in "\n".join(plan)
    values = json.loads(bill)
    assert (values["answered"], values["outputs"]) == (110, 110)
    assert values["cost_usd"] > 0


def test_the_core_serves_the_emulator(core):
    assert "--port" in core.run("batchbook", "emulator", "--help")
    server = core.start("batchbook", "emulator", "--port", 0)
    try:
        url = re.search(r"http://127.0.0.1:\d+", server.stdout.readline())[0]
        names = {"aws_access_key_id": "emulator", "aws_secret_access_key": "emulator", "region_name": "us-east-1"}
        s3 = boto3.client("s3", endpoint_url=url, **names)
        s3.create_bucket(Bucket="made-by-a-client")
        assert "made-by-a-client" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    finally:
        server.kill()
        server.communicate()


def test_the_core_says_what_a_report_needs(core):
    said = core.run("batchbook", "run", "--calls", "calls.parquet", "--prompts", "prompts", code=1)
    assert re.fullmatch(r"batchbook: batchbook run: \w+ is not installed; pip install 'batchbook\[notebooks\]'\n", said)


def test_without_a_folder_of_notebooks_those_of_the_wheel_are_found(core):
    said = core.run("python", "-c", "from analysis.reports.notebooks import *; print(find_own_notebooks())")
    assert said.endswith("site-packages/analysis/notebooks\n")


def test_with_notebooks_a_new_folder_ends_in_a_report(notebooks):
    *_, calls, run, _ = notebooks.run("batchbook", "new", ".").splitlines()
    notebooks.run(*calls.split("#")[0].split(), "--calls", 110)
    said = notebooks.run(*run.split(), "--run", "demo")
    assert "Records: 110 prepared, 110 answered, 0 failed, 0 missing" in said
    report = notebooks.folder / "reports" / "demo"
    assert {"index.html", "prepare.html", "costs.html", "stop_reasons.html"} <= {page.name for page in report.iterdir()}
    costs = (report / "costs.html").read_text(encoding="utf-8")
    assert "<table" in costs
    assert "data:image/png" in costs
    assert "ExtraError" not in costs
