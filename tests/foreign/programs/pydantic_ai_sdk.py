"""pydantic-ai: agents that answer with text, with a type, and with a tool, streamed and not."""

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.bedrock import BedrockConverseModel
from trying import ANSWER, ASKED, HAIKU, NOVA, check


class Summary(BaseModel):
    """What a call was about."""

    reason: str
    amount: int


for model_id in (HAIKU, NOVA):
    model = BedrockConverseModel(model_id)
    name = model_id.split(".")[1]

    @check(f"`Agent.run_sync`, {name}")
    def _(model=model):
        found = Agent(model).run_sync(ASKED)
        return ANSWER in found.output

    @check(f"`Agent(output_type=...)`, {name}")
    def _(model=model):
        return isinstance(Agent(model, output_type=Summary).run_sync(ASKED).output, Summary)

    @check(f"`Agent.run_stream`, {name}")
    async def _(model=model):
        async with Agent(model).run_stream(ASKED) as found:
            return ANSWER in await found.get_output()


@check("an agent that has a tool, and is not made to call it")
def _():
    agent = Agent(BedrockConverseModel(HAIKU))

    @agent.tool_plain
    def find_balance(customer: str) -> int:
        """Find what a customer has paid."""
        return len(customer)

    return ANSWER in agent.run_sync(ASKED).output
