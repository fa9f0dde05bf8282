"""DuckDB reads and writes `s3://` by its extension httpfs, here out of a package of PyPI, and a secret."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import duckdb
import duckdb_extension_httpfs
from trying import check

boto3.client("s3").create_bucket(Bucket="readers")
(extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute(f"""
    CREATE SECRET emulator (
        TYPE s3, KEY_ID 'emulator', SECRET 'emulator', REGION 'us-east-1',
        ENDPOINT '{urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc}', URL_STYLE 'path', USE_SSL false
    )
""")
ROWS = "SELECT range AS tokens, range % 3 AS part FROM range(300_000)"
# The sum of 0 to 299,999.
TOTAL = [(300_000, 44_999_850_000)]


@check("`COPY ... TO 's3://...'` and a glob of Parquet files, read")
def _():
    connection.execute(f"COPY ({ROWS}) TO 's3://readers/duck/one.parquet'")
    return connection.sql("SELECT count(*), sum(tokens) FROM 's3://readers/duck/*.parquet'").fetchall() == TOTAL


@check("partitions of Parquet; `read_json` of JSON lines")
def _():
    connection.execute(f"COPY ({ROWS}) TO 's3://readers/parts' (FORMAT parquet, PARTITION_BY part)")
    connection.execute(f"COPY ({ROWS}) TO 's3://readers/duck/one.jsonl'")
    parts = connection.sql("SELECT count(*), sum(tokens) FROM 's3://readers/parts/*/*.parquet'").fetchall()
    return (
        parts == connection.sql("SELECT count(*), sum(tokens) FROM read_json('s3://readers/duck/*.jsonl')").fetchall()
    )
