"""strands: agents, which stream unless told otherwise, with a tool and with a type."""

from pydantic import BaseModel
from strands import Agent, tool
from strands.models import BedrockModel
from trying import ANSWER, ASKED, HAIKU, NOVA, check


class Summary(BaseModel):
    """What a call was about."""

    reason: str
    amount: int


@tool
def find_balance(customer: str) -> int:
    """Find what a customer has paid.

    Args:
        customer: The name of the customer.
    """
    return len(customer)


for model_id in (HAIKU, NOVA):
    for is_streamed in (True, False):

        @check(f"`Agent`, {'streams' if is_streamed else 'no streams'}, {model_id.split('.')[1]}")
        def _(model_id=model_id, is_streamed=is_streamed):
            model = BedrockModel(model_id=model_id, streaming=is_streamed)
            return ANSWER in str(Agent(model=model, callback_handler=None)(ASKED))


@check("an agent that has a tool, and is not made to call it")
def _():
    return ANSWER in str(Agent(model=BedrockModel(model_id=HAIKU), tools=[find_balance], callback_handler=None)(ASKED))


@check("`structured_output_model`")
def _():
    agent = Agent(model=BedrockModel(model_id=HAIKU), callback_handler=None)
    return isinstance(agent(ASKED, structured_output_model=Summary).structured_output, Summary)
