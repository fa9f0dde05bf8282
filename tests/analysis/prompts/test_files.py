import os

import pytest

from analysis.errors import PromptError
from analysis.prompts import Prompt, read_prompts

BOMB = "\n".join(["  a0: &a0 [x]", *(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))])
MERGES = "\n".join(
    ["  a0: &a0 {k: 1}", *(f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10))]
)


def read(folder, header, name="short.md"):
    file = folder / name
    file.write_text(f"---\nmodel_id: m\n{header}\n---\n# User\n{{{{ transcript }}}}\n")
    return read_prompts(file)


@pytest.mark.parametrize(
    "fields",
    [
        BOMB,
        MERGES,
        "  a: " + "[" * 100 + "]" * 100,
        "  a: " + "[" * 100_000,
        "  a: " + "{a: " * 100 + "}" * 100,
        "  a: &a [*a]",
        "  a: [" + "1, " * 20_000 + "]",
    ],
    ids=["aliases", "merges", "deep", "deep and open", "deep objects", "itself", "long"],
)
def test_a_header_of_too_many_values_is_refused(tmp_path, fields):
    with pytest.raises(PromptError, match=r"short\.md: (has more than 10,000 values, or is nested|.*while parsing)"):
        read(tmp_path, f"additional_fields:\n{fields}")


def test_a_few_aliases_are_read(tmp_path):
    (prompt,) = read(tmp_path, "additional_fields:\n  a: &a {b: [1, 2]}\n  c: *a\n  d: {<<: *a, e: &e x, f: *e}")
    shared = {"b": [1, 2]}
    assert prompt.additional_fields == {"a": shared, "c": shared, "d": shared | {"e": "x", "f": "x"}}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2026-01-02", "additional_fields have a date, which JSON cannot hold; write texts, .* a date in quotes"),
        ("2026-13-45", "month must be in 1..12"),
        (".nan", "additional_fields have a float, which JSON cannot hold"),
        (".inf", "additional_fields have a float"),
        ("!!binary aGk=", "additional_fields have a bytes"),
        ("!!set {a, b}", "additional_fields have a set"),
        ("99999999999999999999", "additional_fields have a int"),
        ("{1: 2}", "additional_fields have a dict"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
    ],
)
def test_additional_fields_are_json(tmp_path, value, reason):
    with pytest.raises(PromptError, match=rf"short\.md: (?s:.*){reason}"):
        read(tmp_path, f"additional_fields:\n  a: {value}")


def test_additional_fields_of_a_program_are_json_too():
    loop = []
    loop.append(loop)
    with pytest.raises(PromptError, match="nested more than 32 deep"):
        Prompt(name="a", model_id="m", template="{{ transcript }}", additional_fields={"a": loop})
    with pytest.raises(PromptError, match="more than 10,000 values"):
        Prompt(name="a", model_id="m", template="{{ transcript }}", additional_fields={"a": [1] * 10_000})


@pytest.mark.parametrize("field", ["template", "system", "model_id"])
def test_half_a_surrogate_pair_is_refused(field):
    fields = {"name": "a", "model_id": "m", "template": "{{ transcript }}"} | {field: "{{ transcript }} \ud83d"}
    with pytest.raises(PromptError, match="a: a text has half of a surrogate pair"):
        Prompt(**fields)


@pytest.mark.parametrize("header", ["max_tokens: 99999999999999999999", "repeat: 99999999999999999999"])
def test_a_number_beyond_all_models_is_refused(tmp_path, header):
    with pytest.raises(PromptError, match=r"short\.md: (max_tokens must be|repeat is|.*)"):
        read(tmp_path, header)


def test_a_pipe_is_no_prompt_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(PromptError, match=r"pipe\.md: not a file but a pipe, .*; save the prompt as a \.md file"):
        read_prompts(tmp_path / "pipe.md")


@pytest.mark.parametrize("name", ["nul\0.md", "x" * 300 + ".md"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(PromptError, match="cannot be read"):
        read_prompts(tmp_path / name)


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "a.md").open("wb") as file:
        file.truncate(10_000_001)
    with pytest.raises(PromptError, match=r"a\.md: has 10,000,001 bytes; a prompt file has at most 10,000,000"):
        read_prompts(tmp_path)


SCHEMA = '{"type": "object", "properties": {"reason": {"type": "string"}}}'


def test_a_schema_stands_in_the_header_or_in_a_file_beside_the_prompt(tmp_path):
    (tmp_path / "call.schema.json").write_text(SCHEMA, encoding="utf-8")
    inline = "schema:\n  type: object\n  properties: {reason: {type: string}}"
    (by_file,), (by_header,), (bare,) = (read(tmp_path, header) for header in ("schema: call.schema.json", inline, ""))
    assert by_file.schema == by_header.schema == {"type": "object", "properties": {"reason": {"type": "string"}}}
    assert by_file.digest == by_header.digest != bare.digest


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "call.schema.json: cannot be read"),
        ("{", r"call.schema.json: is no JSON Schema \(.*; write one of an object"),
        ("[]", "call.schema.json: is no JSON Schema"),
        ('{"type": "object"}', "short.md: schema is not of an object that has properties"),
    ],
)
def test_a_file_that_is_no_schema_is_named(tmp_path, content, reason):
    if content:
        (tmp_path / "call.schema.json").write_text(content, encoding="utf-8")
    with pytest.raises(PromptError, match=reason):
        read(tmp_path, "schema: call.schema.json")
