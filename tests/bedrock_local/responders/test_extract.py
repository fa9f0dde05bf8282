import json
import re
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

from analysis.prompts import read_prompts, render
from analysis.synthetic import make_calls
from analysis.synthetic.phrases import read_phrases
from bedrock_local.inference import Question, count_tokens
from bedrock_local.responders.extract import extract
from bedrock_local.responders.extract.lexicon import COMMON
from bedrock_local.responders.extract.scoring import measure_call
from bedrock_local.responders.extract.transcript import split_sentences

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
CALL = """\
Agent: Thank you for calling, how can I help you today?
Customer: Hi, I was charged $45 twice on my June bill and I want a refund.
Agent: Let me check. I see two payments of $45 on June 3rd.
Customer: Yes, this is really frustrating.
Agent: I've refunded the second payment of $45 to your card.
Agent: You will receive the money within five days.
Customer: Perfect, that solves it.
Agent: I will also send you an email tomorrow to confirm the refund.
Customer: Thank you, goodbye."""
HEADINGS = "Use these headings:\n\nReason:\nActions:\nOutcome:\nFollow-up:"


def ask(text, *, system="", max_tokens=1000, stop_sequences=()):
    return extract(Question("model", system, text, max_tokens, stop_sequences))


def sentences_of(text):
    return [part for part in text.replace("? ", ". ").replace("! ", ". ").split(". ") if part]


@pytest.mark.parametrize(
    ("instruction", "count"),
    [("in 2 sentences", 2), ("in one sentence", 1), ("in three short sentences", 3), ("2-3 sentences", 3)],
)
def test_a_number_of_sentences_is_kept(instruction, count):
    assert len(sentences_of(ask(f"Summarise the call {instruction}.\n\n{CALL}").text)) == count


def test_instructions_in_the_system_text_are_followed():
    assert len(sentences_of(ask(CALL, system="Answer in two sentences.").text)) == 2


@pytest.mark.parametrize("words", [1, 5, 12, 20, 60])
def test_a_limit_of_words_is_kept(words):
    assert 1 <= len(ask(f"Summarise in at most {words} words.\n\n{CALL}").text.split()) <= words


def test_a_number_of_bullets_is_kept():
    lines = ask(f"Give three bullet points.\n\n{CALL}").text.split("\n")
    assert [line[:2] for line in lines] == ["- ", "- ", "- "]


@pytest.mark.parametrize(("instruction", "count"), [("a numbered list of three items", 3), ("a numbered list", 4)])
def test_a_numbered_list_is_numbered(instruction, count):
    lines = ask(f"Give {instruction}.\n\n{CALL}").text.split("\n")
    assert [line.split(" ")[0] for line in lines] == ["1.", "2.", "3.", "4."][:count]


def test_headings_are_written_as_in_the_prompt_and_in_its_order():
    lines = ask(f"{HEADINGS}\n\n<transcript>\n{CALL}\n</transcript>").text.split("\n")
    assert [line.split(":")[0] for line in lines] == ["Reason", "Actions", "Outcome", "Follow-up"]


def test_the_outcome_of_a_call_that_breaks_off_is_that():
    call = f"{CALL}\nAgent: And now let me--\nCustomer: Hello?\nAgent: It seems that the line has dropped."
    assert "Outcome: It seems that the line has dropped." in ask(f"{HEADINGS}\n\n{call}").text


def test_further_sentences_under_a_heading_need_a_high_score():
    call = (
        "Customer: I want a refund for the broken lamp that I ordered.\nAgent: Sure.\nCustomer: My neighbor called too."
    )
    reason = ask(f"{HEADINGS}\nOne to three sentences under each.\n\n{call}").text.split("\n")[0]
    assert reason == "Reason: The customer wants a refund for the broken lamp that they ordered."


def test_each_heading_gets_sentences_on_its_topic():
    reason, actions, outcome, follow_up = ask(f"{HEADINGS}\n\n{CALL}").text.split("\n")
    assert "charged $45 twice" in reason
    assert "refunded the second payment of $45" in actions + outcome
    assert "within five days" in follow_up or "tomorrow" in follow_up


@pytest.mark.parametrize("written", ["## Reason\n## Outcome", "**Reason**\n**Outcome**", "Reason: why\nOutcome: how"])
def test_markdown_and_explained_headings_are_recognized(written):
    text = ask(f"Write:\n{written}\n\n{CALL}").text
    assert all(line.split(" why")[0].split(" how")[0] in text for line in written.split("\n"))


