"""The OpenAI SDK with an API key of Amazon Bedrock: chat completions, streams, functions."""

import json
import os

import openai
from trying import ANSWER, ASKED, check

MODEL = "openai.gpt-oss-20b-1:0"
MESSAGES = [{"role": "user", "content": ASKED}]
client = openai.OpenAI(base_url=f"{os.environ['AWS_ENDPOINT_URL']}/openai/v1", api_key="bedrock-api-key-anything")
parameters = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
tool = {"type": "function", "function": {"name": "bill", "parameters": parameters}}


@check("`chat.completions.create`")
def _():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    return ANSWER in answer.choices[0].message.content and answer.usage.completion_tokens > 0


@check("`chat.completions.create(stream=True)`")
def _():
    chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    return ANSWER in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@check("a forced function")
def _():
    choice = {"type": "function", "function": {"name": "bill"}}
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=[tool], tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls
    return isinstance(json.loads(call.function.arguments)["amount"], int)


@check("a model that is not there is `NotFoundError` or `BadRequestError`")
def _():
    try:
        client.chat.completions.create(model="openai.nothing-1:0", messages=MESSAGES)
    except (openai.NotFoundError, openai.BadRequestError):
        return True
    return False
