"""Updates: today's prices and an account's quotas, read from AWS into tables of your own, and what changed by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from botocore.exceptions import BotoCoreError, ClientError

from analysis.aws.session import EMULATOR, make_client, open_session
from analysis.errors import StorageError
from analysis.facts import read_own_facts, write_own_facts
from analysis.facts.aws_price_list import read_price_list
from analysis.facts.aws_service_quotas import is_refused, read_service_quotas
from analysis.facts.model_names import Unread
from analysis.facts.prices import RATES, find_prices
from analysis.facts.quotas import Quotas, find_quotas

if TYPE_CHECKING:
    from types_boto3_pricing import PricingClient
    from types_boto3_service_quotas import ServiceQuotasClient

# The Price List answers in few Regions, for all of them.
PRICING_REGION = "us-east-1"
PERMISSIONS = {"prices": "pricing:GetProducts", "quotas": "servicequotas:ListServiceQuotas"}
KEYS = {"prices": ("model", "profile", "region", "invocation"), "quotas": ("quotas", "model")}
NUMBERS = {"prices": RATES, "quotas": tuple(Quotas.__dataclass_fields__)}
KEPT = " as before, from "
CHANGES = {
    "model": pl.String,
    "profile": pl.String,
    "region": pl.String,
    "invocation": pl.String,
    "number": pl.String,
    "old": pl.Float64,
    "new": pl.Float64,
    "read_on": pl.Date,
}
Row = dict[str, Any]


@dataclass(repr=False)
class Update:
    """What an update read, and what it changed; printing it shows both.

    Attributes
    ----------
    region, day
        Of which Region, and when.
    changes
        One row per number that changed: `model`, `profile`, `region` and `invocation` (of prices), `number` (the column
        of the table), `old` (missing where nothing was known), `new`, `read_on`.
    unchanged
        How many numbers were read and are as before.
    unread
        What AWS lists and is not understood here.
    refused
        Permissions that the caller does not have.
    files
        The tables that were written.
    """

    region: str
    day: date
    changes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGES))
    unchanged: int = 0
    unread: list[Unread] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def __repr__(self) -> str:
        heading = f"{self.region}, {self.day}: {len(self.changes):,} numbers changed, {self.unchanged:,} are as before."
        refused = [f"Not read: the caller is not allowed {name}." for name in self.refused]
        files = [f"Written: {file}" for file in self.files]
        return "\n".join([heading, *self.change_lines(), *files, *self.unread_lines(), *refused])

    def change_lines(self) -> list[str]:
        """Show every change in a line of its own."""
        if self.changes.is_empty():
            return []
        shown = self.changes.with_columns(
            *(pl.col(name).map_elements(write_number, pl.String, skip_nulls=False) for name in ("old", "new"))
        )
        with pl.Config(tbl_rows=-1, tbl_cols=-1, fmt_str_lengths=200, tbl_width_chars=240) as looks:
            looks.set_tbl_hide_dataframe_shape().set_tbl_hide_column_data_types().set_tbl_formatting("ASCII_MARKDOWN")
            return ["", str(shown.fill_null("")), ""]

    def unread_lines(self) -> list[str]:
        """Name what was not understood, by reason."""
        by_reason = groupby(sorted(self.unread, key=lambda one: one.reason), lambda one: one.reason)
        lines = [f"  {reason}: {'; '.join(one.name for one in group)}" for reason, group in by_reason]
        return ["Not understood, so left as it was:", *lines] if lines else []


def update_account(profile: str = "", *, region: str = "") -> Update:
    """Read today's prices and the account's quotas, and write them beside your other facts.

    Parameters
    ----------
    profile
        A profile of the AWS configuration; empty for boto3's default.
    region
        The Region whose prices and quotas are read; the profile's when empty.

    Returns
    -------
    update
        Printing it shows what changed.

    Raises
    ------
    StorageError
        No such profile, no Region, no credentials, or AWS cannot be reached.
    """
    if profile == EMULATOR:
        raise StorageError("profile 'emulator'", "has neither prices nor quotas of AWS", "name a profile of AWS")
    session = open_session(profile, region=region)
    if not session.region_name:
        raise StorageError("region", "none is named, and the profile has none", "name one: --region us-east-1")
    pricing = make_client(session, "pricing", region=PRICING_REGION)
    quotas = make_client(session, "service-quotas")
    return update_facts(pricing, quotas, region=session.region_name)


def update_facts(
    pricing: PricingClient, service_quotas: ServiceQuotasClient, *, region: str, today: date | None = None
) -> Update:
    """Read prices and quotas through two boto3 clients and write your tables; see `update_account`.

    A number that AWS does not list stays as it was. When only one of the tables may be read, it is written alone.
    """
    update = Update(region, today or date.today())
    reads: dict[str, Callable[[], tuple[pl.DataFrame, list[Unread]]]] = {
        "prices": lambda: read_price_list(pricing, region, today=update.day),
        "quotas": lambda: read_service_quotas(service_quotas, today=update.day),
    }
    for table, read in reads.items():
        try:
            rows, unread = read()
        except (BotoCoreError, ClientError) as error:
            if not isinstance(error, ClientError) or not is_refused(error):
                cure = "look at the credentials (`aws sts get-caller-identity`) and the network"
                raise StorageError(f"{table} of {region}", str(error), cure) from error
            update.refused.append(PERMISSIONS[table])
            continue
        update.unread += unread
        take_rows(update, table, rows.to_dicts())
    return update


def take_rows(update: Update, table: str, rows: list[Row]) -> None:
    """Note what the new rows of a table change, and write them over the old ones."""
    if not rows:
        return
    own = {tuple(row[name] for name in KEYS[table]): row for row in read_own_facts(table).to_dicts()}
    known = known_prices(rows, update.region) if table == "prices" else known_quotas(rows)
    changes = [change for row, before in zip(rows, known, strict=True) for change in list_changes(row, before, table)]
    update.unchanged += sum(row[name] is not None for row in rows for name in NUMBERS[table]) - len(changes)
    update.changes = pl.concat([update.changes, pl.DataFrame(changes, schema=CHANGES)])
    for row in rows:
        key = tuple(row[name] for name in KEYS[table])
        own[key] = keep_numbers(row, own.get(key, {}), NUMBERS[table])
    table_of_own = pl.DataFrame(list(own.values()), schema=read_own_facts(table).schema)
    update.files.append(write_own_facts(table, table_of_own.sort(KEYS[table])))


def known_prices(rows: Iterable[Row], region: str) -> list[Row]:
    """Look up what each row's price was until now; nothing where none was known."""
    # Some prices of the package are known for `us.` alone.
    geo = "us." if region.startswith("us-") and not region.startswith("us-gov") else ""
    ids = [f"{'global.' if row['profile'] == 'global' else geo}{row['model']}" for row in rows]
    found = {(row["model_id"], row["invocation"]): row for row in find_prices(ids, region=region).to_dicts()}
    return [found.get((model_id, row["invocation"]), {}) for model_id, row in zip(ids, rows, strict=True)]


