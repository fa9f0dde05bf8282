import os
import re
import subprocess
import sys

import pytest

from analysis.spark import start_spark
from analysis.spark.sessions import explain_workers


def start_anew(code, **environment):
    """Start a session in a Python of its own, and return what it says last."""
    code = f"from analysis.spark import start_spark; {code}; start_spark()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment)
    assert found.returncode
    return found.stderr.splitlines()[-1]


def test_the_session_that_is_there_is_returned(spark):
    assert start_spark("spark://nowhere:7077") is spark


def test_a_session_without_pyspark_says_what_to_install(environment):
    said = start_anew("import sys; sys.modules['pyspark'] = None")
    assert said.endswith("start_spark: pyspark is not installed; pip install 'batchbook[spark]'")


def test_a_session_without_java_says_what_to_install(environment, tmp_path):
    pytest.importorskip("pyspark")
    said = start_anew("import os; os.environ.pop('JAVA_HOME', None)", PATH=str(tmp_path))
    assert re.search("Java is not installed; install Java 17, such as by apt-get install", said)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("ModuleNotFoundError: No module named 'pandas'\n", "workers lack pandas; install batchbook for their Python"),
        (
            "[PACKAGE_NOT_INSTALLED] Pandas >= 2.2.0 must be installed; however, it was not found.",
            r"this process lacks what PySpark needs .*Pandas >= 2.2.0.*; pip install 'batchbook\[spark\]'",
        ),
    ],
)
def test_pandas_that_is_missing_is_told_with_its_cure(message, said):
    assert re.search(said, str(explain_workers(message)))
