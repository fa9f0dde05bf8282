import msgspec
import pytest

from analysis.errors import PromptError, RunError
from analysis.prompts import Expectations, Prompt, check_name, read_prompts, render

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
CALL = {"call_id": "c1", "transcript": "AGENT: Hello", "duration_s": 61}
HEADER = f"model_id: {MODEL}\n"
FILE = f"---\n{HEADER}---\n# System\nYou are brief.\n\n# User\nSummarize:\n{{{{ transcript }}}}\n"


def write(folder, text, name="short.md"):
    file = folder / name
    file.write_bytes(text.encode())
    return file


def make_prompt(template):
    return Prompt(name="short", model_id=MODEL, template=template)


def test_a_file_gives_its_header_and_its_texts(tmp_path):
    header = (
        f"name: brief\n{HEADER}invocation_type: Converse\nmax_tokens: 300\ntemperature: 0\ntop_p: 0.9\ntop_k: 5\n"
        "stop_sequences: [END]\nsamples: 3\nadditional_fields:\n  thinking:\n    type: disabled\n"
    )
    file = write(tmp_path, f"---\n{header}---\n# System\nYou are brief.\n\n# User\nSummarize:\n{{{{ transcript }}}}\n")
    assert read_prompts(file) == [
        Prompt(
            name="brief",
            model_id=MODEL,
            template="Summarize:\n{{ transcript }}",
            system="You are brief.",
            invocation_type="Converse",
            max_tokens=300,
            temperature=0,
            top_p=0.9,
            top_k=5,
            stop_sequences=("END",),
            samples=3,
            additional_fields={"thinking": {"type": "disabled"}},
        )
    ]


def test_a_header_says_what_is_expected_of_the_answers(tmp_path):
    header = (
        f"{HEADER}expects:\n  max_words: 90\n  headings: [Reason, Outcome]\n"
        "  json_keys: [reason]\n  forbidden_openings: [Sure, Here is]\n"
    )
    (prompt,) = read_prompts(write(tmp_path, FILE.replace(HEADER, header)))
    expected = {"max_words": 90, "headings": ("Reason", "Outcome"), "json_keys": ("reason",)}
    assert prompt.expects == Expectations(**expected, forbidden_openings=("Sure", "Here is"))


def test_a_prompt_without_a_name_is_named_for_its_file(tmp_path):
    assert read_prompts(write(tmp_path, FILE))[0].name == "short"


def test_the_system_text_can_be_left_out(tmp_path):
    (prompt,) = read_prompts(write(tmp_path, f"---\n{HEADER}---\n\n# User\n{{{{ transcript }}}}\n"))
    assert (prompt.system, prompt.template) == ("", "{{ transcript }}")


@pytest.mark.parametrize("text", [FILE.replace("\n", "\r\n"), "\ufeff" + FILE], ids=["CRLF", "byte order mark"])
def test_a_file_from_windows_is_the_same_prompt(tmp_path, text):
    assert read_prompts(write(tmp_path, text)) == [
        Prompt(name="short", model_id=MODEL, template="Summarize:\n{{ transcript }}", system="You are brief.")
    ]


def test_headings_and_rules_in_a_user_text_stay_in_it(tmp_path):
    text = "Compare.\n---\n# User\nmine\n# System\nyours\n---\n{{ transcript }}"
    (prompt,) = read_prompts(write(tmp_path, f"---\n{HEADER}---\n# System\nBe brief.\n---\n# User\n{text}\n"))
    assert (prompt.system, prompt.template) == ("Be brief.\n---", text)


def test_a_prompt_in_any_script_is_unchanged(tmp_path):
    (prompt,) = read_prompts(
        write(tmp_path, f"---\n{HEADER}---\n# System\nأجب بإيجاز\n# User\n要約 🙂 {{{{ transcript }}}}\n")
    )
    assert (prompt.system, prompt.template) == ("أجب بإيجاز", "要約 🙂 {{ transcript }}")


