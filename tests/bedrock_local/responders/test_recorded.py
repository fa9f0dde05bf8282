import json
from pathlib import Path

import pytest

from bedrock_local import Settings, open_session
from bedrock_local.emulator import Emulator, make_folder
from bedrock_local.families import read_native_question
from bedrock_local.inference import Question
from bedrock_local.models import find_model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.responders.recorded import RecordedAnswers, read_question_texts

BODIES = Path(__file__).parents[3].parent / "shared" / "data" / "bedrock_batch" / "observed_model_bodies.jsonl"
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50}
CLAUDE |= {"system": "Be brief.", "messages": [{"role": "user", "content": "Why?"}]}
CONVERSE = {"system": [{"text": "Be brief."}], "messages": [{"role": "user", "content": [{"text": "Why?"}]}]}
CHAT = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}
LLAMA = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
LLAMA += "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"

DEEPSEEK = "<\uff5cbegin\u2581of\u2581sentence\uff5c>Be brief.<\uff5cUser\uff5c>Why?<\uff5cAssistant\uff5c><think>\n"


def claude_output(text="Because.", stop="end_turn", sequence=None):
    output = {"type": "message", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": text}]}
    return output | {"stop_reason": stop, "stop_sequence": sequence, "usage": {"input_tokens": 20, "output_tokens": 2}}


def converse_output(text="Because."):
    message = {"role": "assistant", "content": [{"text": text, "image": None, "toolUse": None}]}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": {"inputTokens": 20, "outputTokens": 2}}


def chat_output(**ends):
    choice = {"index": 0, "message": {"role": "assistant", "content": "Because."}} | ends
    return {"choices": [choice], "usage": {"prompt_tokens": 20, "completion_tokens": 2}}


# A body, its answer and the answer's input tokens, in the forms of the User Guide's pages on each family.
# Where the answer counts none, nine letters of system text are 3 tokens and "Why?" is 1.
COUNTED, ESTIMATED = 20, 4
FAMILIES = {
    "claude": (CLAUDE, claude_output(), COUNTED),
    "converse": (CONVERSE, converse_output(), COUNTED),
    "nova": ({"schemaVersion": "messages-v1"} | CONVERSE, converse_output(), COUNTED),
    "titan": (
        {"inputText": "Be brief.\nWhy?", "textGenerationConfig": {"maxTokenCount": 50}},
        {
            "inputTextTokenCount": 20.0,
            "results": [{"tokenCount": 2, "outputText": "Because.", "completionReason": "FINISH"}],
        },
        COUNTED,
    ),
    "llama": (
        {"prompt": LLAMA, "max_gen_len": 50},
        {"generation": "Because.", "prompt_token_count": 20, "generation_token_count": 2, "stop_reason": "stop"},
        COUNTED,
    ),
    "mistral": (
        {"prompt": "<s>[INST] Be brief.\n\nWhy? [/INST]"},
        {"outputs": [{"text": "Because.", "stop_reason": "stop"}]},
        ESTIMATED,
    ),
    "mistral chat": (CHAT, chat_output(stop_reason="stop"), COUNTED),
    "openai": (CHAT, chat_output(finish_reason="stop"), COUNTED),
    "writer": (
        {"messages": [{"role": "user", "content": {"text": "Be brief.\nWhy?"}}]},
        chat_output(finish_reason="stop", stop_reason=None),
        COUNTED,
    ),
    "deepseek": (
        {"prompt": DEEPSEEK},
        {"choices": [{"text": "Because.", "stop_reason": "stop"}]},
        ESTIMATED,
    ),
    "cohere r": (
        {"preamble": "Be brief.", "message": "Why?"},
        {"text": "Because.", "generation_id": "g", "finish_reason": "COMPLETE"},
        ESTIMATED,
    ),
    "cohere": (
        {"prompt": "Be brief. Why?"},
        {"generations": [{"text": "Because.", "finish_reason": "COMPLETE"}]},
        ESTIMATED,
    ),
}


@pytest.fixture
def record(tmp_path):
    """Return a function that writes output lines and makes their responder."""

    def write(*lines):
        path = tmp_path / "answers.jsonl"
        path.write_bytes(b"".join(line if isinstance(line, bytes) else line_of(*line) for line in lines))
        return RecordedAnswers(path)

    return write


def line_of(body, output=None, error=None):
    ending = {"error": error} if error else {"modelOutput": output}
    return json.dumps({"modelInput": body, **ending, "recordId": "r"}, ensure_ascii=False).encode() + b"\n"


def ask(responder, text="Why?", system="Be brief.", max_tokens=50):
    return responder(Question("model", system, text, max_tokens))


@pytest.mark.parametrize(("body", "output", "input_tokens"), FAMILIES.values(), ids=FAMILIES)
def test_questions_and_answers_of_any_family_are_found(record, body, output, input_tokens):
    reply = ask(record((body, output)))
    assert (reply.text, reply.stop, reply.input_tokens, reply.output_tokens) == ("Because.", "end", input_tokens, 2)


@pytest.mark.parametrize("text", ["<reasoning>Hm.</reasoning>Because.", "Hm.\n</think>\n\nBecause."])
def test_reasoning_is_dropped_from_an_answer(record, text):
    assert ask(record((CHAT, {"choices": [{"text": text}]}))).text == "Because."


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("end_turn", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "filtered"),
        ("guardrail_intervened", "filtered"),
        ("tool_use", "end"),
        (None, "end"),
    ],
)
def test_the_stop_of_an_answer_is_kept(record, word, stop):
    assert ask(record((CLAUDE, claude_output(stop=word)))).stop == stop


