from analysis.families.family import ParsedAnswer
from analysis.families.mistral_chat import MISTRAL_CHAT


def test_a_request_has_messages_and_no_stop(make_prompt):
    assert MISTRAL_CHAT.write_request(make_prompt("mistral.mistral-large-2407-v1:0"), "Hello") == {
        "messages": [{"role": "system", "content": "You write notes."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 400,
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_an_answer_ends_for_a_stop_reason_and_has_no_usage(read):
    body = (
        '{"choices":[{"index":0,"message":{"role":"assistant","content":"A refund.","tool_calls":null},'
        '"stop_reason":"stop"}]}'
    )
    assert read(MISTRAL_CHAT, body) == ParsedAnswer(text="A refund.", stop_reason="stop")
