"""Files of call transcripts, read as one row per call, and a random choice among them."""

from analysis.transcripts.picking import pick_calls
from analysis.transcripts.reading import drop_empty_calls, read_calls

__all__ = ["drop_empty_calls", "pick_calls", "read_calls"]
