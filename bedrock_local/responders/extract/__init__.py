"""What the emulator answers when no real model stands behind it: an extractive stand-in.

`extract` makes up nothing. It finds the call in the prompt, picks the sentences that matter, puts them in the
third person where they are English, and writes them in the form the prompt asks for. It reads, it does not
understand: judge prompts by a real model, and everything around them by this one.
"""

from __future__ import annotations

from bedrock_local.inference import Question, Reply, end_reply
from bedrock_local.responders.extract.formatting import write_answer
from bedrock_local.responders.extract.instructions import read_wishes
from bedrock_local.responders.extract.scoring import weigh
from bedrock_local.responders.extract.transcript import find_transcript, split_sentences


def extract(question: Question) -> Reply:
    """Answer with sentences of the call itself, in the form that the prompt asks for.

    Obeyed: a number of sentences, words, bullets or numbered items, a plain paragraph, headings, JSON with quoted or
    named keys. The same question always gets the same answer, in time that grows with its length and no faster.
    """
    instructions, transcript = find_transcript(question.text)
    wishes = read_wishes(f"{question.system}\n{instructions}")
    text = write_answer(wishes, weigh(split_sentences(transcript), wishes.focus, wishes.seed))
    return end_reply(question, text)


# Whoever works on a job asks it in turn, without threads.
extract.is_quick = True  # type: ignore[attr-defined]
