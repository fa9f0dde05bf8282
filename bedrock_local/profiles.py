"""Inference profiles: those that AWS defines for each model and part of the world, and those of the account.

Sources: Amazon Bedrock User Guide, "Supported Regions and models for inference profiles", for prefixes and Regions; the
service model of bedrock for the profiles that an account makes. Which models have a profile where is inferred.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from filelock import FileLock

from bedrock_local.files import write_file
from bedrock_local.models import ALL_MODELS, PROFILE, Model
from bedrock_local.protocol.resource_tags import Tags

# Regions to which the profiles of a prefix send requests; at most five are listed.
DESTINATIONS = {
    "us": ("us-east-1", "us-east-2", "us-west-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "eu": ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3"),
    "apac": ("ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "ca": ("ca-central-1", "us-east-1"),
}
PREFIXES = {"us-gov-": "us-gov", "us-": "us", "eu-": "eu", "ap-": "apac", "ca-": "ca"}
HAS_PROFILES = re.compile(r"anthropic\.|amazon\.nova|meta\.llama|deepseek\.r1|writer\.|cohere\.embed-v4")
IS_GLOBAL = re.compile(r"anthropic\.claude-[a-z]+-\d|amazon\.nova-2-lite|cohere\.embed-v4")
APPLICATION = re.compile(r"(?:arn:[a-z-]+:bedrock:(?P<region>[a-z0-9-]+):\d{12}:application-inference-profile/)?"
                         r"(?P<id>[a-z0-9]{12})")  # fmt: skip
ID_LETTERS = string.ascii_lowercase + string.digits


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile that the account has made.

    Attributes
    ----------
    model
        Base id of the model.
    model_arns
        What it sends requests to.
    created
        In seconds since 1970.
    token
        The `clientRequestToken` of the request that made it; empty for none.
    tags
        Key and value of each.
    """

    profile_id: str
    name: str
    region: str
    model: str
    model_arns: list[str]
    created: float
    description: str = ""
    token: str = ""
    tags: Tags = []


def is_any_profile(model_id: str) -> bool:
    """Return whether an id or an ARN is of a profile of AWS or of an account."""
    return bool(PROFILE.match(model_id.rsplit("/", 1)[-1]) or APPLICATION.fullmatch(model_id))


def list_system_ids(region: str) -> Iterator[tuple[str, Model]]:
    """Yield the ids of the profiles that AWS has in a region, each with its model."""
    prefix = next((name for start, name in PREFIXES.items() if region.startswith(start)), "")
    for base, model in sorted(ALL_MODELS.items()):
        if HAS_PROFILES.match(base) and prefix:
            yield f"{prefix}.{base}", model
        if IS_GLOBAL.match(base) and prefix != "us-gov":
            yield f"global.{base}", model


def list_destinations(prefix: str, region: str) -> list[str]:
    """List the regions of a profile; empty for the ARN without one that a global profile has beside its own region."""
    return [region, ""] if prefix == "global" else list(DESTINATIONS[prefix])


def find_profile(folder: Path, identifier: str, region: str) -> Profile | None:
    """Find a profile of the account by its id or ARN; None for another region, and for none."""
    found = APPLICATION.fullmatch(identifier)
    if not found or (found["region"] or region) != region:
        return None
    try:
        profile = msgspec.json.decode(profile_path(folder, found["id"]).read_bytes(), type=Profile)
    except FileNotFoundError:
        return None
    return profile if profile.region == region else None


def list_profiles(folder: Path, region: str) -> list[Profile]:
    """List the profiles of the account in a region, by their ids."""
    paths = sorted((folder / "state/inference-profiles").glob("*.json"))
    found = (find_profile(folder, path.stem, region) for path in paths)
    return [profile for profile in found if profile]


def save_profile(folder: Path, profile: Profile) -> None:
    """Save a profile."""
    write_file(profile_path(folder, profile.profile_id), msgspec.json.encode(profile))


def change_profile(folder: Path, profile: Profile, change: Callable[[Profile], Profile]) -> None:
    """Replace a profile by what a function makes of it as it is now; one that was deleted meanwhile stays so."""
    with lock_profiles(folder):
        if found := find_profile(folder, profile.profile_id, profile.region):
            save_profile(folder, change(found))


def delete_profile(folder: Path, profile: Profile) -> None:
    """Delete a profile."""
    with lock_profiles(folder):
        profile_path(folder, profile.profile_id).unlink(missing_ok=True)


def lock_profiles(folder: Path) -> FileLock:
    """Return the lock under which a profile is changed."""
    path = folder / "state/locks/inference-profiles"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def make_profile_id() -> str:
    """Make the id of a profile."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(12))


def profile_path(folder: Path, profile_id: str) -> Path:
    """Return the path of a profile's file."""
    return folder / "state/inference-profiles" / f"{profile_id}.json"
