import os
import shutil
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from analysis import Prompt
from bedrock_local.transport.server import serve

# What PySpark itself warns of: that it compares versions by distutils, reads pandas by old names, leaves sockets open.
OWN_WARNINGS = (
    "ignore:distutils Version classes are deprecated:DeprecationWarning",
    "ignore:PySpark does not yet fully support pandas:FutureWarning",
    "ignore:unclosed:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.spark)
            for warning in OWN_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """What workers have in their environment: this Python, an emulator's folder, and its door for S3."""
    folder = tmp_path_factory.mktemp("spark")
    with serve(folder / "account") as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        patch.setenv("BEDROCK_LOCAL", str(folder / "account"))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("SPARK_LOCAL_DIRS", str(folder / "local"))
        yield folder / "account"


@pytest.fixture(scope="session")
def spark(environment, give_up):
    """A session whose tasks are tried twice."""
    if shutil.which("java") is None:
        give_up("Java is not installed")
    sql = pytest.importorskip("pyspark.sql")
    settings = {
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "OFF",
    }
    builder = sql.SparkSession.builder.master("local[2,2]").appName("tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def load(spark, tmp_path_factory):
    """Load calls as a table of Spark, by way of a file."""

    def load_table(calls):
        path = tmp_path_factory.mktemp("table") / "calls.parquet"
        calls.write_parquet(path)
        return spark.read.parquet(str(path))

    return load_table


HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
QUOTAS = {"records_per_job": 700, "records_per_file": 300}  # so that files begin within a call
PROMPTS = [
    Prompt(name="plain", model_id=HAIKU, template="Sum up.\n\n{{ transcript }}"),
    Prompt(
        name="logic", model_id=HAIKU, template="{% if queue %}To {{ queue }}:{% endif %} {{ transcript }}", samples=2
    ),
    Prompt(name="other", model_id=NOVA, template="{{ call_id }}: {{ transcript }} {{ minutes }}"),
]
ODD = ['"quoted" \\ back', "one\u2028two\u0085three", "nul \x00 tab \t", "🙂 مرحبا", " spaces  "]


def make_calls(number=600):
    """Calls of which two of three have a text that others have; ids are in another order than the rows."""
    return pl.DataFrame(
        {
            "call_id": [f"c{(index * 7919) % number}-é" for index in range(number)],
            "transcript": [f"{ODD[index % len(ODD)]} line {index % 200}" for index in range(number)],
            "queue": [None if index % 7 == 0 else f"q{index % 3}" for index in range(number)],
            "minutes": [index / 4 for index in range(number)],
            "day": [date(2026, 8, 1 + index % 28) for index in range(number)],
        }
    )
