"""The Anthropic SDK's client for Bedrock: messages, streams, tools."""

import os

from anthropic import Anthropic, AnthropicBedrock, AsyncAnthropicBedrock
from trying import ANSWER, ASKED, HAIKU, check, faults

client = AnthropicBedrock()
ask = {"model": HAIKU, "max_tokens": 200, "messages": [{"role": "user", "content": ASKED}]}
schema = {"type": "object", "properties": {"reason": {"type": "string"}, "amount": {"type": "integer"}}}
schema |= {"required": ["reason", "amount"]}
tool = {"name": "write_summary", "description": "Write down what the call was about.", "input_schema": schema}
forced = {"tools": [tool], "tool_choice": {"type": "tool", "name": "write_summary"}}


@check("`messages.create`")
def _():
    message = client.messages.create(**ask)
    return ANSWER in message.content[0].text and message.stop_reason == "end_turn" and message.usage.output_tokens > 0


@check("`beta.messages.create`")
def _():
    return ANSWER in client.beta.messages.create(**ask).content[0].text


@check("`messages.create` with a forced tool")
def _():
    (block,) = client.messages.create(**ask, **forced).content
    return block.type == "tool_use" and isinstance(block.input["amount"], int)


@check("`messages.stream`, text and final message")
def _():
    with client.messages.stream(**ask) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    return ANSWER in text and final.stop_reason == "end_turn" and final.usage.output_tokens > 0


@check("`messages.stream` with a forced tool")
def _():
    with client.messages.stream(**ask, **forced) as stream:
        (block,) = stream.get_final_message().content
    return block.type == "tool_use" and isinstance(block.input["amount"], int)


@check("a tool's result is taken")
def _():
    asked = client.messages.create(**ask, **forced)
    (block,) = asked.content
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "Written."}
    turns = [
        *ask["messages"],
        {"role": "assistant", "content": [each.model_dump(exclude_none=True) for each in asked.content]},
        {"role": "user", "content": [result]},
    ]
    return client.messages.create(**ask | {"messages": turns}, tools=[tool]).content[0].type == "text"


@check("the asynchronous client, with and without a stream")
async def _():
    async with AsyncAnthropicBedrock() as other:
        message = await other.messages.create(**ask)
        async with other.messages.stream(**ask) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    return ANSWER in message.content[0].text and ANSWER in text


@check("the plain client with an API key of Amazon Bedrock: `/anthropic/v1/messages`, and a stream")
def _():
    plain = Anthropic(base_url=f"{os.environ['AWS_ENDPOINT_URL']}/anthropic", api_key="bedrock-api-key-anything")
    with plain.messages.stream(**ask) as stream:
        text = "".join(stream.text_stream)
    return ANSWER in plain.messages.create(**ask).content[0].text and ANSWER in text


@check("a stream of `/anthropic/v1/messages` that an error or the end of the connection cuts short raises")
def _():
    found = []
    for fault in ("stream_throttled", "stream_cut"):
        with faults(**{fault: 1}):
            plain = Anthropic(base_url=f"{os.environ['AWS_ENDPOINT_URL']}/anthropic", api_key="any", max_retries=0)
            try:
                with plain.messages.stream(**ask) as stream:
                    list(stream.text_stream)
            except Exception as error:
                found.append(type(error).__name__)
    return len(found) == 2 and found[0] in ("APIStatusError", "RateLimitError")
