"""Read output files in one of many ways, in a process of its own: how long it takes and how much memory.

    python benchmarks/readers.py <way> <folder>

Imports are not counted. Prints JSON. Every way but the first two takes only what an analysis needs: ids, text, stop
reason, tokens, settings and errors.
"""

import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import cpu_seconds, peak_bytes

NEEDED = {
    "recordId": "VARCHAR",
    "modelInput": "STRUCT(max_tokens BIGINT, temperature DOUBLE, top_p DOUBLE, top_k BIGINT)",
    "modelOutput": (
        "STRUCT(model VARCHAR, content STRUCT(type VARCHAR, text VARCHAR)[], stop_reason VARCHAR, "
        "usage STRUCT(input_tokens BIGINT, output_tokens BIGINT, cache_read_input_tokens BIGINT, "
        "cache_creation_input_tokens BIGINT))"
    ),
    "error": "STRUCT(errorCode INTEGER, errorMessage VARCHAR)",
}


def way_blog(files):
    """Parse every line, make one frame of all dicts: the loop of AWS's own examples."""
    import pandas as pd

    yield
    data = []
    for path in files:
        with path.open() as file:
            for line in file:
                data.append(json.loads(line))  # noqa: PERF401 (as everybody writes it)
    yield pd.DataFrame(data)


def way_pandas(files):
    """Read with `pandas.read_json(lines=True)`."""
    import pandas as pd

    yield
    yield pd.concat([pd.read_json(path, lines=True) for path in files], ignore_index=True)


def way_polars(files):
    """Read with `polars.read_ndjson`, with a schema of what is needed."""
    import polars as pl

    whole = dict.fromkeys(["max_tokens", "top_k"], pl.Int64)
    tokens = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
    output = {
        "model": pl.String,
        "content": pl.List(pl.Struct({"type": pl.String, "text": pl.String})),
        "stop_reason": pl.String,
        "usage": pl.Struct(dict.fromkeys(tokens, pl.Int64)),
    }
    schema = {
        "recordId": pl.String,
        "modelInput": pl.Struct(whole | dict.fromkeys(["temperature", "top_p"], pl.Float64)),
        "modelOutput": pl.Struct(output),
        "error": pl.Struct({"errorCode": pl.Int32, "errorMessage": pl.String}),
    }
    yield
    yield pl.concat([pl.read_ndjson(path, schema=schema) for path in files])


def way_pyarrow(files):
    """Read with `pyarrow.json`, with a schema of what is needed."""
    import pyarrow as pa
    from pyarrow import json as reader

    tokens = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
    output = {
        "model": pa.string(),
        "content": pa.list_(pa.struct({"type": pa.string(), "text": pa.string()})),
        "stop_reason": pa.string(),
        "usage": pa.struct(dict.fromkeys(tokens, pa.int64())),
    }
    settings = {"max_tokens": pa.int64(), "temperature": pa.float64(), "top_p": pa.float64(), "top_k": pa.int64()}
    error = {"errorCode": pa.int32(), "errorMessage": pa.string()}
    parts = {"modelInput": settings, "modelOutput": output, "error": error}
    schema = pa.schema({"recordId": pa.string()} | {name: pa.struct(fields) for name, fields in parts.items()})
    parsing = reader.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    reading = reader.ReadOptions(block_size=16 << 20)
    yield
    yield pa.concat_tables([reader.read_json(path, reading, parsing) for path in files])


DUCKDB = (
    "SELECT filename, recordId, modelInput, modelOutput.model AS model, modelOutput.stop_reason AS stop_reason, "
    "array_to_string(list_transform(modelOutput.content, lambda block: block.text), '') AS text, "
    f"modelOutput.usage AS usage, error FROM read_json(?, columns={NEEDED}, format='newline_delimited')"
)


def way_duckdb(files):
    """Read with DuckDB's `read_json`, with columns of what is needed, into a polars frame."""
    import duckdb
    import polars as pl

    connection = duckdb.connect()
    yield
    table = connection.execute(DUCKDB, [[str(path) for path in files]])
    yield pl.from_arrow(table.to_arrow_table())


def way_copy(files):
    """Write Parquet with DuckDB: the same query, and the compression of `collect`."""
    import duckdb

    connection = duckdb.connect()
    with TemporaryDirectory(dir=files[0].parent) as folder:
        yield
        target = Path(folder, "outputs.parquet")
        connection.execute(
            f"COPY ({DUCKDB}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)", [[str(path) for path in files]]
        )
        yield []


def way_load(files):
    """Read with `load_outputs`."""
    from analysis import load_outputs

    yield
    yield load_outputs(files[0].parent)


def way_alone(files):
    """Read with `load_outputs` in one process and one thread: the exact reader."""
    from analysis.outputs import parallel

    parallel.MOST_PROCESSES = 1
    yield from way_load(files)


def way_sums(files):
    """Sum tokens by stop reason with `scan_outputs`."""
    import polars as pl

    from analysis import scan_outputs

    yield
    tokens = pl.col("input_tokens", "output_tokens").sum()
    yield scan_outputs(files[0].parent).group_by("stop_reason").agg(tokens, answers=pl.len()).collect()


def way_parts(files):
    """Write Parquet parts as `collect` does, each joined to the records of its file."""
    import polars as pl
    import pyarrow.parquet  # noqa: F401

    from analysis.outputs import list_outputs
    from analysis.outputs.writers import Part, share_writing

    outputs = list_outputs(files[0].parent)
    records = sum(output.bytes for output in outputs) // 6_000  # more than there are
    number = pl.int_range(1, records, eager=True).cast(pl.String)
    sent = pl.DataFrame({"record_id": "CALL" + number.str.zfill(8), "call_id": "call-" + number})
    model = pl.lit("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    sent = sent.with_columns(variant=pl.lit("notes"), sample=pl.lit(1), attempt=pl.lit(1), model_id=model)
    yield
    with TemporaryDirectory(dir=files[0].parent) as folder:
        size = len(sent) // len(outputs)
        of_file = {str(place): sent.slice(len(sent) * place // len(outputs), size) for place in range(len(outputs))}
        parts = [Part(f"{folder}/{place}.parquet", "", [(str(place), output)]) for place, output in enumerate(outputs)]
        share_writing(parts, of_file)
    yield []


WAYS = {name.removeprefix("way_"): way for name, way in globals().items() if name.startswith("way_")}


def main(name, folder):
    """Read once, and print what was measured."""
    way = WAYS[name](sorted(Path(folder).glob("*.out")))
    next(way)
    imports, begin, begin_cpu = peak_bytes(), time.perf_counter(), cpu_seconds()
    result = next(way)
    facts = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - begin_cpu, "rows": len(result)}
    of_worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(json.dumps(facts | {"imports": imports, "own": peak_bytes(), "worker": of_worker}))


if __name__ == "__main__":
    main(*sys.argv[1:])
