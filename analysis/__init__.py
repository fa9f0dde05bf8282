"""Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost.

The table of contents is `__init__.pyi`. A name is imported when it is first asked for, so a script that only reads
outputs does not wait for what sends them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
