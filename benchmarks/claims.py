"""How many injected errors the check of claims finds, what it flags wrongly, and how fast all measures are.

    python benchmarks/claims.py [--calls 1500] [--speed-calls 4000]

Answers are excerpts of the calls, so all that they state is true; then one claim at a time is changed. A second time
the digits of the call are spelled out, as speech recognition may write them, and those of the answer are not. Calls are
those of ../shared/data where it is there, and always made-up ones. Prints Markdown.
"""

import argparse
import random
import re
import time
from pathlib import Path

import polars as pl
from measuring import describe_machine, table, tell
from spelling import spell_out
from wrong_claims import make_error

from analysis import find_unsupported_claims, make_calls, measure_answers, measure_kept
from analysis.metrics.claims.checks import AnswerCheck, number_calls

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("aws_call_samples", "star", "multidogo_customer", "primock57", "aci_bench", "qmsum")
CALL_CENTRE = (*SETS[:3], "made up")
SENTENCE = re.compile(r"(?<=[.?!])\s+|\n")
SENTENCES = 8  # of an excerpt
KINDS = ("amount", "code", "date", "number", "percent", "time", "name")
ANSWERS, ALL_ANSWERS = 5, 500_000
SEED = 12


def read_set(name, calls):
    """Read some calls of a set, as transcripts of one line a turn."""
    if name == "made up":
        return make_calls(calls, seed=SEED).filter(language="en").select("call_id", "transcript")
    turns = pl.read_parquet(DATA / f"{name}_turns.parquet")
    line = pl.format("{}: {}", pl.col("speaker").str.to_titlecase(), "text")
    lines = turns.sort("call_id", "turn").group_by("call_id", maintain_order=True).agg(line.alias("text"))
    return lines.select("call_id", transcript=pl.col("text").list.join("\n")).head(calls)


def take_excerpt(transcript, rng):
    """Take some sentences of a call, those with digits or capitals within first."""
    sentences = [text for text in SENTENCE.split(transcript) if len(text.split()) > 3]
    sentences = [re.sub(r"^\w+: ", "", text) for text in sentences]
    telling = [text for text in sentences if re.search(r"[0-9]|[a-z] [A-Z][a-z]", text)]
    chosen = set(rng.sample(telling, min(len(telling), SENTENCES - 2)))
    chosen |= set(rng.sample(sentences, min(len(sentences), 2)))
    return " ".join(text for text in dict.fromkeys(sentences) if text in chosen)


def make_answers(calls):
    """Make one true answer to each call, with its transcript as it is and spelled out."""
    rng = random.Random(SEED)
    texts = [take_excerpt(transcript, rng) for transcript in calls["transcript"]]
    spelled = [spell_out(transcript, rng) for transcript in calls["transcript"]]
    named = {"variant": pl.lit("true"), "sample": pl.lit(0), "text": pl.Series(texts), "spelled": pl.Series(spelled)}
    return calls.with_columns(**named)


def list_claims(answers):
    """List all claims of the answers: a call that says nothing supports none."""
    return find_unsupported_claims(answers.with_columns(transcript=pl.lit("hello")))


def inject(answers, claims):
    """Make an answer with one error for one claim of each kind in each answer."""
    rng = random.Random(SEED)
    texts = dict(answers.select("call_id", "text").rows())
    rows = []
    chosen = claims.sample(fraction=1, shuffle=True, seed=SEED).unique(
        ["call_id", "kind"], keep="first", maintain_order=True
    )
    for number, (call_id, kind, mention, begin, end) in enumerate(
        chosen.sort("call_id", "kind").select("call_id", "kind", "mention", "begin", "end").iter_rows()
    ):
        if error := make_error(kind, mention, rng):
            changed, change = error
            text = texts[call_id][:begin] + changed + texts[call_id][end:]
            rows.append((call_id, kind, change, number, text, begin, begin + len(changed)))
    schema = ["call_id", "variant", "change", "sample", "text", "from", "to"]
    wrong = pl.DataFrame(rows, schema, orient="row")
    return wrong.join(answers.select("call_id", "transcript"), on="call_id", maintain_order="left")


def find_hits(wrong):
    """Mark the errors that the check finds: an unsupported claim where the changed words are."""
    # The true answers are the corpus from which names are known, as they would be in a run.
    found = find_unsupported_claims(wrong).select("call_id", "variant", "sample", "begin", "end")
    both = wrong.join(found, on=["call_id", "variant", "sample"], how="left")
    is_hit = ((pl.col("begin") < pl.col("to")) & (pl.col("end") > pl.col("from"))).fill_null(value=False)
    return both.group_by("call_id", "variant", "sample", "change").agg(hit=is_hit.any())


