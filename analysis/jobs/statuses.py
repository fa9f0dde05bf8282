"""Statuses of a job, in the order in which a job can have them: four of the ledger's own, and Bedrock's ten.

Source of Bedrock's: `status` of GetModelInvocationJob in the Amazon Bedrock API Reference. A status that is not listed
here is new: its job is taken as running.
"""

from __future__ import annotations

PLANNED = "planned"  # to be created when the account has room
INTENDED = "intended"  # the request was sent, and no response has been read: the job may or may not exist
TAKEN = "taken"  # all of its records were answered by other runs: no job is created
REFUSED = "refused"  # Bedrock answered that it creates no such job
SUBMITTED = "Submitted"
COMPLETED = "Completed"
STOPPED = "Stopped"

# While a job has one of these, it counts towards the quota of unfinished jobs.
UNFINISHED = (SUBMITTED, "Validating", "Scheduled", "InProgress", "Stopping")
# The work was done, or was stopped on purpose: no further try is made.
PRODUCTIVE = (COMPLETED, "PartiallyCompleted", STOPPED, TAKEN)
# The work was not done: a further try may follow.
UNPRODUCTIVE = (REFUSED, "Failed", "Expired")
FINISHED = (*PRODUCTIVE, *UNPRODUCTIVE)
