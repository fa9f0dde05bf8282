"""Judges of a run: runs beside it whose calls are its answers, and what they and people say of these."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from analysis.errors import AnalysisError, PromptError, show_path
from analysis.judging.cases import PAIRED, SCORED, pair_answers, present_answers, read_answers
from analysis.judging.correction import add_verdicts
from analysis.judging.verdicts import VERDICTS, read_verdicts
from analysis.prompts import Prompt, PromptSource, read_prompts
from analysis.runs.answers import check_collected, scan_answers
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.preparation import prepare
from analysis.runs.ratings import load_ratings

MOST_NAME = 29  # characters of the run's name, so that there is room for -judge-001
DIGEST_CHARS = 6
ANSWER = ("call_id", "variant", "sample", "text", "tool_calls", "error_kind", "transcript")
JUDGED = ("variant", "text", "tool_calls", "error_kind", *dict.fromkeys([*SCORED, *PAIRED]))
OF_ANSWER = ["judged_call", "judged_sample", "judged_variant"]
SIDES = (("answer", "judged_variant"), ("answer_1", "first"), ("answer_2", "second"))
VARIABLE = re.compile(r"\banswer(_1)?\b")


def prepare_judge(
    run: RunSource, judge: PromptSource, *, baseline: str = "", both_orders: int = 100, seed: int = 0
) -> Run:
    """Prepare a run in which a judge is asked about the answers of a run.

    Judges of a run stand beside it, and are called by its name: `demo-judge-001`, `demo-judge-002` and so on. Where
    neither the judge nor the answers have changed since the latest one of its kind, that is opened.

    Parameters
    ----------
    run
        A run that has been collected, or its folder or name.
    judge
        One prompt: with `answer_1` and `answer_2` it compares pairs, with `answer` it scores each answer by itself.
    baseline
        The prompt that the others are paired with; by default the first of the run.
    both_orders, seed
        As in `pair_answers`.

    Returns
    -------
    run
        Printing it shows the plan; `send_round` sends what no judge has been asked before.

    Raises
    ------
    PromptError
        There are several prompts, or the text shows no answer to the judge.
    AnalysisError
        There is no answer, no such baseline, or only one prompt with answers where pairs are compared.
    """
    run, (prompt, *others) = open_run(run), read_prompts(judge)
    if others:
        raise PromptError("judge", f"there are {1 + len(others)} prompts", "give one: each judge has a run of its own")
    cases = make_cases(run, prompt, baseline, both_orders, seed)
    known = list_judges(run)
    alike = [each for each in known if compares_pairs(*each.read_prompts()) == compares_pairs(prompt)]
    if alike and [*alike[-1].read_prompts()] == [prompt] and alike[-1].read_calls().equals(cases):
        return alike[-1]
    number = 1 + max((int(each.folder.name.rpartition("-")[2]) for each in known), default=0)
    return prepare(cases, prompt, into=run.folder.parent, name=f"{name_judges(run)}-{number:03}")


def make_cases(run: Run, prompt: Prompt, baseline: str, both_orders: int, seed: int) -> pl.DataFrame:
    """Make the cases that a judge's text asks for."""
    if not find_shown(prompt):
        cure = "write {{ answer }} into it, or {{ answer_1 }} and {{ answer_2 }} to compare pairs"
        raise PromptError(prompt.name, "its text shows no answer to the judge", cure)
    answers, names = scan_run(run, ANSWER), [each.name for each in run.read_prompts()]
    if baseline and baseline not in names:
        raise AnalysisError("baseline", f"no prompt {baseline!r}", f"there are {', '.join(names)}")
    # One whose records all failed keeps no judge from the others.
    answered = {*read_answers(answers)[1]["variant"]}
    if not answered:
        raise AnalysisError(show_path(run.folder), "has no answer to judge", "repair the run, and collect it")
    if not compares_pairs(prompt):
        return present_answers(answers)
    base = baseline or names[0]
    others = [name for name in names if name != base and name in answered]
    return pair_answers(answers, [*others, base], both_orders=both_orders, seed=seed)


def find_shown(prompt: Prompt) -> set[str]:
    """Find which answers the text of a judge shows: `answer`, or the two of a pair."""
    return {match[0] for match in VARIABLE.finditer(f"{prompt.system}\n{prompt.template}")}


def compares_pairs(prompt: Prompt) -> bool:
    """Return whether a judge compares pairs; else it scores each answer by itself."""
    return "answer_1" in find_shown(prompt)


def scan_run(run: Run, wanted: tuple[str, ...]) -> pl.DataFrame:
    """Read columns of the answers of a run, as far as it has them."""
    check_collected(run)
    answers = scan_answers(run)
    names = [name for name in answers.collect_schema().names() if name in wanted]
    return answers.select(names).collect(engine="streaming")


