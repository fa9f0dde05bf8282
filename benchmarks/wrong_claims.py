"""Put one error into a text: another digit, amount, day, weekday, code or name."""

import re

from spelling import MONTHS, ONES, TENS, spell

WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
NAMES = [
    "Alistair",
    "Bertrand",
    "Clementine",
    "Dagmar",
    "Eustace",
    "Fenella",
    "Gottfried",
    "Hortense",
    "Ignatius",
    "Jocasta",
    "Wolverton",
]


def change_digit(text, rng):
    """Change one digit; the first not to 0."""
    places = [place for place, letter in enumerate(text) if letter.isdigit()]
    place = rng.choice(places)
    others = [digit for digit in ("123456789" if place == places[0] else "0123456789") if digit != text[place]]
    return text[:place] + rng.choice(others) + text[place + 1 :]


def swap_digits(text, rng):
    """Swap two digits that stand side by side and differ."""
    pairs = [
        match.start() for match in re.finditer(r"(?=[0-9]{2})", text) if text[match.start()] != text[match.start() + 1]
    ]
    pairs = [place for place in pairs if not (text[place + 1] == "0" and not text[:place].strip("$£€ "))]
    if not pairs:
        return text
    place = rng.choice(pairs)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def replace_number(text, change):
    """Replace the first whole number."""
    return re.sub(r"[0-9][0-9,]*", lambda match: f"{max(0, change(int(match[0].replace(',', '')))):,}", text, count=1)


def add_one(text, rng):
    """Count one more or less."""
    return replace_number(text, lambda number: number + rng.choice([-1, 1]))


def multiply(text, _):
    """Append a zero."""
    return replace_number(text, lambda number: number * 10)


def choose_number(text, rng):
    """Replace a number by another of about its size."""
    return replace_number(text, lambda number: rng.randint(max(2, number // 3), number * 3 + 10))


def change_day(text, rng):
    """Replace the day of a month."""
    if re.search(r"[0-9]", text):
        return re.sub(r"\b[0-9]{1,2}(?=st|nd|rd|th|\b)", lambda _: str(rng.randint(1, 28)), text, count=1)
    return text


def change_word(words):
    """Return a function that replaces one of some words by another."""

    def change(text, rng):
        return re.sub(rf"\b(?:{'|'.join(words)})\b", lambda _: rng.choice(words), text, count=1, flags=re.IGNORECASE)

    return change


def change_name(text, rng):
    """Replace the last word of a name."""
    return " ".join([*text.split(" ")[:-1], rng.choice(NAMES)])


def change_number_word(text, rng):
    """Replace a number in words."""
    words = "|".join([*ONES[2:], *TENS])
    return re.sub(rf"\b(?:{words})\b(?:-\w+)?", lambda _: spell(rng.randint(2, 99)), text, count=1, flags=re.IGNORECASE)


NUMBERS = {"digit": change_digit, "±1": add_one, "x 10": multiply, "swap": swap_digits, "other number": choose_number}
CHANGES = {
    "amount": NUMBERS,
    "number": NUMBERS,
    "percent": NUMBERS,
    "code": {"digit": change_digit, "swap": swap_digits},
    "time": {"digit": change_digit},
    "date": {"day": change_day, "month": change_word(MONTHS.split("|")), "weekday": change_word(WEEKDAYS)},
    "name": {"name": change_name},
}


def make_error(kind, mention, rng):
    """Return a changed mention and the name of the change; None where none of them changes anything."""
    changes = CHANGES[kind] if kind == "name" or re.search("[0-9]", mention) else {"number word": change_number_word}
    if kind == "date":
        changes = CHANGES[kind]
    for name in rng.sample(sorted(changes), len(changes)):
        changed = changes[name](mention, rng)
        if changed.lower() != mention.lower():
            return changed, name
    return None
