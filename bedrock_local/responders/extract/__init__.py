"""The default responder: an extractive summarizer in place of a model.

`extract` invents nothing. It finds the call in the prompt, picks the sentences that matter, rewrites English ones in
the third person, and writes them in the format that the prompt asks for. It does not understand the call: judge prompts
by a real model, and everything around them by this one.
"""

from __future__ import annotations

from dataclasses import replace

from bedrock_local.inference import Question, Reply, make_reply
from bedrock_local.responders.extract.formatting import write_answer
from bedrock_local.responders.extract.instructions import read_instructions
from bedrock_local.responders.extract.json_schema import make_skeleton
from bedrock_local.responders.extract.scoring import score_call
from bedrock_local.responders.extract.transcript import find_transcript


def extract(question: Question) -> Reply:
    """Answer with sentences of the call itself, in the format that the prompt asks for.

    It follows a number of sentences, words, bullets or numbered items, a plain paragraph, headings, JSON with quoted or
    named keys, and a JSON Schema in the request or in the text. The same question always gets the same answer, in time
    that is linear in its length.
    """
    around, transcript = find_transcript(question.text)
    instructions = read_instructions(f"{question.system}\n{around}")
    if question.schema is not None:
        keys = make_skeleton(question.schema, question.schema)
        instructions = replace(instructions, form="json", keys=keys)
    call = score_call(transcript, instructions.focus, instructions.seed)
    return make_reply(question, write_answer(instructions, call))


# Pure Python gains nothing from threads, so a job calls it directly, one question after the other.
extract.is_quick = True  # type: ignore[attr-defined]
