"""langchain-aws: chat by Converse and by InvokeModel, streams, tools, structured output, embeddings."""

from langchain_aws import BedrockEmbeddings, ChatBedrock, ChatBedrockConverse
from pydantic import BaseModel
from trying import ANSWER, ASKED, HAIKU, LLAMA, NOVA, check


class Summary(BaseModel):
    """What a call was about."""

    reason: str
    amount: int
    is_resolved: bool


def read(message):
    """Return the text of a message, whose content is a text or a list of blocks."""
    content = message.content
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


for model_id in (HAIKU, NOVA, LLAMA):
    chat = ChatBedrockConverse(model=model_id)
    name = model_id.split(".")[1]

    @check(f"`ChatBedrockConverse.invoke`, {name}")
    def _(chat=chat):
        message = chat.invoke(ASKED)
        return ANSWER in read(message) and message.usage_metadata["output_tokens"] > 0

    @check(f"`ChatBedrockConverse.stream`, {name}")
    def _(chat=chat):
        return ANSWER in "".join(read(chunk) for chunk in chat.stream(ASKED))


@check("`with_structured_output`, Claude and Nova")
def _():
    found = [ChatBedrockConverse(model=each).with_structured_output(Summary).invoke(ASKED) for each in (HAIKU, NOVA)]
    return all(isinstance(each, Summary) for each in found)


@check("`ChatBedrock.invoke` and `stream`, by InvokeModel")
def _():
    chat = ChatBedrock(model=HAIKU)
    streamed = "".join(read(chunk) for chunk in chat.stream(ASKED))
    return ANSWER in read(chat.invoke(ASKED)) and ANSWER in streamed


@check("`batch` of three")
def _():
    return [ANSWER in read(each) for each in ChatBedrockConverse(model=HAIKU).batch([ASKED] * 3)] == [True] * 3


@check("`ainvoke` and `astream`")
async def _():
    chat = ChatBedrockConverse(model=HAIKU)
    streamed = "".join([read(chunk) async for chunk in chat.astream(ASKED)])
    return ANSWER in read(await chat.ainvoke(ASKED)) and ANSWER in streamed


@check("`BedrockEmbeddings`, Titan and Cohere")
def _():
    for model_id in ("amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"):
        embeddings = BedrockEmbeddings(model_id=model_id)
        one, same, other = embeddings.embed_documents(
            ["I want a refund", "a refund is what I want", "The line is down"]
        )
        near, far = (sum(a * b for a, b in zip(one, each, strict=True)) for each in (same, other))
        if near <= far:
            return False
    return len(embeddings.embed_query("refund")) == len(one)
