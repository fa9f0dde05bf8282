"""Find the job that a request names.

Source: Amazon Bedrock API Reference, GetModelInvocationJob, for the forms of its identifier.
"""

from __future__ import annotations

import re

from bedrock_local.batch import jobs
from bedrock_local.batch.jobs import Job
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError

JOB_ID = re.compile(r"(?:arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:model-invocation-job/)?([a-z0-9]{12})")


def identify_job(identifier: str, emulator: Emulator) -> Job:
    """Find a job of the region by ARN or id."""
    found = JOB_ID.fullmatch(identifier)
    if not found:
        raise ServiceError("ValidationException", "The provided job identifier is invalid.")
    job = jobs.find_job(emulator.folder, found[1])
    if job is None or job.openai or identifier not in (job.arn, job.job_id) or job.region != emulator.region:
        raise ServiceError("ResourceNotFoundException", "The requested job could not be found.")
    return job
