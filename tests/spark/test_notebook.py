import shutil
from pathlib import Path

import nbformat

from analysis import open_run
from analysis.reports.notebooks import run_notebook
from tests.spark.conftest import make_calls

FOLDER = Path(__file__).parents[2] / "notebooks"


def test_the_notebook_prepares_sends_and_reads_a_run(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shutil.copytree(FOLDER, tmp_path / "notebooks")
    (tmp_path / "calls").mkdir()
    make_calls(120).write_parquet(tmp_path / "calls" / "synthetic.parquet")
    executed = run_notebook(tmp_path / "notebooks" / "cluster.ipynb", {}, tmp_path / "executed")
    run = open_run(tmp_path / "runs" / "cluster")
    assert run.read_files()["records"].to_list() == [120]
    cells = nbformat.read(executed, as_version=4).cells
    shown = "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
    assert "|paragraph|  120|    120|" in shown
