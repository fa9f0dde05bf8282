"""Tags of jobs and of inference profiles, as requests of bedrock bring them.

Sources: Amazon Bedrock API Reference, TagResource and its companions; "Tag naming limits and requirements" of AWS.
"""

from __future__ import annotations

from bedrock_local.protocol.errors import ServiceError

MOST_TAGS = 50
Tags = list[dict[str, str]]


def check_tags(tags: Tags) -> None:
    """Refuse tags of the same key, and too many tags, which the shape of the request allows."""
    keys = [tag["key"] for tag in tags]
    for key in keys:
        if keys.count(key) > 1:
            raise ServiceError("ValidationException", f"Duplicate tag keys found: {key}")
    if len(keys) > MOST_TAGS:
        raise ServiceError("ValidationException", f"A resource can have {MOST_TAGS} tags, and not {len(keys)}.")


def merge_tags(old: Tags, new: Tags) -> Tags:
    """Add tags to those of a resource; a tag of the same key gets the new value, and too many are refused."""
    check_tags(new)
    found = {tag["key"]: tag for tag in [*old, *new]}
    if len(found) > MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A resource can have {MOST_TAGS} tags, and not {len(found)}.")
    return list(found.values())


def drop_tags(old: Tags, keys: list[str]) -> Tags:
    """Remove tags by their keys; a key that the resource does not have is not an error."""
    return [tag for tag in old if tag["key"] not in keys]
