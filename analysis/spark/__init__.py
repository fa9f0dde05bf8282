"""A run whose input files are written, and whose outputs are read, by the tasks of Spark: as on one machine."""

from analysis.spark.local import start_spark
from analysis.spark.preparing import prepare_on_spark
from analysis.spark.reading import read_outputs_on_spark
from analysis.spark.sums import count_stop_reasons_on_spark, sum_costs_on_spark

__all__ = [
    "count_stop_reasons_on_spark",
    "prepare_on_spark",
    "read_outputs_on_spark",
    "start_spark",
    "sum_costs_on_spark",
]
