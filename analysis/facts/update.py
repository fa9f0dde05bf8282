"""Update: read today's prices and an account's quotas from AWS into your own tables, and list what changed."""

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
from analysis.display import count
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

# Few Regions offer the Price List API, and each of them lists the prices of all Regions.
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
        The Region and the day of the update.
    changes
        One row per number that changed: `model`, `profile`, `region` and `invocation` (of prices), `number` (the column
        of the table), `old` (missing where none was known), `new`, `read_on`.
    unchanged
        The count of numbers that are the same as before.
    unread
        What AWS lists and cannot be read here.
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
        changed = count(len(self.changes), "number")
        heading = f"{self.region}, {self.day}: {changed} changed, {self.unchanged:,} unchanged."
        refused = [f"Not read: the caller is not allowed {name}." for name in self.refused]
        files = [f"Written: {file}" for file in self.files]
        return "\n".join([heading, *self.format_changes(), *files, *self.format_unread(), *refused])

    def format_changes(self) -> list[str]:
        """Format the changes as a Markdown table."""
        if self.changes.is_empty():
            return []
        shown = self.changes.with_columns(
            *(pl.col(name).map_elements(write_number, pl.String, skip_nulls=False) for name in ("old", "new"))
        )
        with pl.Config(tbl_rows=-1, tbl_cols=-1, fmt_str_lengths=200, tbl_width_chars=240) as looks:
            looks.set_tbl_hide_dataframe_shape().set_tbl_hide_column_data_types().set_tbl_formatting("ASCII_MARKDOWN")
            return ["", str(shown.fill_null("")), ""]

    def format_unread(self) -> list[str]:
        """Format what could not be read, one line per reason."""
        by_reason = groupby(sorted(self.unread, key=lambda one: one.reason), lambda one: one.reason)
        lines = [f"  {reason}: {'; '.join(one.name for one in group)}" for reason, group in by_reason]
        return ["Could not be read, so these stay as they were:", *lines] if lines else []


def update_account(profile: str = "", *, region: str = "") -> Update:
    """Read today's prices and the account's quotas, and write them to your own tables.

    Parameters
    ----------
    profile
        AWS profile; boto3's default when empty.
    region
        The Region whose prices and quotas are read; the profile's when empty.

    Returns
    -------
    update
        Print it to see what changed.

    Raises
    ------
    StorageError
        The profile does not exist, there is no Region or there are no credentials, or AWS cannot be reached.
    """
    if profile == EMULATOR:
        raise StorageError("profile 'emulator'", "the emulator has no prices and quotas of AWS", "give an AWS profile")
    session = open_session(profile, region=region)
    if not session.region_name:
        raise StorageError("region", "none is given, and the profile has none", "give one: --region us-east-1")
    pricing = make_client(session, "pricing", region=PRICING_REGION)
    quotas = make_client(session, "service-quotas")
    return update_facts(pricing, quotas, region=session.region_name)


def update_facts(
    pricing: PricingClient, service_quotas: ServiceQuotasClient, *, region: str, today: date | None = None
) -> Update:
    """Read prices and quotas through two boto3 clients and write your tables; see `update_account`.

    A number that AWS does not list stays as it was. When the caller may read only one of the tables, only that one is
    written.
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
                cure = "check the credentials (`aws sts get-caller-identity`) and the network"
                raise StorageError(f"{table} of {region}", str(error), cure) from error
            update.refused.append(PERMISSIONS[table])
            continue
        update.unread += unread
        merge_rows(update, table, rows.to_dicts())
    return update


def merge_rows(update: Update, table: str, rows: list[Row]) -> None:
    """Add what the new rows of a table change to the update, and write the table with them."""
    if not rows:
        return
    own = {tuple(row[name] for name in KEYS[table]): row for row in read_own_facts(table).to_dicts()}
    known = find_known_prices(rows, update.region) if table == "prices" else find_known_quotas(rows)
    changes = [change for row, before in zip(rows, known, strict=True) for change in list_changes(row, before, table)]
    update.unchanged += sum(row[name] is not None for row in rows for name in NUMBERS[table]) - len(changes)
    update.changes = pl.concat([update.changes, pl.DataFrame(changes, schema=CHANGES)])
    for row in rows:
        key = tuple(row[name] for name in KEYS[table])
        own[key] = fill_numbers(row, own.get(key, {}), NUMBERS[table])
    own_table = pl.DataFrame(list(own.values()), schema=read_own_facts(table).schema)
    update.files.append(write_own_facts(table, own_table.sort(KEYS[table])))


def find_known_prices(rows: Iterable[Row], region: str) -> list[Row]:
    """Look up the price of each row before the update; an empty row where none was known."""
    # The package knows some prices for the profile `us.` only.
    geo = "us." if region.startswith("us-") and not region.startswith("us-gov") else ""
    ids = [f"{'global.' if row['profile'] == 'global' else geo}{row['model']}" for row in rows]
    found = {(row["model_id"], row["invocation"]): row for row in find_prices(ids, region=region).to_dicts()}
    return [found.get((model_id, row["invocation"]), {}) for model_id, row in zip(ids, rows, strict=True)]


def find_known_quotas(rows: Iterable[Row]) -> list[Row]:
    """Look up the quotas of each row before the update."""
    return [asdict(find_quotas(row["model"])) for row in rows]


def list_changes(row: Row, before: Mapping[str, Any], table: str) -> list[Row]:
    """List the numbers of a row that changed."""
    of_row = {name: row.get(name) for name in CHANGES}
    return [
        of_row | {"number": name, "old": before.get(name), "new": row[name]}
        for name in NUMBERS[table]
        if row[name] is not None and not is_same(row[name], before.get(name))
    ]


def is_same(new: float, old: float | None) -> bool:
    """Return whether two numbers are equal within the rounding error of a division."""
    return old is not None and math.isclose(new, old, rel_tol=1e-9)


def fill_numbers(row: Row, before: Mapping[str, Any], numbers: Iterable[str]) -> Row:
    """Fill numbers that the new row does not have from the row before, and add its origin to `source`."""
    kept = {name: before[name] for name in numbers if row[name] is None and before.get(name) is not None}
    if not kept:
        return row
    first = str(before["source"]).rpartition(KEPT)[2]
    return row | kept | {"source": f"{row['source']}; {' and '.join(kept)}{KEPT}{first}"}


def write_number(number: float | None) -> str:
    """Format a price or a count without trailing zeros."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.6g}"
