import pytest

from analysis.errors import AnalysisError
from analysis.families.family import ParsedAnswer
from analysis.families.writer import WRITER
from analysis.requests.prompt_checks import check_settings

X5 = "us.writer.palmyra-x5-v1:0"


def test_a_request_has_messages_and_stop(make_prompt):
    assert WRITER.write_request(make_prompt(X5, stop_sequences=("END",)), "Hello") == {
        "messages": [{"role": "system", "content": "You write notes."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 400,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }


def test_the_documented_answer_is_read_in_full(read):
    body = (
        '{"id":"chatcmpl-1","object":"chat.completion","created":1745854231,"model":"writer.palmyra-x5-v1:0",'
        '"choices":[{"index":0,"message":{"role":"assistant","reasoning_content":null,"content":"A refund.",'
        '"tool_calls":[]},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"usage":{"prompt_tokens":43,'
        '"total_tokens":186,"completion_tokens":143,"prompt_tokens_details":null},"prompt_logprobs":null}'
    )
    assert read(WRITER, body) == ParsedAnswer("writer.palmyra-x5-v1:0", "A refund.", "stop", 43, 143)


@pytest.mark.parametrize(
    ("parameters", "cure"),
    [
        ({"max_tokens": 8_193}, "set max_tokens to 8192"),
        ({"stop_sequences": tuple("abcde")}, "4 stop sequences at most"),
    ],
)
def test_parameters_beyond_the_documented_limits_are_refused(make_prompt, parameters, cure):
    with pytest.raises(AnalysisError, match=cure):
        check_settings(make_prompt(X5, **parameters))
