"""Plans: records, jobs, tokens, costs and limits of a run before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape

import polars as pl

from analysis.display import count, show_table
from analysis.errors import escape_controls
from analysis.facts.lifecycle import describe_end
from analysis.facts.model_names import find_nearest
from analysis.facts.models import Model, find_model
from analysis.facts.quotas import Quotas
from analysis.families import find_family
from analysis.metrics.estimates import estimate_costs
from analysis.prompts import Prompt
from analysis.requests.schemas import describe_doubt
from analysis.runs.regions import find_prompt_prices

METHOD = (
    "Input tokens are estimated as bytes of text / 4, plus or minus a quarter; output tokens as half of max_tokens, "
    "from a tenth to all of it, since the length of answers is not known before the first run."
)
NO_LIMIT = "No known limit is reached."
LISTED = 5  # calls that are listed for a limit
ABOUT_SCHEMA = {"variant": pl.String, "model_id": pl.String, "max_tokens": pl.Int64}
LIMIT_SCHEMA = {"limit": pl.String, "where": pl.String, "detail": pl.String}


@dataclass(frozen=True, repr=False)
class Plan:
    """What a run would send, and what that may cost.

    Attributes
    ----------
    run
        Name of the run.
    calls, equal_calls
        Number of calls, and of those with the same text as an earlier one.
    jobs
        One row per job: `job_key`, `model_id`, `invocation_type`, `records`, `files`, `input_bytes`, `region` (missing
        where its prompts name none, and it is not said where the run is sent).
    estimate
        One row per variant, from `estimate_costs`: at batch prices, or on demand as soon as a job is below the minimum.
    limits
        One row per limit that is reached: `limit`, `where` (job, prompt or model), `detail`.
    notes
        Sentences on records that other runs have answered.
    """

    run: str
    calls: int
    equal_calls: int
    jobs: pl.DataFrame
    estimate: pl.DataFrame
    limits: pl.DataFrame
    notes: Sequence[str] = ()

    @property
    def records(self) -> int:
        """Records over all jobs."""
        return int(self.jobs["records"].sum())

    @property
    def is_too_small(self) -> bool:
        """Whether a job has fewer records than Bedrock takes, so that the run is answered on demand."""
        return "minimum" in self.limits["limit"]

    @property
    def cost_usd(self) -> float | None:
        """Middle of the estimate over all variants; missing when a price is not known."""
        return sum_known(self.estimate["cost_usd"])

    @property
    def cost_usd_high(self) -> float | None:
        """Upper end of the estimate over all variants; missing when a price is not known."""
        return sum_known(self.estimate["cost_usd_high"])

    def __repr__(self) -> str:
        head = [self.heading(), *self.notes, ""]
        if not self.records:
            return escape_controls("\n".join([*head, "Nothing is sent."]))
        return escape_controls("\n".join([*head, *self.job_lines(), "", *self.cost_lines(), "", *self.limit_lines()]))

    def _repr_html_(self) -> str:
        jobs = self.jobs if self.jobs["region"].n_unique() > 1 else self.jobs.drop("region")
        shown = [show_table(table)._repr_html_() for table in (jobs, self.costs(), self.limits) if len(table)]
        end = [f"<p>{escape(METHOD)}</p>", "" if len(self.limits) else f"<p>{NO_LIMIT}</p>"]
        head = [f"<p>{escape(sentence)}</p>" for sentence in (self.heading(), *self.notes)]
        return "\n".join([*head, *shown, *end])

    def costs(self) -> pl.DataFrame:
        """Select the columns of the estimate that are shown."""
        tokens = ("input_tokens", "output_tokens")
        return self.estimate.select("variant", "records", "invocation", *tokens, r"^cost_usd.*$")

    def heading(self) -> str:
        """Return one sentence with the sizes."""
        equal = f" ({self.equal_calls:,} with the transcript of an earlier one)" if self.equal_calls else ""
        size = int(self.jobs["input_bytes"].sum()) / 1e6
        return (
            f"Run {self.run}: {count(self.calls, 'call')}{equal}, {count(len(self.estimate), 'variant')}, "
            f"{count(self.records, 'record')} in {count(len(self.jobs), 'job')} and "
            f"{count(int(self.jobs['files'].sum()), 'file')}, {size:,.1f} MB."
        )

    def job_lines(self) -> Iterator[str]:
        """Yield a line with the size of each job."""
        is_one = self.jobs["region"].n_unique() <= 1
        for key, model_id, invocation_type, records, files, size, region in self.jobs.iter_rows():
            what = f"{count(records, 'record')}, {count(files, 'file')}, {size / 1e6:,.1f} MB"
            where = "" if is_one else f" in {region or 'the Region of the run'}"
            yield f"  {key}  {model_id} by {invocation_type}{where}: {what}"

    def cost_lines(self) -> Iterator[str]:
        """Yield a line with the cost of each variant, and how it was estimated."""
        yield f"  At {self.estimate['invocation'][0].replace('_', '-')} prices:"
        for row in self.estimate.iter_rows(named=True):
            tokens = f"{row['input_tokens']:,} tokens in, {row['output_tokens']:,} out"
            yield f"  {row['variant']}: {tokens}, {usd_range(row)}"
        if len(self.estimate) > 1:
            yield f"  total: {usd_range(self.estimate.sum().row(0, named=True), self.estimate)}"
        yield f"  {METHOD}"

    def limit_lines(self) -> Iterator[str]:
        """Yield a line for each limit that is reached."""
        yield f"{count(len(self.limits), 'limit')} reached:" if len(self.limits) else NO_LIMIT
        for limit, where, detail in self.limits.iter_rows():
            yield f"  {limit}, {where}: {detail}"


def sum_known(costs: pl.Series) -> float | None:
    """Sum costs; missing where one of them is."""
    return None if costs.null_count() else float(costs.sum())


def make_plan(
    run: str,
    *,
    calls: int,
    equal_calls: int,
    files: pl.DataFrame,
    read_records: Callable[[], pl.DataFrame],
    prompts: Sequence[Prompt],
    quotas: Mapping[str, Quotas],
    invocation: str = "",
    region: str = "",
    today: date | None = None,
) -> Plan:
    """Build the plan of a run from what `prepare` wrote, and from where, when and how it will be sent.

    The records are read only where one is longer than its model's context.
    """
    regions = {prompt.name: prompt.region or region or None for prompt in prompts}
    variant = pl.col("variants").list.first().struct.field("variant")
    jobs = files.group_by("job_key", maintain_order=True).agg(
        pl.col("model_id", "invocation_type").first(),
        pl.col("records").sum(),
        files=pl.len().cast(pl.Int64),
        input_bytes=pl.col("input_bytes").sum(),
        region=variant.first().replace_strict(regions, return_dtype=pl.String),
    )
    variants = sum_variants(files)
    longest = dict(variants.select("variant", "longest_input_tokens").rows())
    limits = find_limits(jobs, longest, read_records, prompts, quotas, today or datetime.now(UTC).date())
    invocation = invocation or ("on_demand" if "minimum" in limits["limit"] else "batch")
    prices = find_prompt_prices(prompts, region)
    estimate = estimate_variants(variants, prompts, prices, invocation)
    return Plan(run, calls, equal_calls, jobs, estimate, limits)


def sum_variants(files: pl.DataFrame) -> pl.DataFrame:
    """Sum records and tokens of each variant over all input files, by name."""
    parts = files.select("variants").explode("variants").unnest("variants")
    sums = pl.col("records", "input_tokens_estimate").sum()
    return parts.group_by("variant").agg(sums, pl.col("longest_input_tokens").max()).sort("variant")


def estimate_variants(
    variants: pl.DataFrame, prompts: Sequence[Prompt], prices: pl.DataFrame, invocation: str
) -> pl.DataFrame:
    """Estimate the cost of each variant from its sums."""
    about = pl.DataFrame([(each.name, each.model_id, each.max_tokens) for each in prompts], ABOUT_SCHEMA, orient="row")
    # Tokens and costs are linear in both, so one row with the sums costs as much as all records of the variant.
    whole = variants.join(about, on="variant").with_columns(pl.col("max_tokens") * pl.col("records"))
    estimate = estimate_costs(whole, prices, invocation=invocation)
    in_order = about.select("variant").join(estimate.drop("records"), on="variant", maintain_order="left")
    records = variants.select("variant", "records")
    return in_order.join(records, on="variant", maintain_order="left").select(estimate.columns)


def find_limits(
    jobs: pl.DataFrame,
    longest: Mapping[str, int],
    read_records: Callable[[], pl.DataFrame],
    prompts: Sequence[Prompt],
    quotas: Mapping[str, Quotas],
    today: date,
) -> pl.DataFrame:
    """Find every limit of Bedrock's jobs and of the models that the run reaches."""
    rows = [*check_jobs(jobs, quotas)]
    for prompt in (each for each in prompts if each.name in longest):
        rows += [
            *check_end(prompt, today),
            *check_tokens(prompt, longest[prompt.name], read_records),
            *check_format(prompt),
            *check_schema(prompt),
        ]
    return pl.DataFrame(rows, schema=LIMIT_SCHEMA, orient="row")


