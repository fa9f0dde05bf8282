"""Files of call transcripts, read as one row per call, and a random choice among them.

Each name is imported when it is first used, as those of `analysis` are: a frame of calls needs no reader of files.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
