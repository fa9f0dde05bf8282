"""instructor: answers as pydantic models, by Converse and by the Anthropic SDK."""

import boto3
import instructor
from anthropic import AnthropicBedrock
from pydantic import BaseModel
from trying import ASKED, HAIKU, NOVA, check

MESSAGES = [{"role": "user", "content": ASKED}]


class Item(BaseModel):
    """A thing that the customer wants."""

    name: str
    amount: int


class Summary(BaseModel):
    """What a call was about."""

    reason: str
    items: list[Item]
    is_resolved: bool


for model_id in (HAIKU, NOVA):

    @check(f"`from_bedrock`, tools, {model_id.split('.')[1]}")
    def _(model_id=model_id):
        client = instructor.from_bedrock(boto3.client("bedrock-runtime"), mode=instructor.Mode.BEDROCK_TOOLS)
        found = client.chat.completions.create(modelId=model_id, messages=MESSAGES, response_model=Summary)
        return isinstance(found, Summary)


@check("`from_anthropic` with `AnthropicBedrock`")
def _():
    client = instructor.from_anthropic(AnthropicBedrock())
    found = client.messages.create(model=HAIKU, max_tokens=500, messages=MESSAGES, response_model=Summary)
    return isinstance(found, Summary)