def check_jobs(jobs: pl.DataFrame, quotas: Mapping[str, Quotas]) -> Iterator[tuple[str, str, str]]:
    """Yield jobs below the minimum of records, and models with more jobs than may be unfinished in a Region."""
    for key, model_id, _, records, *_ in jobs.iter_rows():
        least = quotas[model_id].min_records
        if records < least:
            few = "it is" if records == 1 else "they are"
            reason = f"a batch job needs at least {least}, so {few} answered on demand"
            yield "minimum", key, f"{count(records, 'record')}; {reason}"
    is_one = jobs["region"].n_unique() <= 1
    for model_id, region, number in jobs.group_by("model_id", "region", maintain_order=True).len().iter_rows():
        most = quotas[model_id].unfinished_jobs
        if number > most:
            where = "" if is_one else f" in {region or 'the Region of the run'}"
            yield "jobs", model_id, f"{number} jobs{where}; at most {most} may be unfinished at a time, the others wait"


def check_end(prompt: Prompt, today: date) -> Iterator[tuple[str, str, str]]:
    """Yield a model that has left Amazon Bedrock, or soon will."""
    if end := describe_end(find_model(prompt.model_id).base, today):
        yield end.kind, prompt.name, f"{end.what}; {end.cure}"


def check_tokens(
    prompt: Prompt, longest: int, read_records: Callable[[], pl.DataFrame]
) -> Iterator[tuple[str, str, str]]:
    """Yield calls over the context window, and models whose limits are not known."""
    model = find_model(prompt.model_id)
    if unknown := describe_unknown(model, prompt.max_tokens):
        near = find_nearest(model.base)
        yield "unknown", prompt.name, unknown + (f"; did you mean {near}?" if near not in {"", model.base} else "")
    room = max(0, model.context_tokens - prompt.max_tokens) if model.context_tokens else longest
    if longest > room:
        own = read_records().filter(pl.col("variant") == prompt.name, pl.col("sample") == 1)
        long = own.filter(pl.col("input_tokens_estimate") > room)["call_id"]
        names = ", ".join(long[:LISTED]) + (", ..." if len(long) > LISTED else "")
        detail = f"about {room:,} input tokens fit; {count(len(long), 'call')} may be longer: {names}"
        yield "context", prompt.name, detail


