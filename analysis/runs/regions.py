"""Regions: the bucket and the prices of each, where the prompts of a run name several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from analysis.aws.session import EMULATOR, EMULATOR_BUCKET, name_emulator_bucket
from analysis.errors import JobError
from analysis.facts.prices import find_prices
from analysis.prompts import Prompt

PLACE = "{region}"  # in the name of a bucket, what each Region's name stands for
# As the pattern of CreateModelInvocationJob has it.
BUCKET = re.compile(r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]")


def name_bucket(bucket: str, region: str, *, profile: str = "") -> str:
    """Return the name of a run's bucket in a Region; the emulator's own has another one in each."""
    if profile == EMULATOR and bucket in {"", EMULATOR_BUCKET}:
        return name_emulator_bucket(region)
    return bucket.replace(PLACE, region)


def name_buckets(where: object, bucket: str, regions: Iterable[str], *, profile: str = "") -> dict[str, str]:
    """Return the name of a run's bucket in each Region of its jobs.

    Raises
    ------
    JobError
        It is no name of a bucket, or the same in several Regions: a job takes none of another Region.
    """
    names = {region: name_bucket(bucket, region, profile=profile) for region in regions}
    for name in names.values():
        if name and not BUCKET.fullmatch(name):
            bare, _, folder = bucket.removeprefix("s3://").partition("/")
            like = f"give bucket={bare!r}" + (f" and prefix={folder.strip('/')!r}" if folder.strip("/") else "")
            is_name = BUCKET.fullmatch(bare.replace(PLACE, "x"))
            cure = like if is_name else "a bucket's name has 3 to 63 of a-z, 0-9, '.' and '-'"
            raise JobError(where, f"{bucket!r} is not the name of a bucket", cure)
    if bucket and len({*names.values()}) < len(names):
        reason = f"its prompts name the Regions {', '.join(names)}, and a job takes a bucket of its own Region alone"
        cure = f"make a bucket in each, and write {PLACE} where their names differ, as in bucket='calls-{PLACE}'"
        raise JobError(where, f"{bucket!r} is one bucket: {reason}", cure)
    return names


def find_prompt_prices(prompts: Sequence[Prompt], region: str, *, own: pl.DataFrame | None = None) -> pl.DataFrame:
    """Find the prices of the models of some prompts, each in the Region in which the prompt is asked.

    Parameters
    ----------
    prompts
        The variants.
    region
        The Region of those that name none.
    own
        As in `find_prices`.

    Returns
    -------
    frame
        As from `find_prices`. Where the prompts are asked in several Regions, one row per variant and invocation, with
        `variant` and `region` first: `add_costs` and `estimate_costs` then price each row by its variant.
    """
    regions = {prompt.region or region for prompt in prompts}
    if len(regions) <= 1:
        return find_prices(sorted({prompt.model_id for prompt in prompts}), region=max(regions), own=own)
    tables = [
        find_prices(prompt.model_id, region=there, own=own).select(
            pl.lit(prompt.name).alias("variant"), pl.lit(there).alias("region"), pl.all()
        )
        for prompt in prompts
        for there in [prompt.region or region]
    ]
    return pl.concat(tables)


def list_regions(named: Mapping[str, str], region: str) -> list[str]:
    """List the Regions of a run, each once, by those that its prompts name."""
    return list(dict.fromkeys(name or region for name in named.values()))
