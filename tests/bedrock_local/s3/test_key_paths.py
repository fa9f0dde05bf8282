from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bedrock_local.s3.key_paths import key_path, name_text

ROOT = Path("/bucket")
KEYS = st.text(
    st.one_of(st.sampled_from("a./%_+é"), st.characters(exclude_categories=["Cs"])), min_size=1, max_size=400
)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("runs/a/00000.jsonl", "runs/a/00000.jsonl"),
        ("a", "a%"),
        ("a/b", "a/b%"),
        ("a.b/c.txt", "a.b%/c.txt"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd%"),
        ("/a.txt", "%_/a.txt"),
        ("folder/", "folder/%_%"),
        ("100%.txt", "100%25.txt"),
        ("a:b\x00.txt", "a%3Ab%00.txt"),
        ("مكالمة.json", "مكالمة.json"),
    ],
)
def test_a_key_is_a_path_that_a_person_recognises(key, path):
    assert key_path(ROOT, key) == ROOT / path


@given(KEYS)
def test_a_key_comes_back_from_its_path(key):
    *folders, last = key_path(ROOT, key).relative_to(ROOT).parts
    assert "".join([*(name_text(name, "folder") for name in folders), name_text(last, "file")]) == key


@given(KEYS)
def test_no_key_leaves_its_bucket(key):
    path = key_path(ROOT, key)
    assert ".." not in path.parts
    assert path.is_relative_to(ROOT)
    assert all(len(name.encode()) <= 200 for name in path.parts)


@given(KEYS, KEYS)
def test_no_file_of_one_key_is_a_folder_of_another(one, other):
    assert key_path(ROOT, one) not in key_path(ROOT, other).parents
