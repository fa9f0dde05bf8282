import re
from pathlib import Path

import polars as pl
import pytest

from analysis import (
    add_costs,
    add_verdicts,
    collect,
    compare_estimate,
    compare_invocations,
    compare_variants,
    correct_scores,
    count_errors,
    count_more_calls,
    count_stop_reasons,
    count_stop_reasons_by_length,
    count_unpriced,
    delete,
    diagnose,
    drop_losers,
    find_prices,
    find_unsupported_claims,
    format_comparison,
    invoke,
    list_flips,
    list_runs,
    load_answers,
    load_attempts,
    load_jobs,
    load_manifests,
    load_ratings,
    make_calls,
    measure_agreement,
    measure_answers,
    measure_kept,
    measure_position,
    pair_answers,
    plan_calls,
    plan_ratings,
    prepare,
    present_answers,
    project_costs,
    rank_variants,
    read_calls,
    read_json_answers,
    read_prompts,
    read_verdicts,
    share_truncated,
    suggest_max_tokens,
    sum_costs,
    sum_lost_costs,
)

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/frames.md").read_text(encoding="utf-8")
SCHEMA = {"type": "object", "properties": {"reason": {"type": "string"}}}
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE))


def read_aws(folder):
    """Read one call that Amazon Transcribe wrote."""
    file = folder / "call.json"
    file.write_text('{"jobName": "call-1", "results": {"transcripts": [{"transcript": "Hello."}]}}')
    return read_calls(file)


def judge(cases, prompt, folder):
    """Ask a judge about some answers."""
    run = prepare(cases, read_prompts(ROOT / "notebooks/prompts/judges" / prompt), into=folder, name=prompt[:4])
    invoke(run)
    collect(run)
    return load_answers(run)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(folder / "emulator"))
        calls = make_calls(5).select("call_id", "transcript")
        run = prepare(calls, read_prompts(ROOT / "notebooks/prompts/paragraph.md"), into=folder, name="demo")
        invoke(run)
        reconciliation = collect(run)
        other = prepare(calls, read_prompts(ROOT / "notebooks/prompts/headings.md"), into=folder, name="other")
        deletion = delete(other, ask=lambda _: "yes")
    answers, outputs = load_answers(run), run.read_outputs()
    prices = find_prices(outputs["model_id"].unique())
    costed = add_costs(outputs, prices)
    twice = pl.concat([answers, answers.with_columns(variant=pl.lit("b"))])
    verdicts = read_verdicts(judge(present_answers(answers), "score.md", folder))
    pairs = pair_answers(twice, ["b", "paragraph"])
    preferences = read_verdicts(judge(pairs, "pair.md", folder))
    ratings = verdicts.with_columns(rater=pl.lit("ada"), preferred=pl.lit(None, pl.String), picked=pl.lit("random"))
    return {
        "calls": calls,
        "calls from services": read_aws(folder),
        "records": run.read_records(),
        "input files": run.read_files(),
        "outputs": outputs,
        "answers": answers,
        "attempts": load_attempts(run),
        "findings": diagnose(),
        "jobs": load_jobs(run),
        "deletion": deletion,
        "reconciliation": reconciliation,
        "manifests": load_manifests(run.folder / "output"),
        "runs": list_runs(folder),
        "estimate": run.plan().estimate,
        "bill": sum_costs(costed),
        "unpriced": count_unpriced(costed, prices),
        "lost answers": sum_lost_costs(run),
        "prices": prices,
        "estimate and bill": compare_estimate(run.plan().estimate, sum_costs(costed)),
        "projection": project_costs(costed, 1_000_000),
        "invocations": compare_invocations(costed, prices),
        "stop reasons": count_stop_reasons(answers),
        "stop reasons by length": count_stop_reasons_by_length(answers),
        "truncated": share_truncated(answers),
        "suggestion": suggest_max_tokens(answers),
        "errors": count_errors(answers),
        "comparisons": compare_variants(costed, "price_usd"),
        "comparisons in words": format_comparison(compare_variants(costed, "price_usd")),
        "more calls": count_more_calls(compare_variants(costed, "price_usd")),
        "ranks": rank_variants(compare_variants(costed, "price_usd")),
        "flips": list_flips(twice, "answered", ("b", "paragraph")),
        "plan of calls": plan_calls(costed, "price_usd", 0.01),
        "look": drop_losers(costed, "price_usd", look=1),
        "ratings to give": plan_ratings(answers, 2),
        "ratings": load_ratings(run),
        "measures": measure_answers(answers).drop(answers.columns),
        "answers in JSON": read_json_answers(answers, SCHEMA).select("json_error"),
        "answers to judge": present_answers(answers),
        "pairs to judge": pairs,
        "verdicts": verdicts,
        "judged answers": add_verdicts(answers, verdicts, ratings).drop(answers.columns),
        "corrections": correct_scores(preferences, ratings),
        "agreement": measure_agreement(verdicts, ratings),
        "position": measure_position(preferences),
        "kept": measure_kept(answers).drop(answers.columns),
        "unsupported claims": find_unsupported_claims(answers),
    }


def test_answers_are_the_outputs_in_the_order_that_is_documented(frames):
    first = re.findall(r"`(\w+)`", re.search(r"The columns begin with (.*?);", SECTIONS["answers"])[1])
    others = [name for name in frames["outputs"].columns if name not in first]
    assert frames["answers"].columns == [*first, *others, "transcript"]


def test_every_frame_is_documented(frames):
    assert set(frames) == set(SECTIONS)


@pytest.mark.parametrize("name", sorted(set(SECTIONS) - {"answers"}))
def test_the_documented_columns_are_those_of_the_frame(name, frames):
    documented = re.findall(r"^\| (\w+) \| (.+?) \|", SECTIONS[name], re.MULTILINE)[1:]
    assert documented == [(column, str(dtype)) for column, dtype in frames[name].schema.items()]
