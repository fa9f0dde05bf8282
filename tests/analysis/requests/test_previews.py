import json

import polars as pl
import pytest

from analysis import Prompt, preview
from analysis.errors import PromptError
from analysis.requests.previews import add_answer

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"  # batch 0.50 and 2.50 USD per million tokens
CALL = {"call_id": "c1", "transcript": "AGENT: <b>Hello</b>"}


def make_prompt(model_id=HAIKU, template="Summarize: {{ transcript }}", **fields):
    return Prompt(name="short", model_id=model_id, template=template, max_tokens=400, **fields)


def answer_with(content, stop_reason, output_tokens):
    usage = {"input_tokens": 9, "output_tokens": output_tokens}
    return json.dumps({"content": content, "stop_reason": stop_reason, "usage": usage}).encode()


def test_a_preview_shows_what_the_model_would_see():
    shown = preview(make_prompt(system="Be brief."), CALL)
    assert (shown.system, shown.text) == ("Be brief.", "Summarize: AGENT: <b>Hello</b>")
    assert repr(shown).split("\n\n")[1:] == ["--- System\nBe brief.", "--- User\nSummarize: AGENT: <b>Hello</b>"]


def test_a_preview_never_commands_a_terminal():
    shown = preview(make_prompt(), CALL | {"transcript": "Hi\x1b[2J\u202e"})
    assert shown.text.endswith("Hi\x1b[2J\u202e")
    for text in (repr(shown), shown._repr_html_()):
        assert r"Hi\x1b[2J\u202e" in text
        assert "\x1b" not in text


def test_a_preview_shows_the_highest_cost_in_a_batch():
    shown = preview(make_prompt(template="{{ transcript }}"), CALL | {"transcript": "x" * 400})
    # 100 tokens plus a quarter at 0.50, and 400 at 2.50 USD per million
    assert (shown.input_tokens, shown.max_tokens) == (100, 400)
    assert shown.cost_usd_high == pytest.approx(0.0010625)
    assert shown.heading() == "About 100 tokens in, up to 400 out: at most 0.001063 USD in a batch."


def test_a_price_that_is_not_known_is_missing():
    shown = preview(make_prompt("acme.talker-v1:0", invocation_type="Converse"), CALL)
    assert shown.cost_usd_high is None
    assert "no price is known" in repr(shown)


def test_without_a_profile_nothing_is_asked():
    shown = preview(make_prompt(), CALL)
    assert (shown.answer, shown.stop, shown.answer_tokens) == (None, None, None)
    assert "Answer" not in repr(shown)


def test_an_answer_is_shown_with_its_stop_and_its_tokens():
    reply = answer_with([{"type": "text", "text": "Said hello."}], "end_turn", 3)
    shown = add_answer(preview(make_prompt(), CALL), make_prompt(), reply)
    assert repr(shown).endswith("--- Answer (3 tokens, stop: end)\nSaid hello.")


def test_an_answer_without_text_is_shown_too():
    shown = add_answer(preview(make_prompt(), CALL), make_prompt(), answer_with([], "max_tokens", 400))
    assert repr(shown).endswith("--- Answer (400 tokens, stop: length)\n")
    assert "Answer (400 tokens, stop: length)" in shown._repr_html_()


def test_a_stop_that_the_model_did_not_give_is_unknown():
    shown = add_answer(preview(make_prompt(), CALL), make_prompt(), answer_with([], None, 0))
    assert shown.stop == "unknown"


def test_all_texts_are_escaped_in_html():
    prompt = make_prompt(system="</pre><script>1</script>")
    reply = answer_with([{"type": "text", "text": "<img src=x>"}], "end_turn", 3)
    page = add_answer(preview(prompt, CALL), prompt, reply)._repr_html_()
    assert "&lt;/pre&gt;&lt;script&gt;1" in page
    assert "AGENT: &lt;b&gt;Hello" in page
    assert "&lt;img src=x&gt;" in page
    assert "<script>" not in page


def test_a_template_that_does_not_fit_is_an_error_before_anything_is_sent():
    with pytest.raises(PromptError, match="no variable 'transcrip'; a template can use call_id, transcript"):
        preview(make_prompt(template="{{ transcrip }}"), CALL, profile="no-such-profile")


def test_a_frame_is_not_a_call():
    frame = pl.DataFrame([CALL])
    with pytest.raises(PromptError, match=r"a DataFrame is not one call; give a row: calls.row\(0, named=True\)"):
        preview(make_prompt(), frame)
