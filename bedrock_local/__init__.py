"""Amazon Bedrock batch inference in a folder: an emulator that AWS clients talk to."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bedrock_local.settings import Settings
    from bedrock_local.transport.botocore_hook import open_session
    from bedrock_local.transport.server import serve

__all__ = ["Settings", "open_session", "serve"]

MODULES = {"Settings": "settings", "open_session": "transport.botocore_hook", "serve": "transport.server"}


# The pytest plugin is in this package, and no test run without it should pay for boto3.
def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
