"""What can go wrong, as one small tree.

AnalysisError
├── CallsError       a file of calls cannot be read, or what it holds is not calls
├── ColumnError      a frame lacks a column that the function reads
├── PromptError      a prompt file, or the text it makes of a call
├── ModelError       a model whose requests we cannot write
├── RunError         a run folder: missing, asked for something else, not far enough
├── QuotaError       records that Amazon Bedrock would not take in a batch job
├── BudgetError      a job that would cost more than was agreed to
├── JobError         a batch job that was refused or came to a bad end
├── StorageError     a file, folder or s3:// address that cannot be read or written
└── NotebookError    a notebook that does not know a parameter, or failed in a cell

A bad record in a batch is none of these: it is a row of the outputs whose `error_message` says what happened.
"""

from __future__ import annotations


class AnalysisError(Exception):
    """Say where it happened, what is wrong and, when there is one, the cure.

    Attributes
    ----------
    where
        The file, row, run, job or parameter that the error is about.
    reason
        What is wrong with it.
    cure
        What to do next; may be empty.
    """

    def __init__(self, where: object, reason: str, cure: str = "") -> None:
        super().__init__(str(where), reason, cure)
        self.where, self.reason, self.cure = str(where), reason, cure

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" + (f"; {self.cure}" if self.cure else "")


class CallsError(AnalysisError):
    """A file of calls cannot be read, or what it holds is not calls."""


class ColumnError(AnalysisError):
    """A frame lacks a column that the function reads."""


class PromptError(AnalysisError):
    """A prompt file says something that cannot be, or its template does not fit the call."""


class ModelError(AnalysisError):
    """A model, or a way to invoke it, whose requests we cannot write."""


class RunError(AnalysisError):
    """A run folder is missing, was prepared for something else, or has not come far enough."""


class QuotaError(AnalysisError):
    """The records do not fit what Amazon Bedrock takes in one batch job."""


class BudgetError(AnalysisError):
    """Sending the records would cost more than was agreed to, or nothing was agreed to."""


class JobError(AnalysisError):
    """A batch job was refused, or came to an end that needs a person."""


class StorageError(AnalysisError):
    """A file, folder or s3:// address cannot be read or written."""


class NotebookError(AnalysisError):
    """A notebook does not know a parameter, or one of its cells failed."""