def name_judges(run: Run) -> str:
    """Return what the names of a run's judges begin with; of a long name a part and a digest."""
    name = run.folder.name
    if len(name) > MOST_NAME:
        digest = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=DIGEST_CHARS // 2).hexdigest()
        name = f"{name[: MOST_NAME - DIGEST_CHARS - 1]}-{digest}"
    return f"{name}-judge"


def list_judges(run: Run) -> list[Run]:
    """List the judges of a run, the first one first."""
    return [open_run(folder) for folder in list_judge_folders(run)]


def list_judge_folders(run: Run) -> list[Path]:
    """List the folders of the judges of a run, the first one first, whatever is in them."""
    # By its whole name: a judge may be judged as well, and demo-judge-001-judge-001 is none of demo.
    own = re.compile(rf"{re.escape(name_judges(run))}-[0-9]{{3,}}")
    found = [folder for folder in run.folder.parent.iterdir() if own.fullmatch(folder.name)]
    return sorted(found, key=lambda folder: int(folder.name.rpartition("-")[2]))


def find_judges(run: RunSource, judge_run: RunSource = "") -> list[Run]:
    """Find the judges of a run that count: the one that is named, else of each kind the latest that was collected.

    One kind compares pairs, and the other scores each answer by itself: they say different things. Of two judges of a
    kind the later one takes the place of the earlier.
    """
    run = open_run(run)
    if isinstance(judge_run, Run):
        return [judge_run]
    if judge_run:
        beside = run.folder.parent / Path(judge_run).name
        return [open_run(beside if beside.exists() else judge_run)]
    latest = {compares_pairs(*judge.read_prompts()): judge for judge in list_collected_judges(run)}
    return sorted(latest.values(), key=lambda judge: judge.folder.name)


def list_collected_judges(run: Run) -> list[Run]:
    """List the judges of a run whose answers have been collected, the first one first."""
    return [judge for judge in list_judges(run) if judge.is_collected]


def load_verdicts(run: RunSource, judge_run: RunSource = "") -> pl.DataFrame:
    """Load what judges said of the answers of a run.

    Parameters
    ----------
    run
        The run that was judged, or its folder or name.
    judge_run
        A judge's run; by default the latest that compares pairs and the latest that scores, as far as they have been
        collected.

    Returns
    -------
    frame
        One row per answer of a judge, two where it compared a pair, from `read_verdicts`; no rows without a judge.
        Verdicts on answers that have changed since, as by a repair, are left out.

    Raises
    ------
    RunError
        The judge's run is not there, or has not been collected.
    """
    run = open_run(run)
    said = [read_verdicts(read_judged(run, judge)) for judge in find_judges(run, judge_run)]
    return pl.concat(said) if said else pl.DataFrame(schema=VERDICTS)


def read_judged(run: Run, judge: Run) -> pl.DataFrame:
    """Read the answers of a judge about answers that are as they were."""
    judged = scan_run(judge, (*JUDGED, "call_id"))
    return judged.filter(~pl.col("call_id").is_in(find_changed(run, judge).implode()))


def find_changed(run: Run, judge: Run) -> pl.Series:
    """Find the cases of a judge whose answers are not as they are now."""
    cases = judge.read_calls()
    sides = (
        [("answer", "judged_variant")] if "answer" in cases.columns else [("answer_1", "first"), ("answer_2", "second")]
    )
    shown = pl.concat(
        cases.select("call_id", *OF_ANSWER[:2], judged_variant=name, seen=answer) for answer, name in sides
    )
    now = read_answers(scan_run(run, ANSWER))[1].select(
        *(pl.col(name).alias(judged) for name, judged in zip(("call_id", "sample", "variant"), OF_ANSWER, strict=True)),
        "body",
    )
    joined = shown.join(now, on=OF_ANSWER, how="left")
    return joined.filter(~pl.col("seen").eq_missing(pl.col("body")))["call_id"].unique()


def add_judge(measured: pl.DataFrame, run: RunSource, judge_run: RunSource = "", *, baseline: str = "") -> pl.DataFrame:
    """Add what judges and people say of the answers of a run, where there is a judge.

    Parameters
    ----------
    measured
        One row per answer of the run, from `measure_run`.
    run, judge_run
        As in `load_verdicts`.
    baseline
        The prompt that others were paired with; by default the first of the run.

    Returns
    -------
    frame
        The rows of `measured`, and last the columns of `add_verdicts`; unchanged where nobody has judged.
    """
    run = open_run(run)
    verdicts = load_verdicts(run, judge_run)
    if verdicts.is_empty():
        return measured
    base = baseline or run.read_prompts()[0].name
    return add_verdicts(measured, verdicts, load_ratings(run), baseline=base)


def list_rated_calls(run: Run) -> list[str]:
    """List the calls that people rated and that were picked at random."""
    ratings: Any = load_ratings(run).filter(pl.col("picked") == "random")
    rated: list[str] = ratings["call_id"].unique().sort().to_list()
    return rated
