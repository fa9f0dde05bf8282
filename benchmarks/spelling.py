"""Spell the digits of a call out, as a transcript of speech may have them."""

import re

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
IRREGULAR |= {"twelve": "twelfth"}
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
# In this order, since an amount has digits that would be a number otherwise.
DATE = re.compile(rf"\b({MONTHS}) ([0-9]{{1,2}})(?:st|nd|rd|th)?\b(?!\d|[.:,]\d)", re.IGNORECASE)
AMOUNT = re.compile(r"\$([0-9][0-9,]*)(?:\.([0-9]{2}))?(?![0-9kKmM])")
TIME = re.compile(r"\b([0-9]{1,2}):([0-9]{2})\b(?! ?[/:]|:)")
PERCENT = re.compile(r"(?<![0-9.,-])([0-9]{1,3}) ?%")
RANGE = re.compile(r"((?:st|nd|rd|th))-(?=[0-9])")
ORDINAL = re.compile(r"\b([0-9]{1,2}) ?(?:st|nd|rd|th)\b")
PHONE = "[0-9]{3}-[0-9]{4}|[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}|[0-9]{4}(?: [0-9]{4}){2,3}"
CODE = re.compile(rf"(?<![\w.,$-])(?:[0-9]{{5,}}|{PHONE})(?![\w-]|[.,][0-9])")
NUMBER = re.compile(r"(?<![\w.,$/:-])([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,4})(?:\.([0-9]{1,2}))?(?![\w/:%-]|[.,][0-9])")


def spell(number):
    """Spell a whole number below a billion."""
    for size, name in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return f"{spell(number // size)} {name}" + (f" {spell(rest)}" if rest else "")
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")


def spell_ordinal(number):
    """Spell an ordinal number below a hundred."""
    head, dash, last = spell(number).rpartition("-")
    ending = IRREGULAR.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return head + dash + ending


def spell_digits(text):
    """Spell digits one by one."""
    return " ".join(ONES[int(digit)] for digit in text if digit.isdigit())


def spell_amount(match, rng):
    """Spell an amount with its units, or as two numbers side by side."""
    whole, cents = int(match[1].replace(",", "")), int(match[2] or 0)
    if not cents:
        return f"{spell(whole)} dollars"
    if cents >= 10 and whole < 100 and rng.random() < 0.5:
        return f"{spell(whole)} {spell(cents)}"
    return f"{spell(whole)} dollars and {spell(cents)} cents"


def spell_time(match):
    """Spell a time of day."""
    hour, minute = int(match[1]), int(match[2])
    if not minute:
        return f"{spell(hour)} o'clock" if hour < 13 else f"{spell(hour)} hundred"
    return f"{spell(hour)} {'oh ' if minute < 10 else ''}{spell(minute)}"


def spell_number(match):
    """Spell a number; a year as it is said."""
    whole, fraction = int(match[1].replace(",", "")), match[2]
    if fraction:
        return f"{spell(whole)} point {spell_digits(fraction)}"
    if len(match[1]) == 4 and 1900 <= whole < 2100 and whole % 100 > 9 and whole // 100 != 20:
        return f"{spell(whole // 100)} {spell(whole % 100)}"
    if len(match[1]) > 1 and match[1][0] == "0":
        return spell_digits(match[1])
    return spell(whole)


def spell_out(text, rng):
    """Spell all digits of a text that are spoken as numbers; what is written otherwise (06/05, 4K) stays."""
    text = DATE.sub(lambda match: f"{match[1]} {spell_ordinal(int(match[2]))}", text)
    text = AMOUNT.sub(lambda match: spell_amount(match, rng), text)
    text = TIME.sub(spell_time, text)
    text = PERCENT.sub(lambda match: f"{spell(int(match[1]))} percent", text)
    text = RANGE.sub(r"\1 to ", text)
    text = ORDINAL.sub(lambda match: spell_ordinal(int(match[1])), text)
    text = CODE.sub(lambda match: spell_digits(match[0]), text)
    return NUMBER.sub(spell_number, text)
