"""llama-index-llms-bedrock-converse: completions and chats, streamed and not, and structured predictions."""

from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.bedrock_converse import BedrockConverse
from pydantic import BaseModel
from trying import ANSWER, ASKED, HAIKU, NOVA, check


class Summary(BaseModel):
    """What a call was about."""

    reason: str
    amount: int


for model_id in (HAIKU, NOVA):
    llm = BedrockConverse(model=model_id, region_name="us-east-1")
    name = model_id.split(".")[1]

    @check(f"`complete` and `chat`, {name}")
    def _(llm=llm):
        chat = llm.chat([ChatMessage(role="user", content=ASKED)])
        return ANSWER in llm.complete(ASKED).text and ANSWER in chat.message.content

    @check(f"`stream_complete` and `stream_chat`, {name}")
    def _(llm=llm):
        *_, complete = llm.stream_complete(ASKED)
        *_, chat = llm.stream_chat([ChatMessage(role="user", content=ASKED)])
        return ANSWER in complete.text and ANSWER in chat.message.content

    @check(f"`structured_predict`, {name}")
    def _(llm=llm):
        return isinstance(llm.structured_predict(Summary, PromptTemplate(ASKED)), Summary)


@check("`acomplete` and `astream_complete`")
async def _():
    llm = BedrockConverse(model=HAIKU, region_name="us-east-1")
    pieces = [piece async for piece in await llm.astream_complete(ASKED)]
    return ANSWER in (await llm.acomplete(ASKED)).text and ANSWER in pieces[-1].text
