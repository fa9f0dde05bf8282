"""ARNs of models: the resources that a policy names, so that a model can be invoked and no other one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from analysis.errors import ModelError
from analysis.facts import read_facts
from analysis.facts.models import NAMED_BY_MODEL, PROFILE, find_model, split_arn

PARTITIONS = {"us-gov-": "aws-us-gov", "cn-": "aws-cn", "eusc-": "aws-eusc"}


def find_partition(region: str) -> str:
    """Return the partition of a Region, the second part of its ARNs."""
    return next((partition for start, partition in PARTITIONS.items() if region.startswith(start)), "aws")


def list_model_arns(model_id: str, *, region: str, account: str, behind: Sequence[str] = ()) -> list[str]:
    """List the ARNs that a policy has to name, so that a model can be invoked by its id.

    Parameters
    ----------
    model_id
        Model id, profile id or ARN, as it is sent to Bedrock.
    region, account
        The Region that is called, and the number of the account that calls.
    behind
        ARNs of the foundation models behind an inference profile, as GetInferenceProfile lists them. Without them those
        of the profile's geography in `facts/profile_regions.csv`, which may be more Regions than the model is in.

    Returns
    -------
    arns
        The inference profile first, if it is one, then the foundation models.

    Raises
    ------
    ModelError
        An application inference profile without `behind`: its ARN does not tell its models.

    Notes
    -----
    Who invokes an inference profile needs the profile, and its model in each Region that it sends requests to.
    Source: "Geographic cross-Region inference", "Global cross-Region inference", Amazon Bedrock User Guide.
    """
    kind, name = split_arn(model_id)
    own = model_id if kind else format_arn(find_model(model_id).kind, name, region=region, account=account)
    if kind and kind not in NAMED_BY_MODEL and not behind:
        if kind == "application-inference-profile":
            reason = "the models behind an application inference profile are not known without asking Bedrock"
            raise ModelError(model_id, reason, "give --profile, so that GetInferenceProfile is asked")
        return [own]
    if not own.split(":", 5)[5].startswith(("inference-profile/", "application-inference-profile/")):
        return [own]
    return list(dict.fromkeys([own, *(behind or list_destinations(name, region=own.split(":")[3]))]))


def format_arn(kind: str, name: str, *, region: str, account: str) -> str:
    """Format the ARN of a model or an inference profile; models belong to AWS, so theirs have no account."""
    owner = "" if kind == "foundation-model" else account
    return f"arn:{find_partition(region)}:bedrock:{region}:{owner}:{kind}/{name}"


def list_destinations(profile_id: str, *, region: str) -> list[str]:
    """List the foundation models behind a profile's id: in the Region that is called, and in its geography."""
    prefix = PROFILE.match(profile_id)
    model, geography = (profile_id[prefix.end() :], prefix[1]) if prefix else (profile_id, "")
    places = list_profile_regions(geography)
    own = [] if any(fnmatchcase(region, place) for place in places) else [region]
    return [format_arn("foundation-model", model, region=place, account="") for place in (*own, *places)]


def list_profile_regions(prefix: str) -> list[str]:
    """List the Regions of a profile's geography, as patterns; the one of `global` is empty, as in its models' ARNs."""
    table = read_facts("profile_regions")
    return [place or "" for place in table.filter(table["profile"] == prefix)["region"]]