def known_quotas(rows: Iterable[Row]) -> list[Row]:
    """Look up what each row's quotas were until now."""
    return [asdict(find_quotas(row["model"])) for row in rows]


def list_changes(row: Row, before: Mapping[str, Any], table: str) -> list[Row]:
    """List the numbers of a row that are not what they were."""
    of_row = {name: row.get(name) for name in CHANGES}
    return [
        of_row | {"number": name, "old": before.get(name), "new": row[name]}
        for name in NUMBERS[table]
        if row[name] is not None and not is_same(row[name], before.get(name))
    ]


def is_same(new: float, old: float | None) -> bool:
    """Tell whether two numbers are the same but for the rounding of a division."""
    return old is not None and math.isclose(new, old, rel_tol=1e-9)


def keep_numbers(row: Row, before: Mapping[str, Any], numbers: Iterable[str]) -> Row:
    """Keep the numbers that were known before and that the new row does not have; the source says so."""
    kept = {name: before[name] for name in numbers if row[name] is None and before.get(name) is not None}
    if not kept:
        return row
    first = str(before["source"]).rpartition(KEPT)[2]
    return row | kept | {"source": f"{row['source']}; {' and '.join(kept)}{KEPT}{first}"}


def write_number(number: float | None) -> str:
    """Write a price or a count without needless digits."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.6g}"
