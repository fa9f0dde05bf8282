"""Options that several commands have, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

MARGIN_POINTS = 2.0

Calls = Annotated[
    str,
    Option(
        metavar="PLACE",
        help="Table (.parquet, .csv, .xlsx, .jsonl), texts, subtitles or services' JSON, in a folder or zip; also s3://.",
    ),
]
Prompts = Annotated[list[Path], Option(metavar="FILES", help="Prompt files, or folders of them, such as prompts/*.md.")]
Column = Annotated[
    list[str] | None,
    Option(metavar="NAME=YOURS", help="Your name for a column, as transcript=body; also call_id, turn, speaker, text."),
]
Empty = Annotated[Literal["refuse", "drop"], Option(help="What to do with calls without words.")]

Profile = Annotated[str, Option(metavar="NAME", help="AWS profile; 'emulator' needs no account.")]
Region = Annotated[str, Option(metavar="NAME", help="AWS region; by default the profile's.")]
Bucket = Annotated[
    str,
    Option(
        metavar="NAME",
        help="S3 bucket for input and output, of several Regions as calls-{region}; not needed on the emulator.",
    ),
]
RoleArn = Annotated[str, Option(metavar="ARN", help="Service role of the jobs; not needed on the emulator.")]
BucketOwner = Annotated[
    str, Option(metavar="ACCOUNT", help="Account that the bucket belongs to; by default the caller's.")
]
KmsKeyId = Annotated[
    str, Option(metavar="KEY", help="KMS key that encrypts input and output; by default as the bucket does.")
]
QuotaYear = Annotated[str, Option(metavar="YEAR", help="Bedrock's quotas of 2026, or of 2024 for older accounts.")]
WaitHours = Annotated[
    float | None,
    Option(
        metavar="HOURS",
        min=0,
        help="Hours to wait for the jobs; by default none on AWS, and without end on the emulator.",
    ),
]

DecideBy = Annotated[
    list[str] | None,
    Option(metavar="COLUMN", help="Column that decides; can be given several times. By default quality and price."),
]
MarginPoints = Annotated[
    float, Option(metavar="POINTS", min=0, help="Largest difference that does not matter, in points of 100.")
]
Baseline = Annotated[str, Option(metavar="PROMPT", help="To compare with; by default the first one.")]
Cluster = Annotated[
    str, Option(metavar="COLUMN", help="Agent or customer of a call, whose calls are alike; by default none.")
]

Runs = Annotated[Path, Option(metavar="FOLDER", help="Folder of runs.")]
Reports = Annotated[Path, Option(metavar="FOLDER", help="Folder of reports.")]
RunsThere = Annotated[
    Path | None, Option(metavar="FOLDER", help="Folder of runs; by default runs/ here, or the nearest one upwards.")
]
ReportsThere = Annotated[
    Path | None, Option(metavar="FOLDER", help="Folder of reports; by default beside the folder of runs, or here.")
]

RunName = Annotated[
    str,
    Argument(
        metavar="RUN",
        help="Name or folder of the run, or its s3:// address; by default the one last used.",
        show_default=False,
    ),
]
SentProfile = Annotated[str, Option("--profile", metavar="NAME", help="AWS profile; by default as the run was sent.")]
SentRegion = Annotated[str, Option("--region", metavar="NAME", help="AWS region; by default as the run was sent.")]
Budget = Annotated[
    float | None,
    Option(metavar="USD", min=0, help="The most the run may cost in all; without it, AWS runs ask for a yes."),
]
