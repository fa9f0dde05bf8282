"""The statuses of a batch job, and their order.

Source: Amazon Bedrock API Reference, GetModelInvocationJob, `status`; "Monitor batch inference jobs" has the order.
"""

from __future__ import annotations

from typing import Literal, get_args

# A job goes through the first four in this order, unless it ends before; a stop makes it Stopping from any of them.
UnfinishedStatus = Literal["Submitted", "Validating", "Scheduled", "InProgress", "Stopping"]
EndStatus = Literal["Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"]
JobStatus = Literal[UnfinishedStatus, EndStatus]

UNFINISHED: tuple[UnfinishedStatus, ...] = get_args(UnfinishedStatus)
BEFORE_RUNNING: tuple[UnfinishedStatus, ...] = ("Submitted", "Validating", "Scheduled")
VALIDATED: tuple[JobStatus, ...] = ("Scheduled", "InProgress")


def earlier(one: UnfinishedStatus, other: UnfinishedStatus) -> UnfinishedStatus:
    """Return whichever of two statuses a job has first."""
    return min(one, other, key=UNFINISHED.index)


def later(one: UnfinishedStatus, other: UnfinishedStatus) -> UnfinishedStatus:
    """Return whichever of two statuses a job has last."""
    return max(one, other, key=UNFINISHED.index)
