"""Runs: one folder each, prepared, submitted or invoked, collected, opened again and listed.

Each name is imported when it is first used, as those of `analysis` are: what sends a run does not load what prices it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
