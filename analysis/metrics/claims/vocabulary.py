"""Words of four languages for numbers, months, weekdays and units, and the numbers that they stand for."""

from __future__ import annotations


def list_words(text: str) -> list[str]:
    """List the words of a text."""
    return text.split()


def invert(words: dict[int, str]) -> dict[str, int]:
    """Return the number of each word."""
    return {word: number for number, several in words.items() for word in list_words(several)}


ONES = list_words("one two three four five six seven eight nine")
TEENS = list_words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
TENS = list_words("twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = {"hundred": 100, "thousand": 1_000, "grand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
SHORT_SCALES = {"k": 1_000, "m": 1_000_000, "bn": 1_000_000_000}
ORDINALS = list_words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth"
)
ORDINAL_TENS = list_words("twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth")
# German writes a number as one word, so these are its parts.
GERMAN = list_words(
    "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn hundert tausend eins ein zwei zwo drei vier fünf sechs sieben acht neun zehn elf zwölf null"
)
FRENCH = list_words(
    "zéro deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize vingts vingt trente "
    "quarante cinquante soixante septante nonante mille une un"
)
FRENCH_WITHIN = list_words("cents cent et")
# Without "once", which is eleven here and something else in English.
SPANISH = list_words(
    "cero uno una dos tres cuatro cinco seis siete ocho nueve diez doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento doscientos "
    "trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos mil"
)
SPANISH_WITHIN = ["y"]

MONTH_NUMBERS = invert(
    {
        1: "january jan januar janvier enero",
        2: "february feb februar février febrero",
        3: "march mar märz mars marzo",
        4: "april apr avril abril",
        5: "may mai mayo",
        6: "june jun juni juin junio",
        7: "july jul juli juillet julio",
        8: "august aug août agosto",
        9: "september sept sep septembre septiembre",
        10: "october oct oktober octobre octubre",
        11: "november nov novembre noviembre",
        12: "december dec dezember décembre diciembre",
    }
)
# "On the 3. May" would be two sentences in English.
GERMAN_MONTHS = list_words("januar februar märz april mai juni juli august september oktober november dezember")
# Words that are mostly something else where no day stands beside them.
AMBIGUOUS_MONTHS = frozenset(list_words("may march mar jan sept sep jun jul aug oct nov dec feb apr mars mai august"))
WEEKDAY_NUMBERS = invert(
    {
        1: "monday montag lundi lunes",
        2: "tuesday dienstag mardi martes",
        3: "wednesday mittwoch mercredi miércoles",
        4: "thursday donnerstag jeudi jueves",
        5: "friday freitag vendredi viernes",
        6: "saturday samstag samedi sábado",
        7: "sunday sonntag dimanche domingo",
    }
)

UNITS = {
    "dollar": "dollars dollar bucks buck usd",
    "euro": "euros euro eur",
    "pound": "pounds pound gbp quid",
    "cent": "cents cent pence",
    "percent": "percent prozent",
    "second": "seconds secs sec sekunden",
    "minute": "minutes minute mins min minuten minutos minuto",
    "hour": "hours hour hrs hr stunden stunde heures heure horas hora",
    "day": "days day tagen tage tag jours jour días día",
    "week": "weeks week wochen woche semaines semaine semanas semana",
    "month": "months month monaten monate monat mois meses mes",
    "year": "years year yrs yr jahren jahre jahr années ans años año",
    "byte": "gigabytes gigabyte gigs gig megabytes megabyte terabytes gb mb tb kb",
    "speed": "mbps gbps megabits megabit",
    "mile": "miles mile",
    "kilometre": "kilometers kilometres km",
    "kilogram": "kilograms kilos kilo kg",
    "gram": "milligrams milligram grams mg",
    "point": "points point",
}
UNIT_NAMES = {word: unit for unit, several in UNITS.items() for word in list_words(several)}
MONEY = frozenset({"dollar", "euro", "pound", "cent"})
DURATIONS = frozenset({"second", "minute", "hour", "day", "week", "month", "year"})
SIGNS = {"$": "dollar", "€": "euro", "£": "pound", "%": "percent"}