def test_a_folder_gives_its_prompts_by_file_name(tmp_path):
    write(tmp_path, FILE, "b.md")
    write(tmp_path, FILE, "a.md")
    write(tmp_path, "not a prompt", "README.txt")
    assert [prompt.name for prompt in read_prompts(tmp_path)] == ["a", "b"]


def test_several_places_keep_their_order(tmp_path):
    places = [write(tmp_path, FILE, "b.md"), write(tmp_path, FILE, "a.md")]
    assert [prompt.name for prompt in read_prompts(places)] == ["b", "a"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("max_tokens: 5\n", "missing required field `model_id`"),
        (HEADER + "max_token: 5\n", "unknown field `max_token`"),
        (HEADER + "max_tokens: many\n", r"Expected `int`, got `str` - at `\$.max_tokens`"),
        (HEADER + "max_tokens: 0\n", "max_tokens must be 1 to 1,000,000,000, samples 1 to 1000"),
        (HEADER + "samples: 0\n", "max_tokens must be 1 to 1,000,000,000, samples 1 to 1000"),
        (HEADER + "repeat: 0\n", "repeat is 0; write 1, or a higher number to ask again"),
        (HEADER + "expects: {most_words: 90}\n", "unknown field `most_words`"),
        (HEADER + "expects: {max_words: 0}\n", "max_words is 0; write 1 or more"),
        (HEADER + "expects: {headings: [Reason, ' ']}\n", "a text of headings is empty; leave it out"),
        (HEADER + "stop_sequences: END\n", "Expected `array`, got `str`"),
        (HEADER + "invocation_type: Batch\n", "Invalid enum value 'Batch'"),
        (HEADER + "name: Short Notes\n", "'Short Notes' cannot be used in job names"),
        (HEADER + "system: You are brief.\n", "'system' is not a field of the header; write it under '# System'"),
        (HEADER + "template: Hello\n", "'template' is not a field of the header; write it under '# User'"),
        ("model_id: [\n", "while parsing"),
        ("- a\n", "Expected `object`, got `array`"),
        ("\n", "Expected `object`, got `null`"),
    ],
)
def test_an_error_in_a_header_names_the_file(tmp_path, header, reason):
    file = write(tmp_path, f"---\n{header}---\n# User\n{{{{ transcript }}}}\n")
    with pytest.raises(PromptError, match=rf"short\.md: (?s:.*){reason}"):
        read_prompts(file)


@pytest.mark.parametrize("text", ["", "Summarize.", f"---\n{HEADER}---\nSummarize.\n", f"{HEADER}# User\nHello\n"])
def test_the_error_for_another_file_says_what_a_prompt_is(tmp_path, text):
    with pytest.raises(PromptError, match=r"short\.md: not a prompt file; write a header between '---' lines"):
        read_prompts(write(tmp_path, text))


def test_a_prompt_without_a_text_is_refused(tmp_path):
    with pytest.raises(PromptError, match=r"short\.md: .*the template is empty"):
        read_prompts(write(tmp_path, f"---\n{HEADER}---\n# User\n\n"))


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "short.md").write_bytes(FILE.encode("utf-16"))
    with pytest.raises(PromptError, match=r"short\.md: is not text in UTF-8; save it as UTF-8"):
        read_prompts(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PromptError, match=r"nowhere\.md: cannot be read"):
        read_prompts(tmp_path / "nowhere.md")


def test_a_folder_without_prompts_is_named(tmp_path):
    with pytest.raises(PromptError, match=r"no prompt files; put \.md files there"):
        read_prompts(tmp_path)


def test_two_prompts_of_one_name_are_refused(tmp_path):
    write(tmp_path, FILE)
    write(tmp_path, FILE.replace("model_id", "name: short\nmodel_id"), "other.md")
    with pytest.raises(PromptError, match="the name 'short' is used by 2 prompts"):
        read_prompts(tmp_path)


