"""Checks of the bucket: that it is there, where it is, whose it is, and that the caller can use the runs' folder.

Nothing is left in the bucket: what is read does not exist, and what is written is to replace an object that does not
exist, which S3 refuses only after it has checked the permission.
Sources: HeadBucket, GetObject and PutObject, Amazon S3 API Reference; "Conditional requests", Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from analysis.aws.cures import ALLOW, CURES
from analysis.aws.storage import add_parameters
from analysis.runs.doctor.findings import DENIED, REFUSALS, Finding, explain, find_code, make_quick_client
from analysis.runs.regions import BUCKET

PROBE = "batchbook-doctor"  # an object that nobody writes
NO_ETAG = '"00000000000000000000000000000000"'  # an MD5 that no known content has
ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "PreconditionFailed", "412"})


def check_bucket(session: Any, bucket: str, *, prefix: str, owner: str, kms_key_id: str = "") -> list[Finding]:
    """Check a bucket as `submit` and `collect` will use it.

    Parameters
    ----------
    session
        Of the jobs: its Region is theirs.
    bucket, prefix
        The bucket, and the folder of the runs in it.
    owner
        The account that the bucket has to belong to; empty where it is not known.
    kms_key_id
        Key that encrypts what is uploaded; empty for the default of the bucket.
    """
    if not bucket:
        return [Finding("bucket", "unknown", "none is given", "give --bucket: a batch job reads and writes there")]
    if not BUCKET.fullmatch(bucket):
        cure = "a bucket's name has 3 to 63 of a-z, 0-9, '.' and '-', and is given without s3://"
        return [Finding("bucket", "error", f"{bucket!r} is not the name of a bucket", cure)]
    try:
        headers, is_listed = read_head(make_quick_client(session, "s3"), bucket)
    except REFUSALS as error:
        return [Finding("bucket", "error", *explain(error))]
    found = [*describe_head(bucket, is_listed=is_listed), check_bucket_region(headers, bucket, session.region_name)]
    s3 = make_quick_client(session, "s3")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
    add_parameters(s3, {"ExpectedBucketOwner": owner} | encryption)
    if found[-1].status == "error":
        return found  # requests to another Region would be refused for that alone
    owned = check_owner(s3, bucket, owner, is_listed=is_listed)
    return [*found, owned, *([] if owned.status == "error" else check_objects(s3, bucket, prefix))]


def read_head(s3: Any, bucket: str) -> tuple[dict[str, str], bool]:
    """Ask for a bucket; return the headers, which a refusal has too, and whether the caller may list it."""
    try:
        return s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"], True
    except ClientError as error:
        if find_code(error) not in {*DENIED, "301", "PermanentRedirect", "400"}:
            raise error if find_code(error) not in ABSENT else no_bucket(error) from None
        return error.response["ResponseMetadata"]["HTTPHeaders"], False


def no_bucket(error: ClientError) -> ClientError:
    """Return the error for a bucket that is not there: for a HEAD, S3 says only 404."""
    response = dict(error.response) | {"Error": {"Code": "NoSuchBucket", "Message": "no such bucket"}}
    return ClientError(response, error.operation_name)  # type: ignore[arg-type]


def describe_head(bucket: str, *, is_listed: bool) -> Iterator[Finding]:
    """Describe whether the bucket can be reached."""
    if is_listed:
        yield Finding("bucket", "ok", f"s3://{bucket} can be reached")
        return
    cure = "allow the caller s3:ListBucket, as `batchbook iam` prints it, or correct the bucket's name"
    yield Finding("bucket", "warning", f"s3://{bucket} exists, but HeadBucket is denied", cure)


def check_bucket_region(headers: dict[str, str], bucket: str, region: str) -> Finding:
    """Check that the bucket is in the Region of the jobs, which is not documented but assumed everywhere."""
    found = headers.get("x-amz-bucket-region", "")
    if not found:
        cure = f"see `aws s3api get-bucket-location --bucket {bucket}`: it has to be that of the jobs"
        return Finding("bucket region", "unknown", "S3 did not tell it", cure)
    if found != region:
        cure = f"give --region {found}, or a bucket in {region}"
        return Finding("bucket region", "error", f"the bucket is in {found}, and the jobs would be in {region}", cure)
    return Finding("bucket region", "ok", f"{found}, as the jobs")


def check_owner(s3: Any, bucket: str, owner: str, *, is_listed: bool) -> Finding:
    """Check whose the bucket is: S3 refuses a request that expects another owner."""
    if not owner or not is_listed:
        detail = "the caller's account is not known" if not owner else "HeadBucket is denied, whoever the owner is"
        return Finding("bucket owner", "unknown", detail, "give the account of the bucket as --bucket-owner")
    try:
        s3.head_bucket(Bucket=bucket)
    except REFUSALS as error:
        if find_code(error) in DENIED:
            cure = "give its account as --bucket-owner if the bucket is the right one: its owner reads what is sent"
            return Finding("bucket owner", "error", f"the bucket does not belong to account {owner}", cure)
        return Finding("bucket owner", "unknown", *explain(error))
    return Finding("bucket owner", "ok", f"account {owner}")


def check_objects(s3: Any, bucket: str, prefix: str) -> Iterator[Finding]:
    """Check listing, reading and writing in the folder of the runs."""
    folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    place = {"Bucket": bucket, "Key": f"{folder}{PROBE}"}
    where = f"s3://{bucket}/{folder}"
    listed = try_access("bucket list", where, lambda: s3.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1))
    yield listed
    read = try_access("bucket read", where, lambda: s3.get_object(**place))
    # S3 says 403 for an object that is not there to whoever may not list.
    is_hidden = read.status == "error" and listed.status == "error"
    yield read._replace(status="unknown", detail=f"{where}: hidden from who may not list") if is_hidden else read
    yield try_access("bucket write", where, lambda: s3.put_object(**place, Body=b"", IfMatch=NO_ETAG))


def try_access(check: str, where: str, request: Callable[[], object]) -> Finding:
    """Make a request, and say whether S3 allows it."""
    try:
        request()
    except REFUSALS as error:
        code = find_code(error)
        if code in ABSENT:
            return Finding(check, "ok", f"{where} is allowed")
        is_denied = code in DENIED or code.startswith("KMS.")
        reason, cure = CURES["AccessDenied"] if code in DENIED else explain(error)
        return Finding(check, "error" if is_denied else "unknown", f"{where}: {reason}", cure or ALLOW)
    return Finding(check, "ok", f"{where} is allowed")
