import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.errors import StorageError
from analysis.outputs.manifests import MANIFEST_SCHEMA, load_manifests

OBSERVED = Path(__file__).parents[4] / "shared" / "data" / "bedrock_batch" / "observed_manifest_nova_pro.json.out"
FILE = "abcdefghijkl/manifest.json.out"


def write(tmp_path, content: str | bytes):
    path = tmp_path / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def row(**values) -> pl.DataFrame:
    values = {"job_id": "abcdefghijkl", "file": FILE} | values
    return pl.DataFrame([dict.fromkeys(MANIFEST_SCHEMA) | values], schema=MANIFEST_SCHEMA)


def test_a_manifest_is_one_row(tmp_path):
    content = (
        '{"totalRecordCount":100,"processedRecordCount":99,"successRecordCount":97,"errorRecordCount":2,'
        '"inputTokenCount":41062,"outputTokenCount":36946,"cacheReadInputTokenCount":0,'
        '"cacheWriteInputTokenCount":null,"imageCount":3}'
    )
    expected = row(
        total_records=100,
        processed_records=99,
        success_records=97,
        error_records=2,
        input_tokens=41062,
        output_tokens=36946,
        cache_read_tokens=0,
    )
    assert_frame_equal(load_manifests(write(tmp_path, content)), expected)


def test_counts_that_are_absent_are_missing(tmp_path):
    assert_frame_equal(load_manifests(write(tmp_path, '{"totalRecordCount":2}')), row(total_records=2))


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", '{"totalRecordCount":', '{"totalRecordCount":"2"}', '{"totalRecordCount":-1}', b"\xff"],
)
def test_a_manifest_that_cannot_be_read_is_a_row_that_says_so(tmp_path, content):
    manifests = load_manifests(write(tmp_path, content))
    assert manifests["error_message"][0].startswith(f"{FILE}: ")
    assert_frame_equal(manifests.with_columns(error_message=pl.lit(None, pl.String)), row())


def test_outputs_are_no_manifests(tmp_path):
    (tmp_path / "abcdefghijkl").mkdir()
    (tmp_path / "abcdefghijkl" / "00000.jsonl.out").write_text("{}")
    assert_frame_equal(load_manifests(tmp_path), pl.DataFrame(schema=MANIFEST_SCHEMA))


def test_a_manifest_is_found_by_its_job_its_file_and_a_glob(tmp_path):
    folder = write(tmp_path, "{}")
    for place in (folder, folder / "abcdefghijkl", folder / FILE, folder / "*" / "*.out"):
        assert load_manifests(place)["job_id"].to_list() == ["abcdefghijkl"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"nowhere: no such file or folder"):
        load_manifests(tmp_path / "nowhere")


@pytest.mark.skipif(not OBSERVED.exists(), reason="the recorded manifest is not here")
def test_the_manifest_of_a_real_job_is_read(tmp_path):
    write(tmp_path, "{}")
    shutil.copyfile(OBSERVED, tmp_path / FILE)
    manifest = load_manifests(tmp_path).row(0, named=True)
    assert (manifest["total_records"], manifest["input_tokens"], manifest["error_message"]) == (2400, 1951382, None)


def test_the_manifests_of_several_jobs_come_from_s3_together(emulator):
    s3 = emulator.client("s3")
    for number, job_id in enumerate(["aaaaaaaaaaaa", "bbbbbbbbbbbb"], 1):
        body = b'{"totalRecordCount":%d}' % number
        s3.put_object(Bucket="batchbook", Key=f"output/{job_id}/manifest.json.out", Body=body)
    manifests = load_manifests("s3://batchbook/output", profile="emulator")
    assert manifests["job_id", "total_records"].rows() == [("aaaaaaaaaaaa", 1), ("bbbbbbbbbbbb", 2)]
