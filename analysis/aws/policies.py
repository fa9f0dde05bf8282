"""Policies: the least that the caller and the service role of the jobs need in AWS, as documents of IAM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SERVICE = "bedrock.amazonaws.com"
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
Document = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where jobs run, and where their input and output are.

    Attributes
    ----------
    region, account
        Region of the jobs, and number of the account that they belong to.
    bucket, prefix
        S3 bucket, and the folder in it that holds the runs; empty for the whole bucket.
    role_arn
        Service role of the jobs.
    bucket_owner
        Number of the account that the bucket belongs to; empty for `account`.
    kms_key_id
        ARN, id or alias of the KMS key that encrypts input and output; empty where the bucket's default does.
    partition
        Second part of the ARNs: `aws`, or that of China, of GovCloud or of the European Sovereign Cloud.
    """

    region: str
    account: str
    bucket: str
    prefix: str
    role_arn: str
    bucket_owner: str = ""
    kms_key_id: str = ""
    partition: str = "aws"

    @property
    def bucket_arn(self) -> str:
        """ARN of the bucket."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def objects_arn(self) -> str:
        """Pattern of the ARNs of the runs' objects."""
        return "/".join(part for part in (self.bucket_arn, self.prefix.strip("/"), "*") if part)

    @property
    def jobs_arn(self) -> str:
        """Pattern of the ARNs of the jobs."""
        return f"arn:{self.partition}:bedrock:{self.region}:{self.account}:model-invocation-job/*"


