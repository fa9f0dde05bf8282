"""Amazon Bedrock batch inference in a folder: an emulator that ordinary boto3 clients talk to."""

from bedrock_local.hook import open_session
from bedrock_local.settings import Settings

__all__ = ["Settings", "open_session"]
