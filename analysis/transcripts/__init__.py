"""Files of call transcripts, read as one row per call, and samples of them."""

from analysis.transcripts.reading import drop_empty_calls, read_calls
from analysis.transcripts.sampling import sample_calls

__all__ = ["drop_empty_calls", "read_calls", "sample_calls"]