def test_headings_may_be_listed_in_a_sentence():
    text = ask(f"Write under the headings Reason, Actions and Outcome.\n\n{CALL}").text
    assert [line.split(":")[0] for line in text.split("\n")] == ["Reason", "Actions", "Outcome"]


def test_markdown_headings_may_be_listed_in_a_sentence():
    lines = ask(f"Use Markdown with the sections ## Summary and ## Next steps.\n\n{CALL}").text.split("\n")
    assert [line for line in lines if line.startswith("#")] == ["## Summary", "## Next steps"]


def test_quoted_names_are_keys_without_the_word_keys():
    answer = json.loads(ask(f'Answer with JSON: an object with "summary" (short) and "mood".\n\n{CALL}').text)
    assert list(answer) == ["summary", "mood"]


def test_named_keys_give_valid_json_with_lists_where_asked():
    answer = json.loads(ask(f"Answer with JSON with the keys reason, actions (a list) and resolved.\n\n{CALL}").text)
    assert list(answer) == ["reason", "actions", "resolved"]
    assert isinstance(answer["actions"], list)
    assert answer["resolved"] is True


def test_a_printed_skeleton_is_filled_with_values_of_its_types():
    skeleton = (
        '{"reason": "string", "amounts": [], "sentiment": "positive|neutral|negative", "score": 1, "more": {"a": ""}}'
    )
    answer = json.loads(ask(f"Answer with this JSON:\n{skeleton}\n\n{CALL}").text)
    assert answer["amounts"] == ["$45"]
    assert answer["sentiment"] in {"positive", "neutral", "negative"}
    assert isinstance(answer["score"], int)
    assert isinstance(answer["more"]["a"], str)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("I've refunded the second payment to you.", "Resolved: The agent has refunded the second payment to"),
        (
            "It's waiting for approval, I can't finish this today.",
            "Pending: It's waiting for approval, the agent can't",
        ),
        ("Unfortunately the refund of $45 was declined.", "Unresolved: Unfortunately the refund of $45 was declined."),
        ("Which lamp do you mean when you say that?", "Not mentioned."),
    ],
)
def test_an_outcome_begins_with_the_resolution_where_that_is_requested(said, outcome):
    skeleton = '{"reason": "", "outcome": "resolved, unresolved or pending, and why, one sentence"}'
    call = f"Customer: I was charged twice for the lamp.\nAgent: {said}"
    assert json.loads(ask(f"JSON:\n{skeleton}\n\n{call}").text)["outcome"].startswith(outcome)


def test_actions_are_in_their_list_before_the_follow_up():
    said = "I have ordered your replacement card and you should receive it within five days."
    call = f"Customer: I lost my debit card.\nAgent: {said}"
    answer = json.loads(ask(f'JSON:\n{{"actions": [""], "follow_up": "a promise, or null"}}\n\n{call}').text)
    assert (len(answer["actions"]), answer["follow_up"]) == (1, None)


def test_amounts_end_where_their_digits_do():
    call = "Customer: I paid $50, then $1,940.89, and $50 again, for 20% off."
    assert json.loads(ask(f'JSON: {{"amounts": []}}\n\n{call}').text)["amounts"] == ["$50", "$1,940.89", "20%"]


def test_the_keys_of_an_invalid_skeleton_are_read():
    answer = json.loads(ask('JSON: {"reason": "...", "resolved": true or false, "actions": [...]}\n\n' + CALL).text)
    assert list(answer) == ["reason", "resolved", "actions"]


def test_a_text_is_cut_at_max_tokens_with_stop_length():
    reply = ask(f"Summarise.\n\n{CALL}", max_tokens=3)
    assert (reply.stop, reply.output_tokens, len(reply.text)) == ("length", 3, 12)


def test_an_answer_ends_before_a_stop_sequence():
    reply = ask(f"{HEADINGS}\n\n{CALL}", stop_sequences=("", "\nOutcome", "nowhere"))
    assert (reply.stop, reply.stop_sequence) == ("stop_sequence", "\nOutcome")
    assert "Outcome" not in reply.text
    assert "Actions:" in reply.text


def test_a_stop_sequence_beyond_max_tokens_is_never_reached():
    reply = ask(f"{HEADINGS}\n\n{CALL}", max_tokens=2, stop_sequences=("Outcome",))
    assert (reply.stop, reply.stop_sequence) == ("length", None)


def test_four_bytes_are_a_token():
    assert [count_tokens(text) for text in ("", "a", "four", "fives", "\u0645\u0631", "\u4e2d\u6587")] == [
        0,
        1,
        1,
        2,
        1,
        2,
    ]


def test_system_and_text_are_counted():
    assert ask("Agent: hi", system="12345678").input_tokens == 2 + 3


