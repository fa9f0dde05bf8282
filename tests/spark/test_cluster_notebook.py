"""The notebook and the page on clusters, executed."""

import re
import shutil
from pathlib import Path

import nbformat
import polars as pl
import pytest

from analysis import engines, load_jobs, make_calls, open_run, prepare
from analysis.facts.quotas import find_quotas
from analysis.reports.notebooks import run_notebook
from tests.spark.conftest import HAIKU, PROMPTS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(environment, give_up, tmp_path_factory):
    """A folder with the notebooks and 60 calls, in which `cluster` was run; with two prompts enough for a job."""
    if shutil.which("java") is None:
        give_up("Java is not installed")
    pytest.importorskip("pyspark")
    root = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    (root / "calls").mkdir()
    make_calls(60).write_parquet(root / "calls" / "synthetic.parquet")
    run_notebook(root / "notebooks" / "cluster.ipynb", {}, root / "copies")
    return root


def read_texts(root):
    """What each cell of code shows, by the id of the cell."""
    cells = nbformat.read(root / "copies" / "cluster.ipynb", as_version=4).cells
    shown = [(cell.id, output) for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return {name: output.data["text/plain"] for name, output in shown if "data" in output}


def test_the_notebook_writes_the_run_of_one_machine_and_reads_its_answers(root):
    texts = read_texts(root)
    assert re.search(r"job01\s*┆ 00000\.jsonl ┆ 120\s*┆ [\d]+\s*┆ true", texts["cluster-same"])
    assert texts["cluster-outputs"] == "120"
    assert load_jobs(open_run(root / "runs" / "cluster"))["success_records"].to_list() == [120]
    assert texts["cluster-join"].count("call-00001") == 2


def test_the_lines_for_daft_write_the_input_of_one_machine(tmp_path):
    daft = pytest.importorskip("daft")
    (block,) = re.findall(r"```python\n([^`]*daft\.func[^`]*)```", (ROOT / "docs" / "cluster.md").read_text())
    quotas = {"records_per_file": 100, "records_per_job": 1_000}
    calls = make_calls(250)
    single = prepare(calls, PROMPTS[:1], into=tmp_path / "runs", name="demo", quotas=quotas)
    names = {"pl": pl, "daft": daft, "prompts": PROMPTS[:1], "folder": str(tmp_path / "daft")}
    names |= {"calls": calls.sort("call_id"), "quotas": {HAIKU: find_quotas(HAIKU, **quotas)}}
    exec(block, vars(engines) | names)
    files = [path.relative_to(single.folder) for path in single.folder.glob("input/*/*")]
    assert len(files) == 3
    assert all((tmp_path / "daft" / file).read_bytes() == (single.folder / file).read_bytes() for file in files)
