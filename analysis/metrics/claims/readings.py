"""Readings: what a mention says, and what a call must say to support it.

Both are keys, short texts that can be looked up in a set:
`45` (the number, whatever follows), `45 dollar` (with its unit), `45 ` (without one), `d6-5` (5 June), `day5`,
`m6` (June), `w1` (Monday), `t6:30` (half past six), `t6:30p` (in the afternoon), `t6:30?` (half of the day not said),
`cKR72MP` (a code).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analysis.metrics.claims.calendar import read_date, read_month, read_time, read_weekday
from analysis.metrics.claims.mentions import WORKDAYS, name_kind
from analysis.metrics.claims.numerals import combine, divide_by_100, multiply, read_digits, read_words, simplify
from analysis.metrics.claims.vocabulary import MONEY, SCALES, SHORT_SCALES, SIGNS, UNIT_NAMES

Part = tuple[str, ...]  # one of these keys is enough
Option = tuple[Part, ...]  # each of these parts is needed
LEAST_COUNT = 10  # "two problems" counts what the call has, and the call need not say the number
LEAST_CODE = 4  # characters
LONGEST = 400  # characters of a mention that are read
HALF = " and a half"
MONTH_OF_YEAR = re.compile("([0-9]{1,2})/([0-9]{4})")
ALWAYS = "24/7"  # says no date
YEARS = range(1900, 2100)
NAMES = "|".join(sorted([*UNIT_NAMES, "per cent"], key=len, reverse=True))
QUANTITY = re.compile(
    rf"(?P<number>.+?)[\s-]?{WORKDAYS}(?P<unit>%|€|{NAMES})(?: (?:and )?(?P<cents>.+) cents?)?",
    re.DOTALL,
)
DIGITS = re.compile(
    r"(?:us)?(?P<sign>[$€£]?)\s?(?P<number>[0-9][0-9.,]*)"
    rf"\s?(?P<scale>{'|'.join([*SHORT_SCALES, *SCALES])})?(?:st|nd|rd|th)?"
)
DIGIT_RANGE = re.compile(r"(?P<low>[0-9][0-9.,]*) ?(?:[-\u2013]|to|or|bis|à) ?(?P<high>.+)")
WORD_RANGE = re.compile(r"(?P<low>.+?) (?:to|or|bis|à) (?P<high>.+)")


class Reading(NamedTuple):
    """What a mention says.

    Attributes
    ----------
    kind
        `amount`, `number`, `percent`, `date`, `time` or `code`.
    keys
        What a text that has the mention supports.
    options
        What a call must say to support the mention; none where it is no claim, such as a small count.
    digits
        All its digits, for codes that are divided otherwise elsewhere.
    value
        The likeliest value, as a text.
    unit
        The common name of the unit, or nothing.
    """

    kind: str
    keys: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    digits: str = ""
    value: str = ""
    unit: str = ""


def read_mention(mention: str) -> Reading:
    """Read a mention in small letters, as `list_mentions` gives it."""
    match name_kind(mention[:LONGEST]):
        case "date":
            return read_date_mention(mention)
        case "time":
            return read_time_mention(mention)
        case "day":
            return read_day_mention(mention)
        case "range":
            return read_range(mention)
        case "number" | "money" | "words":
            return read_quantity(mention[:LONGEST])
        case "item":  # the number of a line of a list is no claim
            return read_quantity(mention.strip(" \t.)"))._replace(options=())
        case "groups":
            return read_groups(mention)
        case _:
            return read_code(mention)


def read_date_mention(mention: str) -> Reading:
    """Read a day of a month."""
    if of_year := MONTH_OF_YEAR.fullmatch(mention):
        return read_month_of_year(f"m{int(of_year[1])}", of_year[2])
    dates = read_date(mention)
    if not dates or mention == ALWAYS:
        return read_no_such("date", mention)
    keys: list[str] = []
    for month, day, year in dates:
        keys += (f"d{month}-{day}", f"m{month}", f"day{day}", str(day), *((year, f"{year} ") if year else ()))
    options: list[Option] = [((f"d{month}-{day}",), *(((year,),) if year else ())) for month, day, year in dates]
    numbers = re.findall("[0-9]+", mention)
    if "/" in mention and len(numbers) == 2:
        options.append(tuple((simplify(number),) for number in numbers))  # 8/10 is a share as well
    return Reading("date", tuple(keys), tuple(options), "".join(numbers), options[0][0][0])


def read_month_of_year(month: str, year: str) -> Reading:
    """Read a month with its year: 06/2021."""
    return Reading("date", (month, year, f"{year} "), (((month,), (year,)),), year, month)


def read_time_mention(mention: str) -> Reading:
    """Read a time of day."""
    time = read_time(mention)
    if time is None:
        return read_no_such("time", mention)
    hour, minute, half = time
    name = f"t{hour}:{minute:02d}"
    part = (name,) if half == "?" else (f"{name}{half}", f"{name}?")
    return Reading("time", (name, f"{name}{half}", str(hour)), ((part,),), value=name)


def read_no_such(kind: str, mention: str) -> Reading:
    """Read a day or time that there is not, such as 51 pm: only a call with the same words supports it."""
    groups = read_groups(mention)
    options = () if mention == ALWAYS else (((mention,),),)
    return groups._replace(kind=kind, keys=(*groups.keys, mention), options=options)


def read_day_mention(mention: str) -> Reading:
    """Read a month or a weekday that stands alone."""
    month = read_month(mention)
    key = f"m{month}" if month else f"w{read_weekday(mention)}"
    return Reading("date", (key,), (((key,),),), value=key)


def read_code(mention: str) -> Reading:
    """Read letters and digits that belong together, whatever parts them."""
    code = "".join(filter(str.isalnum, mention)).upper()
    numbers = [simplify(code)] if code.isdigit() else [simplify(number) for number in re.findall("[0-9]+", mention)]
    keys = [f"c{code}"]
    if code.isdigit():
        keys += [*numbers, *(f"{number} " for number in numbers)]
    elif " " not in mention:
        keys += numbers
    # Letters alone are a name that is spelled.
    options = (((f"c{code}",),),) if len(code) >= LEAST_CODE and numbers else ()
    return Reading("code", tuple(keys), options, "".join(filter(str.isdigit, code)), code)


def read_groups(mention: str) -> Reading:
    """Read groups of digits: a phone number, or numbers that stand side by side."""
    groups = re.findall("[0-9]+", mention)
    digits = "".join(groups)
    each = [simplify(group) for group in groups]
    keys = (f"c{digits}", simplify(digits), *each, *(f"{number} " for number in each), *list_times(groups))
    joined: list[Option] = [((f"c{digits}",),)] if len(digits) >= LEAST_CODE else []
    apart: list[Option] = [tuple((number,) for number in each)] if len(groups) > 1 else []
    return Reading("code", keys, (*joined, *apart), digits, digits)


def read_range(mention: str) -> Reading:
    """Read two numbers with one unit: `3 to 5 days`."""
    ends = (DIGIT_RANGE if mention[0].isdigit() else WORD_RANGE).fullmatch(mention)
    quantity = QUANTITY.fullmatch(ends["high"]) if ends else None
    if not ends or not quantity:
        return read_groups(mention)
    low, high = read_quantity(f"{ends['low']} {quantity['unit']}"), read_quantity(ends["high"])
    options = [(*one, *other) for one in low.options or [()] for other in high.options or [()]]
    keys = (*low.keys, f"{low.value} ", *high.keys)
    return high._replace(keys=keys, options=tuple(filter(None, options)), digits=low.digits + high.digits)


def read_quantity(mention: str) -> Reading:
    """Read a number in digits or words, with its unit where one follows."""
    quantity = QUANTITY.fullmatch(mention)
    number, unit = (quantity["number"], name_unit(quantity["unit"])) if quantity else (mention, "")
    if number.endswith(HALF):
        return read_half(number.removesuffix(HALF), unit)
    digits = DIGITS.fullmatch(number)
    if digits:
        unit = SIGNS.get(digits["sign"], unit)
    values, groups = list_values(digits["number"], digits["scale"]) if digits else list_word_values(number)
    if not values:
        return Reading("number")
    written = digits["number"] if digits else "".join(groups)
    if quantity and quantity["cents"] and (cents := read_quantity(quantity["cents"]).value):
        values = [add_cents(value, cents) for value in values]
        groups = values[:1]
    return build_quantity(values, groups, unit, written)


def read_half(number: str, unit: str) -> Reading:
    """Read a number and a half."""
    whole = read_quantity(number).value
    values = [f"{whole}.5"] if whole.isdigit() else [whole]
    return build_quantity(values, values, unit, values[0])


def list_values(digits: str, scale: str | None) -> tuple[list[str], list[str]]:
    """List the values that digits can have, and the one group that they are: `1.5` and `k` are 1500 or 1.5."""
    values = read_digits(digits.rstrip(".,"))
    return ([multiply(values[0], scale), *values] if scale else values), values[:1]


def list_word_values(words: str) -> tuple[list[str], list[str]]:
    """List the values that number words can have together, and the groups of digits that they are."""
    groups = read_words(words)
    values = [simplify(groups[0])] if len(groups) == 1 else list(combine(groups))
    return values or groups[:1], groups


def build_quantity(values: Sequence[str], groups: Sequence[str], unit: str, written: str) -> Reading:
    """Build the reading of a number that can have several values, or be several numbers."""
    keys = [key for value in (*values, *(groups if len(groups) > 1 else ())) for key in (value, f"{value} {unit}")]
    keys += [f"{group} " for group in groups if len(groups) > 1]
    if unit == "cent":
        for part in map(divide_by_100, values):
            keys += [part, f"{part} dollar", f"{part} euro"]
    if not unit:
        keys += list_times(groups if len(groups) > 1 else values[:1])
        keys += [f"day{value}" for value in values if len(value) < 3]
    digits = "".join(filter(str.isdigit, written))
    if len(digits) >= LEAST_CODE:
        keys.append(f"c{digits}")
    kind = classify(unit, written, values[0], groups)
    return Reading(kind, tuple(dict.fromkeys(keys)), list_options(values, groups, unit, kind), digits, values[0], unit)


def list_options(values: Sequence[str], groups: Sequence[str], unit: str, kind: str) -> tuple[Option, ...]:
    """List what supports a number: one of its values with this unit or none, or each number of a row of numbers."""
    if len(groups) == 1 and is_trivial(values[0], unit):
        return ()
    if unit:
        together: list[Option] = [((f"{value} {unit}", f"{value} "),) for value in values]
    else:
        together = [((value, f"c{value}") if kind == "code" else (value,),) for value in values]
    apart: list[Option] = [tuple((group,) for group in groups)] if len(groups) > 1 else []
    return (*together, *apart)


def is_trivial(value: str, unit: str) -> bool:
    """Return whether a number says nothing to be checked: a small count, or "one day"."""
    if "." in value:
        return False
    return int(value) == 1 if unit else int(value) < LEAST_COUNT


def classify(unit: str, written: str, value: str, groups: Sequence[str]) -> str:
    """Name the kind of a number: long ones without a unit or separators are codes, but for years."""
    if unit in MONEY:
        return "amount"
    if unit == "percent":
        return "percent"
    if unit or not written.isdigit() or len(written) < LEAST_CODE:
        return "number"
    if len(groups) == 1:
        return "number" if written[0] != "0" and int(value) in YEARS else "code"
    return "code" if len(written) > LEAST_CODE or all(len(group) == 1 for group in groups) else "number"


def name_unit(text: str) -> str:
    """Return the common name of a unit."""
    return SIGNS.get(text) or UNIT_NAMES.get(text, "percent")


def add_cents(whole: str, cents: str) -> str:
    """Add cents to an amount."""
    return simplify(f"{whole}.{cents.zfill(2)}") if whole.isdigit() and len(cents) < 3 else whole


def list_times(groups: Sequence[str]) -> Iterator[str]:
    """Yield the times of day that bare numbers can stand for: `6`, `9` and `30`, `930`."""
    text = "".join(groups)
    if not text.isdigit() or len(text) > 4:
        return
    size = len(groups[0]) if len(groups) > 1 or len(text) < 3 else len(text) - 2
    hour, minute = text[:size], text[size:]
    if 1 <= int(hour) <= 24 and int(minute or 0) < 60:
        name = f"t{(int(hour) - 1) % 12 + 1}:{int(minute or 0):02d}"
        yield from (name, f"{name}?")
