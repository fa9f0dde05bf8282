"""Our requests and parsers against the emulator, whose rules for bodies were written independently."""

import json

import pytest

from analysis.aws.session import open_session
from analysis.facts.models import find_model, list_models
from analysis.families import FAMILIES, find_family
from analysis.families.family import only_read
from analysis.jobs.on_demand import invoke_once
from analysis.outputs.frames import list_columns
from analysis.outputs.lines import read_lines
from analysis.prompts import Prompt
from analysis.requests.prompt_checks import NO_STOP, NO_SYSTEM, check_settings
from bedrock_local.models import MODELS

# A model of each family.
FEW = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "amazon.nova-lite-v1:0",
    "amazon.titan-text-express-v1",
    "ai21.jamba-1-5-mini-v1:0",
    "cohere.command-light-text-v14",
    "cohere.command-r-v1:0",
    "us.deepseek.r1-v1:0",
    "mistral.mistral-7b-instruct-v0:2",
    "us.writer.palmyra-x4-v1:0",
]
ONLY_BY_PROFILE = ("anthropic.claude-", "amazon.nova-", "meta.llama", "deepseek.r1", "writer.", "moonshotai.kimi-k3")
CALL = "Agent: Hello. Customer: I want a refund of 30 dollars. Agent: You will have it in 5 days."
# Mistral Large 24.02 takes two forms, of which the emulator knows the other one.
BASES = [base for base in list_models() if base in MODELS and "embed" not in base and "large-2402" not in base]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(tmp_path_factory.mktemp("emulator")))
        yield open_session("emulator").client("bedrock-runtime")


def name_model(base):
    return f"us.{base}" if base.startswith(ONLY_BY_PROFILE) else base


def make_prompt(base, invocation_type, **fields):
    """Make a prompt with every inference parameter that the family has and the model accepts."""
    model = find_model(base)
    family = find_family(model, "InvokeModel")
    settings = {"temperature": 0.5} if family.limits.temperature and model.sampling != "none" else {}
    settings |= {"top_p": 0.9} if family.limits.top_p and model.sampling == "free" else {}
    settings |= {"top_k": 20} if family.limits.top_k and model.sampling != "none" else {}
    is_converse = invocation_type == "Converse"
    has_stop = family.limits.stop_sequences != 0 and not (is_converse and NO_STOP.match(base))
    settings |= {"stop_sequences": ("END",)} if has_stop else {}
    settings |= {} if is_converse and NO_SYSTEM.match(base) else {"system": "You write notes."}
    settings |= {"max_tokens": 300, "invocation_type": invocation_type} | fields
    prompt = Prompt(name="short", model_id=name_model(base), template="{{ transcript }}", **settings)
    check_settings(prompt)
    return prompt


def answer(runtime, prompt):
    """Send a request, and read the line that a batch job would have written."""
    family = find_family(find_model(prompt.model_id), prompt.invocation_type)
    request = family.write_request(prompt, CALL)
    reply = invoke_once(runtime, prompt.model_id, prompt.invocation_type, request)
    line = {"recordId": "r1", "modelInput": request, "modelOutput": json.loads(reply)}
    (row,) = read_lines([json.dumps(line).encode()], "a.jsonl.out", prompt.model_id)
    return family, {name: value for name, (value,) in list_columns([row]).items()}


def test_every_family_that_writes_has_a_model_here():
    tried = {find_family(find_model(base), "InvokeModel").name for base in BASES}
    assert tried == {family.name for family in FAMILIES if family.write_request is not only_read} - {"converse"}


@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
@pytest.mark.parametrize("base", BASES)
def test_a_request_is_accepted_and_its_answer_is_read(runtime, base, invocation_type):
    prompt = make_prompt(base, invocation_type)
    family, row = answer(runtime, prompt)
    assert (row["family"], row["error_kind"], row["error_message"]) == (family.name, None, None)
    assert row["text"]
    assert row["stop"] == "end"
    assert (row["max_tokens"], row["temperature"], row["top_p"]) == (300, prompt.temperature, prompt.top_p)


@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
@pytest.mark.parametrize("base", FEW)
def test_a_truncated_answer_has_the_stop_length(runtime, base, invocation_type):
    _, row = answer(runtime, make_prompt(base.removeprefix("us."), invocation_type, max_tokens=2))
    assert row["stop"] == "length"
