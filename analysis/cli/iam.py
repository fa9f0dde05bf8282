"""The command `iam`: print the policies that a run on AWS needs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from analysis.cli.app import app, say
from analysis.cli.sending import PromptsCommand
from analysis.errors import ModelError, StorageError

if TYPE_CHECKING:
    import boto3

TITLES = {
    "caller": "What the caller may do",
    "trust": "Trust policy of the service role",
    "role": "What the service role may do",
}


@app.command(cls=PromptsCommand)
def iam(
    bucket: Annotated[str, Option(metavar="NAME", help="S3 bucket for input and output.")],
    prompts: Annotated[
        list[Path] | None, Option(metavar="FILES", help="Prompt files, or folders of them, whose models are allowed.")
    ] = None,
    model: Annotated[
        list[str] | None, Option(metavar="ID", help="Model, as in a prompt file; can be given several times.")
    ] = None,
    prefix: Annotated[str, Option(metavar="FOLDER", help="Folder of the runs in the bucket.")] = "batchbook",
    profile: Annotated[
        str, Option(metavar="NAME", help="AWS profile, to ask for what is left out; by default boto3's.")
    ] = "",
    region: Annotated[str, Option(metavar="NAME", help="Region of the jobs; by default the profile's.")] = "",
    account: Annotated[
        str, Option(metavar="ACCOUNT", help="Account of the jobs, 12 digits; by default the profile's.")
    ] = "",
    role_arn: Annotated[
        str, Option(metavar="ARN", help="Service role of the jobs; by default one called batchbook.")
    ] = "",
    bucket_owner: Annotated[
        str, Option(metavar="ACCOUNT", help="Account that the bucket belongs to; by default that of the jobs.")
    ] = "",
    kms_key_id: Annotated[str, Option(metavar="KEY", help="KMS key that encrypts input and output.")] = "",
    only: Annotated[
        Literal["caller", "trust", "role"] | None, Option(help="Print one of the three, without its title.")
    ] = None,
) -> None:
    """Print the policies that a run on AWS needs.

    Three documents of IAM, ready to paste: what the caller may do, whom the service role trusts, and what it may do.
    They name the models of the prompts, each in its Region, and the runs' folder in the bucket. Where prompts name
    several Regions, {region} in the name of the bucket stands for each.

    With --profile, Amazon Bedrock is asked which Regions are behind each inference profile; otherwise the policies name
    its geography. AWS is not asked at all when --account and --region are given, and no --profile;
    prompts that all name their Region need no --region.
    """
    from analysis.aws.policies import Place, merge_policies, write_caller_policy, write_role_policy, write_trust_policy
    from analysis.facts.model_arns import find_partition
    from analysis.runs.regions import name_buckets

    check_accounts(account, bucket_owner)
    asked = list_model_ids(prompts or [], model or [], region)
    session = None if account and "" not in asked and not profile else open_named(profile, region)
    if session and "" in asked:
        asked = list_model_ids(prompts or [], model or [], str(session.region_name or ""))
    account = account or ask_account(session)
    if "" in asked:
        raise StorageError("--region", "no region is known", "name one, such as us-east-1")
    partition = find_partition(next(iter(asked)))
    role_arn = role_arn or f"arn:{partition}:iam::{account}:role/batchbook"
    written: dict[str, list[dict[str, Any]]] = {name: [] for name in TITLES}
    for there, name in name_buckets("--bucket", bucket, asked).items():
        place = Place(there, account, name, prefix, role_arn, bucket_owner, kms_key_id, partition)
        models = list_resources(asked[there], there, account, session)
        written["caller"].append(write_caller_policy(place, models))
        written["trust"].append(write_trust_policy(place))
        written["role"].append(write_role_policy(place, models))
    documents = {name: json.dumps(merge_policies(policies), indent=2) for name, policies in written.items()}
    say(documents[only] if only else "\n\n".join(f"{TITLES[name]}:\n\n{text}" for name, text in documents.items()))


def check_accounts(*accounts: str) -> None:
    """Raise for what is no number of an account: a policy would silently allow nothing."""
    for account in filter(None, accounts):
        if not re.fullmatch("[0-9]{12}", account):
            raise StorageError("--account", f"{account!r} is not the number of an account", "give its 12 digits")


def open_named(profile: str, region: str) -> boto3.Session:
    """Open the session of a profile."""
    from analysis.aws.session import open_session

    return open_session(profile, region=region)


def ask_account(session: Any) -> str:
    """Ask STS for the number of the account."""
    from analysis.aws.session import find_account_id

    account = find_account_id(session)
    if not account:
        raise StorageError("--account", "no account is known, since STS did not tell it", "give its 12 digits")
    return account


def list_model_ids(prompts: list[Path], models: list[str], region: str) -> dict[str, list[str]]:
    """List the models that are named, and those of prompt files, each once in each Region where it is asked."""
    from analysis.prompts import read_prompts

    named = [(region, model_id) for model_id in models]
    named += [(prompt.region or region, prompt.model_id) for prompt in (read_prompts(prompts) if prompts else [])]
    if not named:
        raise ModelError("models", "no model is named", "give --prompts, or --model for each of them")
    asked: dict[str, list[str]] = {}
    for there, model_id in dict.fromkeys(named):
        asked.setdefault(there, []).append(model_id)
    return asked


def list_resources(model_ids: list[str], region: str, account: str, session: Any) -> list[str]:
    """List the ARNs of models and of what is behind their inference profiles, each once."""
    from analysis.facts.model_arns import list_model_arns

    behind = {each: ask_bedrock(each, region, session) if session else [] for each in model_ids}
    arns = [list_model_arns(each, region=region, account=account, behind=behind[each]) for each in model_ids]
    return list(dict.fromkeys(arn for some in arns for arn in some))


def ask_bedrock(model_id: str, region: str, session: Any) -> list[str]:
    """Ask Bedrock what is behind an inference profile; say so where it does not tell."""
    from analysis.aws.profiles import find_models_behind
    from analysis.aws.session import make_client
    from analysis.facts.models import find_model

    if not find_model(model_id).kind.endswith("inference-profile"):
        return []
    behind = find_models_behind(make_client(session, "bedrock", region=region), model_id)
    if not behind:
        say(f"Amazon Bedrock did not tell the regions of {model_id}: its geography is allowed.", err=True)
    return behind
