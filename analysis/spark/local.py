"""Spark on one machine, to try what a cluster does: a quiet session whose workers run this Python."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from analysis.errors import RunError, needs_extra

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INSTALL_JAVA = "install Java 17, such as by apt-get install openjdk-17-jre-headless, or set JAVA_HOME"


def start_spark(master: str = "local[2]") -> SparkSession:
    """Start a session on this machine, or return the one that is there, as in a notebook of a cluster.

    Workers run the Python of this process, unless PYSPARK_PYTHON names another; only errors are logged, and there is
    no page of progress on a port.

    Parameters
    ----------
    master
        As Spark names it: `local[2]` works with two threads in one process, `spark://host:7077` on a standalone
        cluster. Not looked at where there is a session.

    Returns
    -------
    spark
        The session; `spark.stop()` ends it.

    Raises
    ------
    ExtraError
        PySpark is not installed.
    RunError
        Java is not installed.
    """
    with needs_extra("spark", "start_spark"):
        from pyspark.sql import SparkSession

    there = SparkSession.getActiveSession()
    if there is not None:
        return there
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise RunError("Spark", "Java is not installed", INSTALL_JAVA)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # or workers run the `python3` that is found first
    builder = SparkSession.builder.master(master).appName("batchbook")
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # or it warns of the name of the machine
        builder = builder.config("spark.driver.host", "127.0.0.1")
    settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    return builder.config(map=settings).getOrCreate()
