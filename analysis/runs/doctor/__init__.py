"""Doctor: what stands between a run and its answers, looked for before money is spent."""

from analysis.runs.doctor.diagnosis import diagnose
from analysis.runs.doctor.trial import try_variants

__all__ = ["diagnose", "try_variants"]