def test_a_stop_sequence_is_kept(record):
    reply = ask(record((CLAUDE, claude_output(stop="stop_sequence", sequence="END"))))
    assert (reply.stop, reply.stop_sequence) == ("stop_sequence", "END")


@pytest.mark.parametrize("error", [{"errorCode": 429, "errorMessage": "Slow down."}, {"errorCode": "429"}])
def test_a_recorded_error_is_raised_again(record, error):
    with pytest.raises(ServiceError) as raised:
        ask(record((CLAUDE, None, error)))
    assert raised.value.status == 429
    assert raised.value.message == error.get("errorMessage", "The recorded error has no message.")


def test_an_unknown_question_is_a_model_error_that_does_not_quote_it(record):
    with pytest.raises(
        ServiceError, match=r"No recorded answer to this question among the 1 of answers\.jsonl"
    ) as said:
        ask(record((CLAUDE, claude_output())), text="Who is Rumpelstiltskin?")
    assert (said.value.status, "Rumpel" in str(said.value)) == (424, False)


def test_the_first_of_several_answers_is_returned_each_time(record):
    responder = record((CLAUDE, claude_output("One.")), (CLAUDE, claude_output("Two.")))
    assert [ask(responder).text for _ in range(3)] == ["One."] * 3


def test_of_several_answers_the_one_with_the_same_limit_is_returned(record):
    responder = record((CLAUDE, claude_output("Short.")), (CLAUDE | {"max_tokens": 500}, claude_output("Long.")))
    assert [ask(responder, max_tokens=limit).text for limit in (500, 50, 7)] == ["Long.", "Short.", "Short."]


def test_lines_that_are_not_output_are_skipped(record):
    others = [b"\n", b"{", b"[]\n", b'{"modelInput": {}}\n', b'{"totalRecordCount": 3}\n', b"\xff\n", b'"' + b"[" * 9]
    assert ask(record(*others[:2], b"\n", *others[2:-1], (CLAUDE, claude_output()), others[-1])).text == "Because."


@pytest.mark.parametrize(
    "body", [{}, {"messages": 5}, {"messages": [5, {"role": "user", "content": [None, {"text": 1}]}]}]
)
def test_odd_bodies_are_skipped(record, body):
    assert ask(record((body, {"generation": 5}), (CLAUDE, claude_output()))).text == "Because."


def test_an_answer_of_no_family_is_a_model_error(record):
    with pytest.raises(ServiceError, match="ModelErrorException: The recorded answer is in no format"):
        ask(record((CLAUDE, {"embedding": [0.5]})))


def test_a_file_without_answers_is_refused(record):
    with pytest.raises(ValueError, match=r"answers\.jsonl: no recorded answers; its lines need modelInput"):
        record(b'{"recordId": "r", "modelInput": {}}\n')


