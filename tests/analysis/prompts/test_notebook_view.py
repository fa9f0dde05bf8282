from itertools import count

import pytest

from analysis import Prompt, read_prompts
from analysis.errors import CONTROL, PromptError

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
HOSTILE = "<script>alert(1)</script>\x1b]0;x\x07\u202e {{ transcript }} for $20 or $30"


def make_prompt(**fields):
    return Prompt(**{"name": "short", "model_id": MODEL, "template": "Summarize {{ transcript }}"} | fields)


def test_a_notebook_shows_the_texts_and_what_differs_from_the_defaults():
    html = make_prompt(system="Be brief.", temperature=0.5)._repr_html_()
    places = [html.index(text) for text in ("<b>short</b>", MODEL, "temperature: 0.5", "Be brief.", "Summarize {{")]
    assert places == sorted(places)
    assert "top_p" not in html


@pytest.mark.parametrize("field", ["system", "template", "stop_sequences"])
def test_a_hostile_prompt_is_text(field):
    html = make_prompt(**{field: (HOSTILE,) if field == "stop_sequences" else HOSTILE})._repr_html_()
    assert "<script" not in html
    assert not CONTROL.search(html)
    assert "&lt;script&gt;" in html


def test_a_list_of_prompts_shows_each_and_is_a_list():
    numbers = count()
    prompts = read_prompts([make_prompt(name=f"p{next(numbers)}") for _ in range(2)])
    assert prompts == [make_prompt(name="p0"), make_prompt(name="p1")]
    html = prompts._repr_html_()
    assert html.index("<b>p0</b>") < html.index("<hr>") < html.index("<b>p1</b>")


def test_replace_changes_some_fields_and_leaves_the_prompt():
    prompt = make_prompt(expects={"max_words": 5})
    assert prompt.replace(max_tokens=300) == make_prompt(max_tokens=300, expects={"max_words": 5})
    assert prompt.max_tokens == 1024


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_tokens": 0}, "short: max_tokens must be 1 to"),
        ({"max_tokens": "300"}, r"short: Expected `int`, got `str` - at `\$.max_tokens`"),
        ({"max_token": 300}, "short: Object contains unknown field `max_token`"),
        ({"template": "{{ transcript"}, "short: "),
    ],
)
def test_what_is_replaced_is_checked(changes, reason):
    with pytest.raises(PromptError, match=reason):
        make_prompt().replace(**changes)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Prompt("x", MODEL, "Hi {{ transcript }}"), r"Prompt: 3 of its arguments have no name; write Prompt\("),
        (lambda: Prompt(name="x", model_id=MODEL), r"x: Object missing required field `template`; write Prompt\("),
        (lambda: Prompt(name="x", model_id="Hi {{ transcript }}", template=MODEL), "x: model_id is empty or a text"),
        (lambda: make_prompt(model_id=""), "short: model_id is empty"),
        (lambda: make_prompt(template=7), r"Expected `str`, got `int` - at `\$.template`"),
    ],
)
def test_arguments_without_name_in_the_wrong_order_or_missing_are_told(make, reason):
    with pytest.raises(PromptError, match=reason):
        make()
