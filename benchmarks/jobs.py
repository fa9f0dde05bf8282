"""One job in an emulator's folder, from Create to its end, without a wait that its clock would ask for."""

import time

from bedrock_local import Settings

BUCKET = "calls"
MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NO_WAIT = dict.fromkeys(("Submitted", "Validating", "Scheduled", "InProgress", "Stopping"), 0.0)


def no_wait(**settings):
    """Make settings under which nothing but the work takes time."""
    return Settings(seconds=NO_WAIT, min_records=1, **settings)


def put_input(session, path):
    """Put an input file where `run_job` reads it."""
    s3 = session.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(path), BUCKET, "input/calls.jsonl")


def run_job(session, name):
    """Run a job; give the seconds and how many records were processed, at each question, and the last answer."""
    bedrock = session.client("bedrock")
    started, seen = time.perf_counter(), [(0.0, 0)]
    arn = bedrock.create_model_invocation_job(
        jobName=name,
        modelId=MODEL,
        roleArn="arn:aws:iam::123456789012:role/batch",
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/input/"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/output/"}},
    )["jobArn"]
    job = {}
    while "endTime" not in job:
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        seen.append((time.perf_counter() - started, job["processedRecordCount"]))
    if job["errorRecordCount"] or job["status"] != "Completed":
        raise SystemExit(f"{name}: {job['status']}, {job['errorRecordCount']} errors: {job.get('message')}")
    return seen, job
