"""How many odd lines a way of reading reads right: the lines of the tests, and what the tests expect of them.

    python benchmarks/odd_lines.py <way> [number of the first line]

A line stands between two good ones in a file of its own; it is read right when all three are. Prints `right` or
`wrong` for each. A way that ends the process, as by deep nesting, is started again behind that line.
"""

import runpy
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from readers import WAYS

TESTS = Path(__file__).parents[1] / "tests" / "analysis" / "outputs" / "test_lines.py"
FIELDS = ("record_id", "text", "stop_reason", "input_tokens", "output_tokens", "error_code")
NOTHING = dict.fromkeys(FIELDS)
GOOD = NOTHING | {"text": "Hi.", "stop_reason": "end_turn", "input_tokens": 210, "output_tokens": 9}


def list_cases():
    """List the good line, and each odd line with what it should say."""
    tests = runpy.run_path(str(TESTS))
    cases = [(line, GOOD | {"record_id": "r1"} | changes) for line, changes in tests["ANSWERED"].values()]
    for error, (_, code, _) in tests["ERRORS"].values():
        cases.append((tests["with_error"](error), NOTHING | {"record_id": "r1", "error_code": code}))
    cases += [(line, NOTHING | {"record_id": record_id}) for line, record_id, _ in tests["UNREADABLE"].values()]
    to_bytes = [(line.encode() if isinstance(line, str) else line, expected) for line, expected in cases]
    return tests["GOOD"], [(line.replace(b"\n", b" "), pick(expected)) for line, expected in to_bytes]


def pick(row):
    """Pick what is compared."""
    return {name: row[name] for name in FIELDS}


def read_rows(way, path):
    """Read a file, and say of each row what is compared."""
    if way == "sums":
        from analysis import scan_outputs

        rows = scan_outputs(path).collect()
    elif way == "parts":
        rows = read_part(path)
    else:
        *_, rows = WAYS["duckdb" if way == "copy" else way]([path])  # the same query, and a frame
    return [find_values(row) for row in list_rows(rows)]


def read_part(path):
    """Write a part and read it."""
    import polars as pl

    from analysis.outputs import list_outputs, read_joined, write_part

    (output,) = list_outputs(path)
    write_part(read_joined(output), path.with_suffix(".parquet"))
    return pl.read_parquet(path.with_suffix(".parquet"))


def list_rows(frame):
    """List the rows of a frame of any kind as dicts."""
    if hasattr(frame, "to_pylist"):
        return frame.to_pylist()
    return frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records")


def find_values(row):
    """Take from a row what is compared: from its columns, or from the objects of the line."""
    if "error_code" in row:
        return pick(row)
    output, error = (to_dict(row.get(name)) for name in ("modelOutput", "error"))
    answer = row if "usage" in row else output
    usage, record_id = to_dict(answer.get("usage")), row.get("recordId")
    values = {
        "record_id": record_id if is_missing(record_id) else str(record_id),
        "text": answer["text"] if "text" in answer else join_texts(answer.get("content")),
        "stop_reason": answer.get("stop_reason"),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "error_code": error.get("errorCode"),
    }
    return {name: None if is_missing(value) else value for name, value in values.items()}


def to_dict(value):
    """Give an object of the line; anything else says nothing."""
    return value if isinstance(value, dict) else {}


def is_missing(value):
    """Tell None and NaN."""
    return value is None or value != value


def join_texts(blocks):
    """Join the text blocks of an answer."""
    texts = [block["text"] for block in blocks or () if block["type"] == "text" and block["text"] is not None]
    return "".join(texts) if texts else None


def count_right(way):
    """Count the odd lines that a way reads right, and all of them."""
    right, number, total = 0, 0, len(list_cases()[1])
    while number < total:
        command = [sys.executable, "-W", "ignore", __file__, way, str(number)]
        told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        right += told.split().count("right")
        number += len(told.split()) + 1
    return right, total


def main(way, first="0"):
    """Say of each line whether it is read right."""
    good, cases = list_cases()
    before, behind = (good.replace('"r1"', f'"{name}"').encode() for name in ("r0", "r2"))
    for line, expected in cases[int(first) :]:
        right = [GOOD | {"record_id": "r0"}, expected, GOOD | {"record_id": "r2"}]
        with TemporaryDirectory() as folder:
            path = Path(folder, "odd.out")
            path.write_bytes(b"\n".join([before, line, behind, b""]))
            rows = None
            with suppress(Exception):  # whatever a way raises, it has not read the file
                rows = read_rows(way, path)
            print("right" if rows == right else "wrong", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