def test_equal_questions_get_equal_answers_and_other_prompts_others():
    instructions = ["", "in 2 sentences", "three bullet points", HEADINGS, "JSON with the keys reason, outcome"]
    first, second = ([ask(f"{instruction}\n\n{CALL}").text for instruction in instructions] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(instructions)


def test_english_is_rewritten_in_the_third_person():
    text = ask(f"Summarise in 3 sentences.\n\n{CALL}").text
    assert "The customer was charged $45 twice on the customer's June bill" in text.replace("their", "the customer's")
    assert " I " not in text


def test_other_languages_are_quoted():
    call = "Agente: Buenos d\u00edas.\nCliente: Llamo porque mi factura de 45 euros tiene un error.\nAgente: Resuelto."
    assert "mi factura de 45 euros tiene un error" in ask(f"Two sentences.\n\n{call}").text


def test_a_supervisor_and_a_patient_keep_their_names():
    assert (
        "patient has had a cough" in ask("Doctor: Go on.\nPatient: I've had a cough for two weeks and it hurts.").text
    )


@pytest.mark.parametrize(
    "instruction", ["", HEADINGS, "JSON with keys reason, actions", "Two bullet points", "in 5 words"]
)
@pytest.mark.parametrize(
    "call",
    [
        "",
        " \n\n ",
        "bill",
        "Customer: bill",
        "Customer:",
        "Agent: \u0645\u0631\u062d\u0628\u0627. \u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f",
        "Agent: one\u2028two. three\u0085four",
        "Agent: \ud800 lone",
        "{'\"]}{",
        "Customer: *sighs*",
    ],
    ids=["empty", "blank", "word", "turn", "label", "arabic", "separators", "surrogate", "braces", "stage"],
)
def test_odd_calls_are_answered(call, instruction):
    reply = ask(f"{instruction}\n\n{call}", max_tokens=50)
    assert reply.text
    assert reply.output_tokens <= 50


@pytest.mark.parametrize(
    "unit",
    [
        "word ",
        "a",
        "a.\n\n",
        "Agent: I called.\n",
        "one-",
        "1 ",
        "{",
        "*",
        "<call>",
        "Reason:\n",
        '"a": ',
        "I you ",
        "hi, ",
        "I, ",
        "um ",
        "A. ",
        '." ',
        "let me ",
        "$",
        "like, like ",
        "Agent: you do you have you are you\n",
    ],
)
def test_a_megabyte_is_answered(unit):
    # A pattern that goes back for every start would take hours.
    text = unit * (1_000_000 // len(unit))
    replies = [ask(f"{HEADINGS}\n\n{text}"), ask(f"JSON, please.\n\n{CALL}", system=text)]
    assert {reply.stop for reply in replies} <= {"end", "length"}


@pytest.mark.skipif(not SHARED.exists(), reason="the shared calls are not here")
def test_real_calls_get_a_summary_within_its_words():
    for path in sorted((SHARED / "text").glob("*.txt")):
        reply = ask(f"Summarise in at most 80 words.\n\n{path.read_text(encoding='utf-8')}")
        assert reply.stop == "end"
        assert 15 <= len(reply.text.split()) <= 80


def test_a_format_that_is_excluded_is_not_used():
    text = ask(f"Write a plain paragraph. No heading, no list, no bullet points, no opening phrase.\n\n{CALL}").text
    assert "\n" not in text
    assert not text.startswith(("-", "no"))


def test_numbers_read_out_digit_by_digit_are_kept():
    call = "Agent: Go on.\nCustomer: My card ending in four four two two was stolen and I want it blocked."
    assert "four four two two" in ask(f"In one sentence.\n\n{call}").text


def test_a_key_that_may_be_null_is_null_when_nothing_was_said():
    skeleton = '{"reason": "why", "follow_up": "what was promised, or null"}'
    answer = json.loads(ask(f"JSON:\n{skeleton}\n\nCustomer: I want to book a flight.").text)
    assert answer == {"reason": "The customer wants to book a flight.", "follow_up": None}


def retell(sentence, *, by="Customer"):
    """Summarize a call of one sentence."""
    return ask(f"One sentence.\n\n{by}: {sentence}").text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Um, I've, I've lost my, uh, my card on the bus .", "The customer has lost their card on the bus."),
        ("I 've had a fever, and I do n't sleep..", "The customer has had a fever, and they don't sleep."),
        ("You guys charged me twice for the lamp.", "The company charged the customer twice for the lamp."),
        ("We have no water in our kitchen since Monday.", "The customer has no water in their kitchen since Monday."),
        ("My order came , and , you know , it was broken.", "The customer's order came, and it was broken."),
        ("The tracking hasn't moved in days, I think.", "The tracking hasn't moved in days."),
        (
            "I'm moving abroad and need to cancel my line.",
            "The customer is moving abroad and needs to cancel their line.",
        ),
        ("I want to go and get my money back!", "The customer wants to go and get their money back."),
        ("Can I get a refund for the lamp?", "The customer asks whether they can get a refund for the lamp."),
        ("Do you have a room in July?", "The customer asks whether the agent has a room in July."),
        ("Where is my blue lamp from May?", "The customer asks: where is their blue lamp from May?"),
        ("{vocalsound} My order {disfmarker} never arrived, {NAME} told me.", "The customer's order never arrived"),
    ],
)
def test_sentences_of_customers_are_rewritten_without_fillers(said, text):
    assert retell(said).startswith(text)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("I'm sorry, but there is no room left in July.", "There is no room left in July."),
        (
            "I assure you that we value you as a customer here.",
            "The agent assures the customer that the company values",
        ),
        ("I think I may have found my mistake in the bill.", "The agent thinks they may have found their mistake in"),
        ("It says the system won't let me do the refund.", "It says the system won't let the agent do the refund."),
        (
            "Our team looks at the offer you received in May.",
            "The company's team looks at the offer the customer received",
        ),
        ("Your order has the offer you received in May.", "The customer's order has the offer they received in May."),
        (
            "I have to tell you that you can withdraw it.",
            "The agent has to tell the customer that they can withdraw it.",
        ),
        (
            "Let me release you so that you can go home.",
            "The agent will release the customer so that they can go home.",
        ),
    ],
)
def test_sentences_of_agents_are_rewritten_with_agent_company_and_customer(said, text):
    assert retell(said, by="Agent").startswith(text)