def measure_set(name, calls):
    """Measure one set: its claims, those flagged wrongly, and the errors with their hits."""
    tell(name)
    answers = make_answers(read_set(name, calls))
    claims = list_claims(answers)
    written = find_unsupported_claims(answers)
    spelled = find_unsupported_claims(answers.with_columns(transcript="spelled"))
    return claims, written, spelled, find_hits(inject(answers, claims))


def percent(part, whole):
    """Write a share in percent, with the count where it is small."""
    if not whole:
        return "-"
    return f"{100 * part / whole:.1f}" + (f" ({whole})" if whole < 30 else "")


def count_by(hits, column, value):
    """Count hits and errors of one kind or change."""
    some = hits.filter(pl.col(column) == value)
    return some["hit"].sum(), len(some)


def list_rows(measured):
    """Write a row for each set, and one for all call centres."""
    for name, (claims, written, spelled, hits) in measured.items():
        numbers = hits.filter(pl.col("variant") != "name")
        claims, written, spelled = (some.filter(pl.col("kind") != "name") for some in (claims, written, spelled))
        yield [
            name,
            f"{len(claims):,}",
            *(f"{100 * len(flagged) / max(len(claims), 1):.2f}" for flagged in (written, spelled)),
            *(percent(*count_by(hits, "variant", kind)) for kind in KINDS),
            percent(numbers["hit"].sum(), len(numbers)),
        ]


def join_sets(measured, names):
    """Join what was measured of several sets."""
    return tuple(pl.concat(several) for several in zip(*(measured[name] for name in names), strict=True))


def measure_speed(calls):
    """Take the processor time of each measure for five answers to each call, scaled to half a million answers."""
    tell("speed")
    from analysis.metrics.overlap import measure_overlap

    name = "aws_call_samples" if DATA.exists() else "made up"
    few = make_answers(read_set(name, min(calls, 900)))
    # The same calls again with another beginning, so that no two transcripts are equal.
    copies = range(-(-calls // len(few)))
    many = pl.concat(
        [
            few.with_columns(
                pl.format("{}-{}", "call_id", pl.lit(copy)).alias("call_id"),
                pl.format("Call {}.\n{}", pl.lit(10_000 + copy), "transcript").alias("transcript"),
            )
            for copy in copies
        ]
    )
    answers = pl.concat([many.with_columns(sample=pl.lit(sample)) for sample in range(ANSWERS)]).drop("spelled")
    texts, transcripts = answers["text"], answers["transcript"]
    numbered = number_calls(transcripts)
    cases = {
        "claims and names": lambda: sum(checked.unsupported for checked in AnswerCheck(texts, transcripts).check()),
        "copying, repetition, coverage": lambda: measure_overlap(texts, *numbered),
        "`measure_answers`": lambda: measure_answers(answers),
        "`find_unsupported_claims`": lambda: find_unsupported_claims(answers),
        "`measure_kept`": lambda: measure_kept(answers),
    }
    size = f"{len(answers):,} answers of {texts.str.len_bytes().mean():,.0f} bytes to {len(many):,} calls of "
    size += f"{transcripts.str.len_bytes().mean():,.0f} bytes"
    rows = []
    for case, run in cases.items():
        tell(case)
        begin = time.process_time()
        run()
        seconds = time.process_time() - begin
        rows.append([case, f"{len(answers) / seconds:,.0f}", f"{seconds * ALL_ANSWERS / len(answers):,.0f}"])
    return size, rows


def main():
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=1500, help="of each set at most")
    parser.add_argument("--speed-calls", type=int, default=4000, help="for the speed, with five answers each")
    chosen = parser.parse_args()
    names = [*(name for name in SETS if DATA.exists()), "made up"]
    measured = {name: measure_set(name, chosen.calls) for name in names}
    centres = join_sets(measured, [name for name in names if name in CALL_CENTRE])
    print(describe_machine("polars", "text2num", "rapidfuzz"))
    head = [
        "calls",
        "claims",
        "flagged, % as written",
        "spelled out",
        *(f"{kind}: hit, %" for kind in KINDS),
        "all but names",
    ]
    print(f"\n{table(head, list_rows(measured | {'call centres': centres, 'all': join_sets(measured, names)}))}")
    hits = join_sets(measured, names)[3]
    counts = {change: count_by(hits, "change", change) for change in sorted(set(hits["change"]))}
    rows = [[change, f"{errors:,}", percent(found, errors)] for change, (found, errors) in counts.items()]
    print(f"\n{table(['change', 'errors', 'hit, %'], rows)}")
    if chosen.speed_calls:
        size, rows = measure_speed(chosen.speed_calls)
        head = ["measure", "answers per core second", f"s for {ALL_ANSWERS:,} answers"]
        print(f"\n{size}\n\n{table(head, rows)}")


if __name__ == "__main__":
    main()
