"""Widgets of JupyterLab: each is a skin over functions that work without it, and needs no network.

Their pictures and code are in docs/widgets.md.
"""

from analysis.errors import check_extra

check_extra("notebooks", "analysis.widgets")

from analysis.widgets.browser import AnswerBrowser, browse_answers  # noqa: E402 -- after the check
from analysis.widgets.editor import PromptEditor, edit_prompt  # noqa: E402
from analysis.widgets.rater import AnswerRater, rate_answers  # noqa: E402
from analysis.widgets.watcher import JobWatcher, watch_jobs  # noqa: E402

__all__ = [
    "AnswerBrowser",
    "AnswerRater",
    "JobWatcher",
    "PromptEditor",
    "browse_answers",
    "edit_prompt",
    "rate_answers",
    "watch_jobs",
]