def describe_unknown(model: Model, max_tokens: int) -> str:
    """Describe what is not known of the limits of a model; empty where all are."""
    if model.follows:
        ceiling = model.max_output_tokens
        above = f", which refuse more than {ceiling:,} max_tokens" if ceiling and max_tokens > ceiling else ""
        return f"{model.base} is not known here, and is taken to have the rules of {model.follows} on{above}"
    if model.max_output_tokens is None or model.context_tokens is None:
        return f"not all limits of {model.base} are known here"
    return ""


def check_format(prompt: Prompt) -> Iterator[tuple[str, str, str]]:
    """Yield a model whose InvokeModel format is inferred from its relatives: if it is wrong, every record fails."""
    model = find_model(prompt.model_id)
    inferred = find_family(model, prompt.invocation_type).inferred
    if inferred is not None and inferred.match(model.base):
        detail = f"the InvokeModel format of {model.base} is not confirmed; invocation_type Converse is known to work"
        yield "format", prompt.name, detail


def check_schema(prompt: Prompt) -> Iterator[tuple[str, str, str]]:
    """Yield a schema of which sources disagree whether the model takes it in a batch job."""
    if doubt := describe_doubt(prompt):
        yield "schema", prompt.name, doubt


def usd_range(row: Mapping[str, float | None], of: pl.DataFrame | None = None) -> str:
    """Format a cost with its interval; unknown if a price is."""
    unknown = row["cost_usd"] is None or (of is not None and of["cost_usd"].null_count())
    if unknown:
        return "USD unknown (no price for this model and region; `batchbook facts update` reads today's prices)"
    digits = 2 if (row["cost_usd_high"] or 0) >= 1 else 4
    middle, low, high = (f"{row[name]:,.{digits}f}" for name in ("cost_usd", "cost_usd_low", "cost_usd_high"))
    return f"{middle} USD ({low} to {high})"