@pytest.mark.parametrize("text", ["\u0645\u0631\u062d\u0628\u0627", "one\u2028two\u0085three", "half \ud800"])
def test_texts_of_any_script_are_found(record, text):
    body = {"prompt": text}
    line = json.dumps({"modelInput": body, "modelOutput": {"generation": text}}).encode() + b"\n"
    plain = text.replace("\ud800", "\ufffd")
    assert ask(record(line), text=plain, system="").text == plain


def test_an_index_keeps_two_numbers_a_line(record):
    responder = record(*(({"prompt": f"Call {number}"}, {"generation": f"{number}"}) for number in range(1000)))
    assert responder.digests.itemsize * len(responder.digests) == responder.offsets.itemsize * 1000 == 8000
    assert [ask(responder, f"Call {number}", "").text for number in (0, 500, 999)] == ["0", "500", "999"]


TALK = [
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "Hm."},
    {"role": "user", "content": "Oh?"},
]
LONG_LLAMA = LLAMA + "Hm.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nOh?<|eot_id|>"


@pytest.mark.parametrize(
    ("model_id", "body"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", CLAUDE | {"messages": TALK}),
        ("us.meta.llama3-3-70b-instruct-v1:0", {"prompt": LONG_LLAMA}),
        ("mistral.mistral-small-2402-v1:0", {"prompt": "<s>[INST] Be brief.\nWhy? [/INST] Hm.</s>[INST] Oh? [/INST]"}),
        ("openai.gpt-oss-20b-1:0", {"messages": [{"role": "developer", "content": "Be brief."}, *TALK]}),
        (
            "cohere.command-r-v1:0",
            {"preamble": "Be brief.", "message": "Oh?", "chat_history": [{"role": "USER", "message": "Why?"}]},
        ),
    ],
)
def test_a_longer_conversation_is_the_same_question_in_any_form(record, model_id, body):
    responder = record((CLAUDE | {"messages": TALK}, claude_output()))
    assert responder(read_native_question(find_model(model_id), body)).text == "Because."
    assert record((body, claude_output()))(Question("model", "Be brief.", "Why?\n\nOh?", 50)).text == "Because."


def test_the_output_of_a_job_answers_the_next_job(tmp_path, jobs, folder, clock):
    body = CLAUDE | {"messages": [{"role": "user", "content": "Why did you call?"}]}
    first = jobs.run([{"recordId": "a", "modelInput": body}])
    (tmp_path / "answers.jsonl.out").write_bytes(jobs.read(first))
    settings = Settings(responder=str(tmp_path / "answers.jsonl.out"))
    runtime = open_session(folder, settings=settings, now=clock).client("bedrock-runtime")
    answer = runtime.converse(
        modelId="us.anthropic.claude-haiku-4-5-20251001-v1:0",
        system=[{"text": "Be brief."}],
        messages=[{"role": "user", "content": [{"text": "Why did you call?"}]}],
    )
    assert answer["output"]["message"]["content"] == [{"text": "Why did you call?"}]


def test_a_path_is_relative_to_the_folder_and_a_changed_file_is_read_again(tmp_path):
    emulator = Emulator(make_folder(tmp_path, Settings(responder="answers.jsonl")))
    (tmp_path / "answers.jsonl").write_bytes(line_of(CLAUDE, claude_output("One.")))
    first, again = emulator.find_responder(), emulator.find_responder()
    (tmp_path / "answers.jsonl").write_bytes(line_of(CLAUDE, claude_output("Another.")))
    assert first is again
    assert ask(emulator.find_responder()).text == "Another."


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
def test_recorded_bodies_of_real_models_are_read(record):
    rows = [json.loads(line) for line in BODIES.read_bytes().splitlines()]
    rows = [row for row in rows if row["http_status"] == 200 and not row["model_id"].startswith("ai21.j2")]
    responder = record(*((row["modelInput"], row["modelOutput"]) for row in rows))
    texts = [read_question_texts(row["modelInput"]) for row in rows]
    assert all(ask(responder, text, system).input_tokens > 0 for system, text in texts)
