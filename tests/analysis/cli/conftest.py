import pytest
from typer.testing import CliRunner

from analysis.cli import app


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of a user."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
