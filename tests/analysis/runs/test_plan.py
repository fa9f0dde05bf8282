from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.facts.quotas import Quotas
from analysis.prompts import Prompt
from analysis.requests.input_files import describe_files
from analysis.runs.plan import LIMIT_SCHEMA, make_plan

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"  # 200,000 tokens of context, 4,096 out, no price in the tables
HAIKU_45 = "global.anthropic.claude-haiku-4-5-20251001-v1:0"  # batch 0.50 and 2.50 USD per million, on demand twice
QUOTAS = Quotas(min_records=2, records_per_file=9, records_per_job=9, file_bytes=999, job_bytes=999, unfinished_jobs=2)


def make_prompt(name="short", model_id=HAIKU_45, **fields):
    return Prompt(name=name, model_id=model_id, template="{{ transcript }}", **fields)


def make_records(prompt, tokens, *, job="job01", samples=1):
    rows = [
        (prompt.name, f"c{number}", sample, prompt.model_id, "InvokeModel", job, "00000.jsonl", 100, each)
        for number, each in enumerate(tokens, 1)
        for sample in range(1, samples + 1)
    ]
    names = ("variant", "call_id", "sample", "model_id", "invocation_type", "job_key", "file", "input_bytes")
    records = pl.DataFrame(rows, schema=[*names, "input_tokens_estimate"], orient="row")
    return records.with_columns(max_tokens=pl.lit(prompt.max_tokens, pl.Int64))


def plan(records, *prompts, transcripts=("x", "y"), run="trial", **sending):
    parts = records.partition_by("job_key", "file", maintain_order=True)
    return make_plan(
        run,
        calls=len(transcripts),
        equal_calls=len(transcripts) - len(set(transcripts)),
        files=describe_files(parts, [None] * len(parts)),
        read_records=lambda: records,
        prompts=prompts,
        quotas=dict.fromkeys(records["model_id"].unique(), QUOTAS),
        **{"today": date(2026, 4, 1)} | sending,  # no model that is used here is about to leave
    )


def list_limits(prompt, tokens=(10, 10)):
    return plan(make_records(prompt, tokens), prompt).limits.rows()


def test_a_plan_without_limits_has_an_empty_table_of_them():
    prompt = make_prompt()
    shown = plan(make_records(prompt, [10, 10]), prompt)
    assert_frame_equal(shown.limits, pl.DataFrame(schema=LIMIT_SCHEMA))
    assert "No known limit is reached." in str(shown)
    assert "<p>No known limit is reached.</p>" in shown._repr_html_()


def test_a_plan_counts_each_job():
    one, two = make_prompt("a"), make_prompt("b", HAIKU)
    shown = plan(pl.concat([make_records(one, [10, 10]), make_records(two, [10, 10, 10], job="job02")]), one, two)
    assert shown.jobs.rows() == [
        ("job01", HAIKU_45, "InvokeModel", 2, 1, 200, None),
        ("job02", HAIKU, "InvokeModel", 3, 1, 300, None),
    ]
    assert shown.records == 5


def test_the_heading_says_the_sizes():
    prompt = make_prompt()
    shown = plan(make_records(prompt, [10, 10]), prompt)
    assert shown.heading() == "Run trial: 2 calls, 1 variant, 2 records in 1 job and 1 file, 0.0 MB."


def test_equal_calls_are_counted():
    prompt = make_prompt()
    shown = plan(make_records(prompt, [10] * 4), prompt, transcripts=["x", "y", "x", "x"])
    assert shown.equal_calls == 2
    assert "4 calls (2 with the transcript of an earlier one)" in str(shown)


def test_costs_have_an_interval():
    prompt = make_prompt(max_tokens=1000)
    shown = plan(make_records(prompt, [500_000, 500_000]), prompt)
    # in: 1,000,000 at 0.50, plus or minus a quarter; out: at most 2,000 at 2.50 per million
    assert shown.cost_usd_high == pytest.approx(0.625 + 0.005)
    assert "short: 1,000,000 tokens in, 1,000 out, 0.5025 USD (0.3755 to 0.6300)" in str(shown)


def test_variants_are_added_up():
    one, two = make_prompt("a", max_tokens=1), make_prompt("b", max_tokens=1)
    records = pl.concat([make_records(each, [1_000_000, 1_000_000]) for each in (one, two)])
    assert "total: 2.00 USD (1.50 to 2.50)" in str(plan(records, one, two))


def test_a_price_that_is_not_known_makes_the_sum_unknown():
    one, two = make_prompt("a"), make_prompt("b", HAIKU)
    shown = plan(pl.concat([make_records(one, [10, 10]), make_records(two, [10, 10], job="job02")]), one, two)
    assert shown.cost_usd_high is None
    assert "total: USD unknown (no price for this model" in str(shown)


def test_a_job_below_the_minimum_is_named_and_priced_on_demand():
    prompt = make_prompt(max_tokens=1)
    shown = plan(make_records(prompt, [100_000]), prompt)
    assert shown.is_too_small
    assert shown.limits.rows() == [
        ("minimum", "job01", "1 record; a batch job needs at least 2, so it is answered on demand")
    ]
    assert "At on-demand prices" in str(shown)
    assert shown.cost_usd_high == pytest.approx(0.125, abs=0.0001)


def test_more_jobs_than_the_quota_allows_are_a_limit():
    prompt = make_prompt()
    records = pl.concat(make_records(prompt, [10, 10], job=f"job0{number}") for number in (1, 2, 3))
    limits = plan(records, prompt).limits.rows()
    assert limits == [("jobs", HAIKU_45, "3 jobs; at most 2 may be unfinished at a time, the others wait")]


