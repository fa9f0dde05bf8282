"""Libraries that read and write `s3://`: by the server's variables alone, but for pyarrow's own filesystem."""

import os
from urllib.parse import urlsplit

import awswrangler
import boto3
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import s3fs
from trying import check

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
FRAME = pd.DataFrame({"call_id": [f"c{number}" for number in range(300)], "tokens": range(300)})
boto3.client("s3").create_bucket(Bucket="readers")
FRAME.to_json("calls.jsonl", orient="records", lines=True)
boto3.client("s3").upload_file("calls.jsonl", "readers", "calls.jsonl")


def is_same(frame):
    """Whether a frame has the rows that were written, in whatever order."""
    return sorted(frame["tokens"]) == list(range(300))


@check("pandas, `to_parquet` and `read_parquet`")
def _():
    FRAME.to_parquet("s3://readers/pandas.parquet")
    return is_same(pd.read_parquet("s3://readers/pandas.parquet"))


@check("s3fs: open, glob, copy, delete")
def _():
    files = s3fs.S3FileSystem()
    with files.open("readers/a.txt", "wb") as file:
        file.write(b"one")
    files.cp("readers/a.txt", "readers/b.txt")
    files.rm("readers/a.txt")
    return files.glob("readers/*.txt") == ["readers/b.txt"] and files.cat("readers/b.txt") == b"one"


@check("polars, `write_parquet`, `scan_parquet` and `scan_ndjson`")
def _():
    pl.from_pandas(FRAME).write_parquet("s3://readers/polars.parquet")
    scanned = pl.scan_parquet("s3://readers/polars.parquet").filter(pl.col("tokens") >= 0).collect()
    return is_same(scanned) and is_same(pl.scan_ndjson("s3://readers/calls.jsonl").collect())


@check("awswrangler: partitions of Parquet, JSON lines, list and delete")
def _():
    parts = FRAME.assign(part=FRAME["tokens"] % 3)
    awswrangler.s3.to_parquet(parts, "s3://readers/wrangler/", dataset=True, partition_cols=["part"])
    read = awswrangler.s3.read_parquet("s3://readers/wrangler/", dataset=True)
    lines = awswrangler.s3.read_json("s3://readers/calls.jsonl", lines=True)
    awswrangler.s3.delete_objects("s3://readers/wrangler/")
    return is_same(read) and is_same(lines) and not awswrangler.s3.list_objects("s3://readers/wrangler/")


@check("pyarrow with `endpoint_override`: write, read, dataset")
def _():
    host = urlsplit(ENDPOINT)
    files = pyarrow.fs.S3FileSystem(endpoint_override=host.netloc, scheme=host.scheme)
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(FRAME), "readers/arrow/one.parquet", filesystem=files)
    read = pyarrow.dataset.dataset("readers/arrow", filesystem=files).to_table().to_pandas()
    return is_same(read)


@check("pyarrow by an address: `s3://...?endpoint_override=...&scheme=http`")
def _():
    host = urlsplit(ENDPOINT)
    address = f"s3://readers/pandas.parquet?endpoint_override={host.netloc}&scheme={host.scheme}"
    files, path = pyarrow.fs.FileSystem.from_uri(address)
    return is_same(pyarrow.parquet.read_table(path, filesystem=files).to_pandas())