def write_caller_policy(place: Place, models: Sequence[str]) -> Document:
    """Write the policy of who runs batchbook: every action that the package calls, on as little as IAM can tell apart.

    Parameters
    ----------
    place
        Region, account, bucket and role of the jobs.
    models
        ARNs of the models and inference profiles, from `list_model_arns`.

    Returns
    -------
    policy
        A document of IAM, ready for `json.dumps`.

    Notes
    -----
    Some actions have no resource: those on lists, prices and quotas. GetCallerIdentity needs no permission.
    Sources: "Required permissions for batch inference", Amazon Bedrock User Guide, which leaves out iam:PassRole;
    "Actions, resources, and condition keys" for Amazon Bedrock, S3, IAM and Service Quotas, Service Authorization
    Reference.
    """
    jobs = ("GetModelInvocationJob", "StopModelInvocationJob", "TagResource")
    lookups = ("GetFoundationModel", "GetInferenceProfile")
    without_resource = ("bedrock:GetFoundationModelAvailability", "bedrock:ListModelInvocationJobs")
    facts = ("pricing:GetProducts", "servicequotas:ListAWSDefaultServiceQuotas", "servicequotas:ListServiceQuotas")
    prefix = place.prefix.strip("/")
    below = [prefix, f"{prefix}/*"] if prefix else []
    objects = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
    versions = ("s3:GetBucketVersioning", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")
    deletions = ("s3:DeleteObject", "s3:DeleteObjectVersion")
    return write_policy(
        allow("CreateJobs", ["bedrock:CreateModelInvocationJob"], [*models, place.jobs_arn]),
        allow("FollowJobs", [f"bedrock:{name}" for name in jobs], [place.jobs_arn]),
        allow("AskModels", ["bedrock:InvokeModel"], models),
        allow("LookUpModels", [f"bedrock:{name}" for name in lookups], models),
        allow("ReadListsPricesAndQuotas", [*without_resource, *facts], ["*"]),
        allow("PassRole", ["iam:PassRole"], [place.role_arn], {"StringEquals": {"iam:PassedToService": SERVICE}}),
        allow("CheckRole", ["iam:GetRole", "iam:SimulatePrincipalPolicy"], [place.role_arn]),
        # HeadBucket, which tells the bucket's Region, has no prefix.
        allow("ListRuns", ["s3:ListBucket"], [place.bucket_arn], {"StringLikeIfExists": {"s3:prefix": below}}),
        allow("ReadAndWriteRuns", objects, [place.objects_arn]),
        # Of `delete` alone: without these two it says what it may not do.
        allow("ListVersions", versions, [place.bucket_arn], {"StringLikeIfExists": {"s3:prefix": below}}),
        allow("DeleteRuns", deletions, [place.objects_arn]),
        *allow_key(place),
    )


def write_role_policy(place: Place, models: Sequence[str]) -> Document:
    """Write the permissions of the service role: the objects of the runs, the models, and the key if there is one.

    Notes
    -----
    Source: "Create a custom service role for batch inference", Amazon Bedrock User Guide. It names a role's own model
    only behind an inference profile; a job on a model's own id is refused without it all the same.
    """
    owner = {"StringEquals": {"aws:ResourceAccount": place.bucket_owner or place.account}}
    return write_policy(
        allow("ListBucket", ["s3:ListBucket"], [place.bucket_arn], owner),
        allow("ReadInputAndWriteOutput", ["s3:GetObject", "s3:PutObject"], [place.objects_arn], owner),
        allow("InvokeModels", ["bedrock:InvokeModel"], models),
        *allow_key(place),
    )


def write_trust_policy(place: Place) -> Document:
    """Write the trust policy of the service role: Amazon Bedrock may assume it, for jobs of this account and Region.

    Notes
    -----
    Source: "Create a custom service role for batch inference", Amazon Bedrock User Guide.
    """
    condition = {
        "StringEquals": {"aws:SourceAccount": place.account},
        "ArnEquals": {"aws:SourceArn": place.jobs_arn},
    }
    allowed = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole", "Condition": condition}
    return write_policy(allowed)


def merge_policies(policies: Iterable[Document]) -> Document:
    """Merge the policies of several Regions into one: statements that differ in their resources alone become one."""
    merged: list[Document] = []
    for statement in (each for policy in policies for each in policy["Statement"]):
        rest = {name: value for name, value in statement.items() if name != "Resource"}
        like = next((each for each in merged if {**each, "Resource": 0} == {**rest, "Resource": 0}), None)
        if like is None:
            merged.append({**statement})
        elif "Resource" in statement:
            like["Resource"] = list(dict.fromkeys([*like["Resource"], *statement["Resource"]]))
    # The name of a statement is unique in its policy.
    names = [each.get("Sid", "") for each in merged]
    for place, (name, statement) in enumerate(zip(names, merged, strict=True)):
        if name and name in names[:place]:
            statement["Sid"] = f"{name}{names[:place].count(name) + 1}"
    return {"Version": "2012-10-17", "Statement": merged}


def allow_key(place: Place) -> list[Document]:
    """Write the statement on the KMS key; none where the default of the bucket encrypts."""
    key = place.kms_key_id
    if not key:
        return []
    keys = f"arn:{place.partition}:kms:{place.region}:{place.account}:key/"
    through = {"StringEquals": {"kms:ViaService": f"s3.{place.region}.amazonaws.com"}}
    alias = "alias/" + key.rpartition("alias/")[2] if "alias/" in key else ""
    # A policy names keys, not aliases, so an alias is a condition on any key.
    if alias:
        return [
            allow(
                "UseKey",
                KEY_ACTIONS,
                [f"{keys}*"],
                through | {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [alias]}},
            )
        ]
    return [allow("UseKey", KEY_ACTIONS, [key if key.startswith("arn:") else f"{keys}{key}"], through)]


def allow(name: str, actions: Iterable[str], resources: Iterable[str], condition: Document | None = None) -> Document:
    """Write a statement that allows actions on resources; a condition whose value is empty is left out."""
    statement: Document = {"Sid": name, "Effect": "Allow", "Action": [*actions], "Resource": [*resources]}
    kept = {test: values for test, values in (condition or {}).items() if all(values.values())}
    return statement | ({"Condition": kept} if kept else {})


def write_policy(*statements: Document) -> Document:
    """Write a policy of some statements; one without resources, as without models, is left out."""
    return {"Version": "2012-10-17", "Statement": [each for each in statements if each.get("Resource", ["*"])]}
