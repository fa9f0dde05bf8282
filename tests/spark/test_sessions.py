import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from analysis.errors import CallsError, RunError
from analysis.spark import prepare_on_spark, sessions
from tests.spark.conftest import PROMPTS, make_calls

ROOT = Path(__file__).parents[2]
OLD = """
import sys
from collections import namedtuple
sys.version_info = namedtuple("version_info", "major minor micro releaselevel serial")(3, 9, 0, "final", 0)
"""
HIDE = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "{0}":
            raise ModuleNotFoundError("No module named '{0}'")
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def run_workers(spark, load, tmp_path, monkeypatch):
    """Prepare with workers whose Python begins with some code."""

    def prepare(code):
        folder, python = tmp_path / "site", tmp_path / "python"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec {sys.executable} "$@"\n')
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(spark.sparkContext, "pythonExec", str(python))
        return prepare_on_spark(load(make_calls(5)), PROMPTS, into=tmp_path / "runs", name="demo")

    return prepare


def test_workers_with_another_python_are_refused(run_workers):
    with pytest.raises(RunError, match=r"workers run Python 3\.9, .*set PYSPARK_PYTHON"):
        run_workers(OLD)


def test_workers_that_lack_a_library_are_refused(run_workers):
    with pytest.raises(RunError, match=r"workers cannot import what tasks need \(polars: .*install batchbook"):
        run_workers(HIDE.format("polars"))


def test_workers_without_arrow_are_refused(run_workers):
    with pytest.raises(RunError, match=r"workers .*pyarrow.*install batchbook"):
        run_workers(HIDE.format("pyarrow"))


def test_a_session_without_map_in_arrow_is_refused(tmp_path):
    class Table:
        """A DataFrame of Spark 3.2."""

        sparkSession = None  # noqa: N815 (Spark's own name)

    with pytest.raises(CallsError, match=r"a session without mapInArrow; use Spark 3\.5"):
        sessions.check_calls(Table())


@pytest.fixture
def cluster(environment, tmp_path):
    """A master and two workers on this machine, each a process of its own."""
    import pyspark

    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-class")]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = [
        "org.apache.spark.deploy.worker.Worker",
        "-c",
        "1",
        "-m",
        "512m",
        "--webui-port",
        "0",
        "-d",
        str(tmp_path),
    ]
    variables = os.environ | {"SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m", "SPARK_WORKER_DIR": str(tmp_path)}
    log = (tmp_path / "log").open("wb")
    kinds = (master, [*worker, url], [*worker, url])
    started = [subprocess.Popen([*command, *each], env=variables, stdout=log, stderr=log) for each in kinds]
    yield url
    for process in reversed(started):
        process.terminate()
        process.wait()
    log.close()


def test_workers_of_a_cluster_write_what_one_machine_writes(cluster, tmp_path):
    made = tmp_path / "calls.parquet"
    make_calls(300).write_parquet(made)
    variables = os.environ | {"CALLS": str(made), "RUNS": str(tmp_path), "SPARK_MASTER": cluster}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=variables, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    # Both workers have had tasks.
    assert len({*done.stdout.split()}) == 2
    one, many = (read_folder(tmp_path / name / "demo" / "input") for name in ("one", "cluster"))
    assert one == many
    assert one
    tables = [pl.read_parquet(tmp_path / name / "demo" / "files.parquet") for name in ("one", "cluster")]
    assert tables[0].equals(tables[1])


def read_folder(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# A driver of its own, since a process has one session at a time.
PROGRAM = """
import os
import polars as pl
from pyspark.sql import SparkSession
from analysis import prepare
from analysis.spark import prepare_on_spark, preparing
from tests.spark.conftest import PROMPTS, QUOTAS

preparing.PARTITION_CALLS = 30
settings = {
    "spark.executor.memory": "512m", "spark.driver.memory": "512m", "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1", "spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false",
    "spark.scheduler.minRegisteredResourcesRatio": "1", "spark.cores.max": "2",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "600s",
}
builder = SparkSession.builder.master(os.environ["SPARK_MASTER"])
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
runs = os.environ["RUNS"]
prepare(pl.read_parquet(os.environ["CALLS"]), PROMPTS, into=f"{runs}/one", name="demo", quotas=QUOTAS)
table = spark.read.parquet(os.environ["CALLS"])
prepare_on_spark(table, PROMPTS, into=f"{runs}/cluster", name="demo", quotas=QUOTAS)

def tell(batches):
    import os
    import pyarrow
    for _ in batches:
        yield pyarrow.RecordBatch.from_pydict({"parent": [str(os.getppid())]})

for row in spark.range(0, 40, 1, 40).mapInArrow(tell, "parent string").collect():
    print(row["parent"])
"""
