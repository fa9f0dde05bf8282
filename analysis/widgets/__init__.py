"""Widgets of JupyterLab: each is a skin over functions that work without it, and needs no network.

Their pictures and code are in docs/widgets.md.
"""

from analysis.errors import check_extra

check_extra("notebooks", "analysis.widgets")

from analysis.widgets.browser import AnswerBrowser, browse_answers  # noqa: E402 -- after the check
from analysis.widgets.rater import AnswerRater, rate_answers  # noqa: E402

__all__ = ["AnswerBrowser", "AnswerRater", "browse_answers", "rate_answers"]
