"""Sample: the answers of a run that the first page measures, all of them or those to calls picked at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.comparison.choices import Decision, decide
from analysis.comparison.notices import GROUPS, OWN_IDS
from analysis.metrics.costs import COST_COLUMNS
from analysis.prompts import Prompt
from analysis.runs import Run, scan_answers
from analysis.runs.judges import add_judge, list_rated_calls
from analysis.runs.measures import measure_loaded
from analysis.transcripts.picking import pick_calls

MOST_ANSWERS = 6_000  # measured in seconds, and held in memory with their calls
NEEDED = (*COST_COLUMNS, "sample", "text", "max_tokens", "tool_calls", "error_code", "error_message", "transcript")


@dataclass(frozen=True)
class Sample:
    """Measured answers, and on how many calls they rest.

    Attributes
    ----------
    answers
        One row per answer, measured as by `measure_run`; of the call's own columns those that the page needs.
    calls, all_calls
        Calls that were measured, and those of the run.
    """

    answers: pl.DataFrame
    calls: int
    all_calls: int


def measure_sample(
    run: Run, prices: pl.DataFrame, *, columns: Sequence[str] = (), baseline: str = "", most: int = MOST_ANSWERS
) -> Sample:
    """Measure the answers of a run; where there are more than `most`, those to some calls, picked at random.

    The pick is the same each time, and has the calls that people rated, which were picked at random too. `columns` are
    further ones of the answers that are kept. Where a judge was asked, what it and people say is added.
    """
    prompts = run.read_prompts()
    calls = run.scan_calls().select("call_id").collect()
    answers, room = scan_answers(run), max(1, most // sum(prompt.samples for prompt in prompts))
    picked = calls if len(calls) <= room else pick_calls(calls, room)
    if len(picked) < len(calls):
        picked = calls.filter(pl.col("call_id").is_in([*picked["call_id"], *list_rated_calls(run)]))
        answers = answers.filter(pl.col("call_id").is_in(picked["call_id"].implode()))
    known = answers.collect_schema().names()
    groups = [name for name in known if name not in OWN_IDS and GROUPS.fullmatch(name.lower())]
    wanted = [name for name in dict.fromkeys([*NEEDED, *columns, *groups]) if name in known]
    frame = answers.select(wanted).collect(engine="streaming")
    measured = add_judge(measure_loaded(run, frame, prices), run, baseline=baseline)
    return Sample(measured, len(picked), len(calls))


@dataclass(frozen=True)
class Choices:
    """What decides between the variants of a run, as in `decide`, and whether they were tuned on its calls."""

    decide_by: Sequence[str] = ()
    margin_points: float = 2.0
    baseline: str = ""
    cluster: str = ""
    are_tuned: bool = False

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> Choices:
        """Return what decides by the parameters of a notebook, of which there may be others."""
        names = ("decide_by", "margin_points", "baseline", "cluster")
        return cls(**{name: values[name] for name in names if name in values})

    def to_parameters(self) -> dict[str, Any]:
        """Return what decides as parameters of a notebook."""
        return {
            "decide_by": [*self.decide_by],
            "margin_points": self.margin_points,
            "baseline": self.baseline,
            "cluster": self.cluster,
        }


def compare_sample(sample: Sample, prompts: Sequence[Prompt], choices: Choices) -> Decision | None:
    """Compare the variants of a sample with one of them, by default the first; None where there is only one."""
    if len(prompts) < 2:
        return None
    return decide(sample.answers, **choices.to_parameters())