@pytest.mark.parametrize(
    "line",
    [
        "Agent: Is there a refund that I have confirmed and sent to you?",
        "Agent: have you sent or confirmed the refund that I have processed",
        "Agent: uh so which refund have you confirmed and completed",
        "Agent: Well, can't we refund the payment that was confirmed",
        "Agent: Thank you for the refund you have confirmed and completed.",
        "Agent: I've confirmed and refunded the second--",
    ],
    ids=["question", "question without its mark", "what", "can't", "thanks", "interrupted"],
)
def test_a_sentence_that_settles_nothing_is_not_the_outcome(line):
    text = ask(f"{HEADINGS}\n\nCustomer: I was charged twice for the lamp.\n{line}").text
    assert "Outcome: Not mentioned." in text


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("Dr. Alexis moved. J. Smith came.", 2),
        ("It is C, A, N. People get it wrong.", 2),
        ('He said "no." I left.', 2),
        ("\u6211\u60f3\u9000\u6b3e\u3002\u4e66\u574f\u4e86\u3002", 2),
        ("It was... strange.  Very.", 3),
    ],
)
def test_sentences_are_split_at_their_ends(said, count):
    assert len(split_sentences(f"Agent: {said}")) == count


def test_an_answer_does_not_depend_on_what_else_was_asked_of_the_call():
    # Many sentences are about equally good, so that each wording picks others of them.
    calls = [
        "\n".join(
            f"Agent: We will replace {thing}a{number} {thing}b{number} {thing}c{number} soon." for number in range(40)
        )
        for thing in ("pipe", "lamp")
    ]
    tasks = [
        "Write two sentences.",
        "Write three bullets.",
        "Write JSON with keys reason, actions (a list).",
        "Summarize.",
    ]
    texts = [f"{task}\n\n{call}" for call in calls for task in tasks]
    in_turn = [ask(text).text for text in texts]
    assert len(set(in_turn)) == len(texts)
    assert [ask(text).text for text in reversed(texts)] == in_turn[::-1]
    measure_call.cache_clear()
    assert [ask(text).text for text in sorted(texts)] == [
        answer for _, answer in sorted(zip(texts, in_turn, strict=True))
    ]


def test_the_reason_is_the_first_thing_a_customer_wants():
    asides = "Customer: My wife called last week.\nCustomer: I paid $45 at the store and never got a receipt.\n"
    call = f"Agent: Hello.\nCustomer: Hi, the roof of my house fell in.\n{asides}"
    assert ask(f"{HEADINGS}\n\n{call}").text.startswith("Reason: The roof of the customer's house fell in.")


