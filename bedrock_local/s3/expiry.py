"""Expiry of objects by the lifecycle of their bucket: an object is deleted when it is next read or listed.

Source: Amazon S3 User Guide, "Lifecycle configuration elements" and "Expiring objects".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.timestamps import read_time
from bedrock_local.s3 import store
from bedrock_local.s3.configuration import read_configuration
from bedrock_local.s3.store import ObjectMetadata

DAY_S = 24 * 3600
NEVER = float("inf")


@dataclass(frozen=True)
class Rule:
    """A rule that expires objects, after `days` or at `date` (seconds since 1970)."""

    prefix: str
    tags: dict[str, str]
    more_than: float
    less_than: float
    days: int | None
    date: float

    def applies_to(self, key: str, metadata: ObjectMetadata) -> bool:
        """Return whether an object is one of those that the rule is for."""
        is_size = self.more_than < metadata.size < self.less_than
        return is_size and key.startswith(self.prefix) and self.tags.items() <= metadata.tags.items()

    def find_end(self, metadata: ObjectMetadata) -> float:
        """Return when an object expires: the midnight (UTC) that follows its days, in seconds since 1970."""
        if self.days is None:
            return self.date
        return (metadata.modified_ns // 10**9 // DAY_S + self.days + 1) * DAY_S


def read_rules(folder: Path, bucket: str) -> list[Rule]:
    """Read those rules of a bucket that are enabled and expire objects."""
    content = read_configuration(folder, bucket, "lifecycle")
    if not content:
        return []
    # It was checked before it was kept, and has no declarations.
    document = fromstring(f"<Rules>{content}</Rules>")  # noqa: S314
    enabled = [rule for rule in document if rule.findtext("Status") == "Enabled"]
    return [read_rule(rule) for rule in enabled if rule.findtext("Expiration/Days") or rule.findtext("Expiration/Date")]


def read_rule(rule: Element) -> Rule:
    """Read a rule; its filter stands in it as one condition, as several in `And`, or in the older form as a prefix."""
    places = (rule, *rule.findall("Filter"), *rule.findall("Filter/And"))
    found = {child.tag: child.text or "" for place in places for child in place}
    tags = {tag.findtext("Key") or "": tag.findtext("Value") or "" for place in places for tag in place.findall("Tag")}
    days, date = rule.findtext("Expiration/Days"), rule.findtext("Expiration/Date")
    return Rule(
        prefix=found.get("Prefix", ""),
        tags=tags,
        more_than=float(found.get("ObjectSizeGreaterThan", -1)),
        less_than=float(found.get("ObjectSizeLessThan", NEVER)),
        days=int(days) if days else None,
        date=read_time(date) if date else NEVER,
    )


def is_expired(rules: list[Rule], key: str, metadata: ObjectMetadata, now: float) -> bool:
    """Return whether any rule has ended the time of an object."""
    return any(rule.applies_to(key, metadata) and rule.find_end(metadata) <= now for rule in rules)


def expire_object(folder: Path, bucket: str, key: str, now: float) -> None:
    """Delete an object whose time has ended; do nothing where there is no such bucket or object."""
    try:
        rules = read_rules(folder, bucket)
        if rules and is_expired(rules, key, store.find_object(folder, bucket, key)[1], now):
            delete_expired(folder, bucket, key, rules=rules, now=now)
    except ServiceError:
        # What asks next says so in its own words.
        return


def delete_expired(folder: Path, bucket: str, key: str, *, rules: list[Rule], now: float) -> None:
    """Delete an object, unless another has taken its key in the meantime."""

    def check(old: ObjectMetadata) -> None:
        if not is_expired(rules, key, old, now):
            raise store.missing_key(key)

    try:
        store.delete_object(folder, bucket, key, check=check)
    except ServiceError:
        return