def test_a_template_that_cannot_be_read_names_its_file_and_line(tmp_path):
    with pytest.raises(PromptError, match=r"short\.md: .*line 2 of the template: unexpected '}'"):
        read_prompts(write(tmp_path, f"---\n{HEADER}---\n# User\nSummarize:\n{{{{ transcript }}\n"))


@pytest.mark.parametrize("name", ["a", "0", "a-b", "short-2", "a" * 40])
def test_a_name_that_job_names_allow_is_accepted(name):
    check_name(name, "the name")


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a.b", "a b", "ä", "a/b", "..", "a\n", "a" * 41, "٣"])
def test_a_name_that_job_names_do_not_allow_is_refused(name):
    with pytest.raises(RunError, match=r"the run's name: .* use at most 40 lower-case letters"):
        check_name(name, "the run's name", error=RunError)


@pytest.mark.parametrize(
    "transcript",
    [
        "{{ call_id }} {{",
        "{% for x in y %} %}",
        "{# a comment #}",
        "</transcript></script><b>&amp; & \"quotes\" 'and' `more`",
        "Ünïcode مرحبا 🙂 \u2028 \u0085 \x00 \\n \\u0041",
        "line\r\nline\rline\n",
        " leading and trailing \n",
        "# User\n---\n# System\n",
        "%s %(a)s {0} ${HOME} $(id)",
        "",
    ],
)
def test_braces_and_tags_in_a_transcript_are_not_interpreted(transcript):
    assert render(make_prompt("<t>{{ transcript }}</t>"), {"transcript": transcript}) == f"<t>{transcript}</t>"


def test_a_template_can_use_every_column_of_a_call():
    assert render(make_prompt("{{ call_id }}: {{ duration_s // 60 }} min"), CALL) == "c1: 1 min"


def test_a_misspelt_variable_is_named_with_those_that_exist():
    with pytest.raises(
        PromptError, match="short: no variable 'transcrip'; a template can use call_id, transcript, duration_s"
    ):
        render(make_prompt("{{ transcrip }}"), CALL)


@pytest.mark.parametrize("template", ["{{ transcrip|upper }}", "{% if transcrip %}{% endif %}", "{{ transcrip.text }}"])
def test_a_misspelt_variable_is_an_error_anywhere_in_a_template(template):
    with pytest.raises(PromptError, match="no variable 'transcrip'"):
        render(make_prompt(template), CALL)


@pytest.mark.parametrize(
    "template",
    [
        "{{ transcript.__class__.__mro__ }}",
        "{{ transcript|attr('__class__') }}",
        "{{ '{0.__class__}'.format(transcript) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(template):
    with pytest.raises(PromptError, match="short: the template fails on call 'c1'"):
        render(make_prompt(template), CALL)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 // (duration_s - 61) }}",
        "{{ '{0} {1}'.format(transcript) }}",
        "{{ '{a}'.format() }}",
        "{{ transcript + 1 }}",
    ],
)
def test_a_template_that_fails_names_the_call(template):
    with pytest.raises(PromptError, match="short: the template fails on call 'c1'"):
        render(make_prompt(template), CALL)


def test_a_prompt_survives_json():
    prompt = Prompt(name="short", model_id=MODEL, template="{{ transcript }}", stop_sequences=("END",), top_p=0.5)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(prompt)), Prompt) == prompt


def test_a_missing_value_is_not_written_as_none():
    prompt = Prompt(name="mood", model_id="m", template="{{ mood }}: {{ transcript }}")
    with pytest.raises(PromptError, match="call 'c1', line 1: a value is missing; write"):
        render(prompt, {"call_id": "c1", "transcript": "Hello.", "mood": None})


def test_a_template_can_say_what_to_write_for_a_missing_value():
    prompt = Prompt(name="mood", model_id="m", template='{{ mood or "not known" }}')
    assert render(prompt, {"call_id": "c1", "mood": None}) == "not known"
