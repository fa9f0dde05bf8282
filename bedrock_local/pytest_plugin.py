"""The pytest plugin: the fixture `bedrock_local` is an Amazon Bedrock and S3 for one test.

Every run of pytest imports this file, so slow imports stand where they are used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bedrock_local.transport.server import Server


class BedrockLocal:
    """An emulator that lives as long as a test.

    Attributes
    ----------
    url
        The endpoint, which is set in the environment already.
    folder
        Contains the objects as plain files, in `s3/<bucket>/<key>`.
    """

    def __init__(self, server: Server) -> None:
        self.url, self.folder = server.url, server.emulator.folder

    def settings(self, **changes: Any) -> None:
        """Change settings of the emulator, as in `settings(min_records=1, clock="realistic")`."""
        from bedrock_local.settings import change_settings

        change_settings(self.folder, **changes)


@pytest.fixture
def bedrock_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockLocal]:
    """Amazon Bedrock batch inference and S3 for one test: boto3 clients, made as usual, connect to it and nothing else.

    AWS variables and configuration files from outside the test have no effect in it.
    """
    import boto3

    from bedrock_local.transport.server import serve

    with serve(tmp_path / "bedrock_local") as server:
        # A list, as the environment changes in the loop.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1,localhost")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, os.devnull)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        # A default session of an earlier test has other credentials.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield BedrockLocal(server)
