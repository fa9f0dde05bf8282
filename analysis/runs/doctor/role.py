"""Checks of the service role: that it exists, that Bedrock may assume it, and what it may do, as far as IAM tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from analysis.aws.policies import KEY_ACTIONS, SERVICE, Place
from analysis.runs.doctor.findings import REFUSALS, Finding, find_code, look, make_quick_client

ROLE = re.compile(r"arn:aws(?:-[^:]+)?:iam::(?P<account>[0-9]{12}):role/(?:.*/)?(?P<name>[^/]+)")
TRUST = "print the trust policy by `batchbook iam --only trust`"
PERMISSIONS = "compare its policies with those that `batchbook iam --only role` prints"
Request = tuple[str, Sequence[str], Sequence[str]]


def check_role(session: Any, place: Place, models: Sequence[str]) -> list[Finding]:
    """Check the service role of the jobs.

    Parameters
    ----------
    session
        Of the caller, who may not be allowed to ask IAM: the findings are then unknown.
    place
        Region, account, bucket and role of the jobs.
    models
        ARNs of the models and inference profiles that the role has to invoke.
    """
    if not place.role_arn:
        return [Finding("role", "unknown", "none is given", "give --role-arn: Bedrock assumes it for a batch job")]
    named = ROLE.fullmatch(place.role_arn)
    if not named:
        cure = "write it as arn:aws:iam::123456789012:role/batchbook"
        return [Finding("role", "error", f"{place.role_arn!r} is not the ARN of a role", cure)]
    # Where STS does not tell the account, the role does.
    place = replace(place, account=place.account or named["account"])
    if named["account"] != place.account:
        detail = f"the role is of account {named['account']}, and the jobs would be of {place.account}"
        return [Finding("role", "error", detail, "give a role of the jobs' account: Bedrock takes no other one")]
    instead = f"ask who may read IAM: the role has to exist and trust {SERVICE}; {TRUST}"
    iam = make_quick_client(session, "iam")
    found = look("role", lambda: read_role(iam, named["name"], place), instead=instead)
    if found[0].status == "error":
        return found
    return found + look(
        "role permissions", lambda: simulate(iam, place, models), instead=f"ask who may read IAM: {PERMISSIONS}"
    )


def read_role(iam: Any, name: str, place: Place) -> Iterator[Finding]:
    """Ask IAM for the role, and read its trust policy."""
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except REFUSALS as error:
        if find_code(error) != "NoSuchEntity":
            raise
        cure = f"create it; {TRUST}, and by `--only role` what it may do"
        yield Finding("role", "error", f"account {place.account} has no role {name}", cure)
        return
    yield Finding("role", "ok", str(role["Arn"]))
    yield check_trust(role.get("AssumeRolePolicyDocument", {}), place)


def check_trust(policy: Mapping[str, Any], place: Place) -> Finding:
    """Check that a trust policy lets Bedrock assume the role, for a job of this account and Region."""
    trusting = [each for each in as_list(policy.get("Statement", [])) if trusts_service(each)]
    if not trusting:
        return Finding("role trust", "error", f"the trust policy does not allow {SERVICE} to assume the role", TRUST)
    job = place.jobs_arn.replace("*", "000000000000")
    context = {"aws:sourceaccount": place.account, "aws:sourcearn": job}
    failures = [find_failures(each.get("Condition", {}), context) for each in trusting]
    if [] in failures:
        return Finding("role trust", "ok", f"{SERVICE} may assume the role")
    unread = [key for each in failures for key in each if key.lower() not in context]
    if unread:
        detail = f"{SERVICE} may assume the role under conditions that are not read here: {', '.join(unread)}"
        return Finding("role trust", "unknown", detail, f"see that they hold for a batch job; {TRUST}")
    detail = f"{', '.join(failures[0])} of the trust policy is not that of a job in {place.region}, {place.account}"
    return Finding("role trust", "error", detail, TRUST)


def trusts_service(statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows Bedrock to assume the role, whatever its conditions are."""
    principal = statement.get("Principal", {})
    services = as_list(principal.get("Service", [])) if isinstance(principal, Mapping) else as_list(principal)
    actions = [str(action).lower() for action in as_list(statement.get("Action", []))]
    assumes = any(fnmatchcase("sts:assumerole", action) for action in actions)
    return statement.get("Effect") == "Allow" and assumes and bool({SERVICE, "*"} & {*services})


def find_failures(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> list[str]:
    """Find the keys of a condition that a job does not meet, or that are not known here."""
    failed = []
    for test, values in condition.items():
        is_known_test = re.fullmatch(r"(String(Equals|Like)|Arn(Equals|Like))(IfExists)?", test)
        for key, wanted in values.items():
            given = context.get(key.lower())
            is_met = given is not None and any(fnmatchcase(given, str(each)) for each in as_list(wanted))
            if not is_known_test or not is_met:
                failed.append(key if is_known_test else f"{key} ({test})")
    return failed


def simulate(iam: Any, place: Place, models: Sequence[str]) -> Iterator[Finding]:
    """Ask IAM what the role's own policies allow: a policy of the bucket or of the key may allow or deny more."""
    account = place.bucket_owner or place.account
    owner = {"ContextKeyName": "aws:ResourceAccount", "ContextKeyType": "string", "ContextKeyValues": [account]}
    for what, actions, resources in list_requests(place, models):
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=place.role_arn, ActionNames=actions, ResourceArns=resources, ContextEntries=[owner]
        )
        results = [result for page in pages for result in page["EvaluationResults"]]
        yield judge(what, results)


def list_requests(place: Place, models: Sequence[str]) -> Iterator[Request]:
    """List what the role has to be allowed: what it is for, actions and resources."""
    if place.bucket:
        yield "the bucket", ["s3:ListBucket"], [place.bucket_arn]
        yield "the runs' folder", ["s3:GetObject", "s3:PutObject"], [place.objects_arn.replace("*", "run/input")]
    # A pattern of Regions cannot be simulated: a policy that names each of them would seem to deny it.
    concrete = [arn for arn in models if "*" not in arn]
    if concrete:
        yield "the models", ["bedrock:InvokeModel"], concrete
    if place.kms_key_id.startswith("arn:") and ":key/" in place.kms_key_id:
        yield "the KMS key", KEY_ACTIONS, [place.kms_key_id]


def judge(what: str, results: Iterable[Mapping[str, Any]]) -> Finding:
    """Say whether IAM allows all of it, and what it does not allow."""
    refused = [each for each in results if each["EvalDecision"] != "allowed"]
    if not refused:
        return Finding("role permissions", "ok", f"{what}: allowed")
    named = ", ".join(f"{each['EvalActionName']} on {each.get('EvalResourceName', '*')}" for each in refused)
    missing = sorted({key for each in refused for key in each.get("MissingContextValues", [])})
    if missing:
        detail = f"{what}: depends on {', '.join(missing)}, which a simulation does not know ({named})"
        return Finding("role permissions", "unknown", detail, PERMISSIONS)
    return Finding("role permissions", "error", f"{what}: not allowed {named}", PERMISSIONS)


def as_list(value: Any) -> list[Any]:
    """Return the values of a field of a policy, which may be one or a list."""
    return value if isinstance(value, list) else [value]