def test_calls_over_the_context_window_are_named():
    prompt = make_prompt(max_tokens=1000)
    (limit,) = list_limits(prompt, [199_000, 199_001, 10, 500_000])
    assert limit == ("context", "short", "about 199,000 input tokens fit; 2 calls may be longer: c2, c4")


def test_only_the_first_calls_over_the_context_window_are_named():
    (limit,) = list_limits(make_prompt(), [500_000] * 6)
    assert limit[2].endswith("6 calls may be longer: c1, c2, c3, c4, c5, ...")


def test_samples_of_a_long_call_are_one_call():
    prompt = make_prompt()
    shown = plan(make_records(prompt, [500_000], samples=3), prompt)
    assert shown.limits["detail"][0].endswith("1 call may be longer: c1")


def test_an_unconfirmed_format_is_a_limit():
    (limit,) = [limit for limit in list_limits(make_prompt(model_id="zai.glm-4.7")) if limit[0] == "format"]
    assert limit[1:] == (
        "short",
        "the InvokeModel format of zai.glm-4.7 is not confirmed; invocation_type Converse is known to work",
    )


@pytest.mark.parametrize(
    ("model_id", "invocation_type"), [("zai.glm-4.7", "Converse"), ("qwen.qwen3-32b-v1:0", "InvokeModel")]
)
def test_a_known_format_is_not_a_limit(model_id, invocation_type):
    limits = list_limits(make_prompt(model_id=model_id, invocation_type=invocation_type))
    assert "format" not in [limit for limit, _, _ in limits]


def test_a_model_with_unknown_limits_is_a_limit():
    limits = list_limits(
        make_prompt(model_id="acme.talker-v1:0", max_tokens=10**9, invocation_type="Converse"), [10**9, 10**9]
    )
    assert limits == [("unknown", "short", "not all limits of acme.talker-v1:0 are known here")]


def test_the_invocation_decides_the_prices():
    prompt = make_prompt()
    batch, on_demand = (
        plan(make_records(prompt, [10, 10]), prompt, invocation=way).cost_usd_high for way in ("batch", "on_demand")
    )
    assert on_demand == pytest.approx(2 * batch)


def test_some_prices_hold_in_one_region_only():
    prompt = make_prompt(model_id="amazon.nova-pro-v1:0", invocation_type="Converse")
    records = make_records(prompt, [10, 10])
    assert plan(records, prompt).cost_usd_high is None
    assert plan(records, prompt, region="us-east-1").cost_usd_high > 0


def test_what_comes_from_calls_is_escaped_in_html():
    prompt = make_prompt()
    records = make_records(prompt, [500_000, 10]).with_columns(call_id=pl.lit("<script>alert(1)</script>"))
    shown = plan(records, prompt, run="<b>")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "Run &lt;b&gt;:" in shown


def test_what_comes_from_calls_never_commands_a_terminal():
    prompt = make_prompt()
    records = make_records(prompt, [500_000, 10]).with_columns(call_id=pl.lit("c\x1b]0;x\x07\u202e"))
    for shown in (repr(plan(records, prompt)), plan(records, prompt)._repr_html_()):
        assert r"c\x1b]0;x\x07\u202e" in shown
        assert "\x1b" not in shown


def test_limits_are_shown_to_their_end_in_html():
    prompt = make_prompt()
    names = pl.Series("call_id", [f"a-call-with-a-long-name-{number}" for number in range(1, 6)])
    shown = plan(make_records(prompt, [500_000] * 5).with_columns(names), prompt)._repr_html_()
    assert "a-call-with-a-long-name-5" in shown
    assert "cost_usd_high" in shown


@pytest.mark.parametrize(
    ("today", "limit", "detail"),
    [
        (date(2026, 9, 9), "ends", f"{HAIKU} leaves Amazon Bedrock on 2026-09-10, in 1 day; set model_id to a newer"),
        (date(2026, 11, 30), "ended", f"{HAIKU} left Amazon Bedrock on 2026-09-10, and its requests are refused; set"),
    ],
)
def test_a_model_that_left_or_soon_leaves_is_named_with_what_to_do(today, limit, detail):
    prompt = make_prompt(model_id=HAIKU)
    shown = plan(make_records(prompt, [10, 10]), prompt, today=today)
    ((kind, where, text),) = shown.limits.rows()
    assert (kind, where) == (limit, "short")
    assert text.startswith(detail)
    assert text.endswith("such as anthropic.claude-haiku-4-5-20251001-v1:0")
    assert f"{limit}, short: {HAIKU}" in str(shown)


def test_the_clock_tells_the_plan_the_day():
    prompt = make_prompt(model_id=HAIKU)
    assert "ended" in plan(make_records(prompt, [10, 10]), prompt, today=None).limits["limit"]


def test_a_model_of_tomorrow_has_the_rules_of_its_generation_with_a_warning():
    prompt = make_prompt(model_id="us.anthropic.claude-opus-6", max_tokens=128_001)
    ((limit, where, detail),) = list_limits(prompt)
    assert (limit, where) == ("unknown", "short")
    assert detail == (
        "anthropic.claude-opus-6 is not known here, and is taken to have the rules of claude from 5.5 on, "
        "which refuse more than 128,000 max_tokens; did you mean anthropic.claude-opus-5-5?"
    )


def test_an_undated_id_is_taken_for_the_model_of_that_version():
    ((_, _, detail),) = list_limits(make_prompt(model_id="us.anthropic.claude-haiku-4-5"))
    assert detail.endswith("claude from 4.5 on; did you mean anthropic.claude-haiku-4-5-20251001-v1:0?")