@pytest.mark.parametrize(
    "aside",
    [
        "My date of birth is the fourth of October nineteen eighty four.",
        "It's number one, London Street.",
        "My name is Sarah Smith, hello.",
        "Thank you for taking my call about this.",
    ],
    ids=["birth", "address", "name", "thanks"],
)
def test_names_and_numbers_are_not_the_reason(aside):
    text = ask(f"{HEADINGS}\n\nAgent: Hello.\nCustomer: {aside}\nCustomer: The roof of my house fell in.").text
    assert text.startswith("Reason: The roof of the customer's house fell in.")


def test_the_reason_is_a_sentence_of_the_customer():
    call = "Witness: I called because I want a refund of $45.\nCustomer: The roof of my house fell in."
    text = ask(f"{HEADINGS}\n\n<call>{call}</call>").text
    assert text.startswith("Reason: The roof of the customer's house fell in.")


def test_text_before_the_first_speaker_is_left_out():
    (sentence,) = split_sentences("This is a call about a refund.\n\nAgent: Hello.")
    assert sentence.text == "Hello."


def test_a_label_without_a_colon_is_a_sentence():
    assert [sentence.text for sentence in split_sentences("Agent: Hello.\nAgent")] == ["Hello.", "Agent"]


def test_a_short_call_is_recognized_as_english():
    assert ask("One sentence.\n\nCustomer: I need new cable service connection.").text.startswith("The customer needs")


def test_speech_without_full_stops_is_split_between_its_clauses():
    clause = "so the nurse will take the blood pressure of everybody in that room again "
    assert {sentence.text.strip() for sentence in split_sentences(f"Agent: {clause * 9}")} == {clause.strip()}


def test_a_joined_sentence_begins_in_lower_case_unless_with_a_name():
    call = "Customer: My lamp is broken.\nAgent: {} I refunded the lamp."
    assert "; once it came, the agent refunded" in ask(f"One sentence.\n\n{call.format('Once it came,')}").text
    assert "; Oktank" in ask(f"One sentence.\n\n{call.format('Oktank retell me that')}").text


def has_half(words, text):
    """Return whether a text has at least half of the uncommon words."""
    uncommon = {word for word in re.findall(r"[a-z]{4,}", words.lower()) if word not in COMMON}
    return len([word for word in uncommon if word in text.lower()]) >= len(uncommon) / 2


# The longest part of each closing phrase that is the same in every call.
DONE = {
    about["reason"]: max(re.split(r"\[[^\]]*\]|\{\w+\}", about["fixed"]), key=len)
    for about in read_phrases("english").texts["reasons"]
}
PROMPTS = read_prompts(Path(__file__).parents[3] / "notebooks" / "prompts")
# By outcome, words of which the agent's closing phrase has at least one.
SETTLED = {
    "pending": ("approval", "reference", "back office", "opened a case", "as open", "decision", "case number"),
    "escalated": ("escalat", "authority", "handing this up", "override"),
    "declined": ("n't", "no ", "not "),
    "disconnected": (
        "dropped",
        "connection",
        "ending",
        "call us",
        "call the",
        "gone",
        "have to go",
        "has to go",
        "dying",
    ),
}


def find_facts(call, text):
    """Yield for each fact of a synthetic call whether a text has it."""
    opening = call["transcript"].split("Customer: ")[1].split("\n")[0]
    yield "reason", has_half(split_sentences(opening)[-1].text, text)
    words = SETTLED.get(call["outcome"])
    yield "outcome", any(word in text for word in words) if words else has_half(DONE[call["reason"]], text)
    yield from (("amount", amount.lower() in text.lower()) for amount in call["amounts"])
    yield from (("promise", has_half(promise, text)) for promise in call["promised_actions"])


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.name)
def test_summaries_of_synthetic_calls_have_most_of_their_facts(prompt):
    shares = defaultdict(list)
    for call in make_calls(100).filter(pl.col("language") == "en").iter_rows(named=True):
        text = ask(render(prompt, call), system=prompt.system, max_tokens=prompt.max_tokens).text
        for fact, is_found in find_facts(call, text):
            shares[fact].append(is_found)
    assert {fact: sum(found) >= 0.6 * len(found) for fact, found in shares.items()} == dict.fromkeys(shares, True)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.name)
def test_amounts_and_promises_are_kept_in_other_languages_too(prompt):
    found = []
    for call in make_calls(400).filter(pl.col("language") != "en").iter_rows(named=True):
        text = ask(render(prompt, call), system=prompt.system, max_tokens=prompt.max_tokens).text.lower()
        found += [fact.lower() in text for fact in (*call["amounts"], *call["promised_actions"])]
    assert sum(found) >= 0.8 * len(found)
