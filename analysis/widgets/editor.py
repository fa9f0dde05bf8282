"""Editor of a prompt: its file on the left, on the right what a model would see of a call, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets
from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.display import count
from analysis.errors import PromptError, escape_controls
from analysis.files import explain_file_errors, replace_when_whole
from analysis.prompts import Prompt
from analysis.prompts.files import parse_prompt, read_text
from analysis.requests.previews import Preview, preview
from analysis.widgets.pages import PROBLEMS, describe, read_script, read_style


class PromptEditor(anywidget.AnyWidget):
    """Edits the file of a prompt; nothing is sent to a model but by the button that asks it.

    Attributes
    ----------
    text
        What is written; the file has it once it is saved.
    position, calls
        Which call is shown, from 0, and how many there are.
    heading, parts
        Tokens and price of the record, and titles and texts: system, user and, once it was asked, answer.
    told, problem
        Whether the text is saved, and what is wrong with it.
    can_undo, can_ask
        Whether there is an earlier version, and whether a profile was given to ask a model with.
    asked
        What the page asks for: `do` is `save`, `undo`, `reload` or `ask`, `text` what is written, and `number` rises.
    """

    _esm = read_script("editor")
    _css = read_style()
    name = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    position = traitlets.Int().tag(sync=True)
    calls = traitlets.Int().tag(sync=True)
    heading = traitlets.Unicode().tag(sync=True)
    parts: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    can_undo = traitlets.Bool().tag(sync=True)
    can_ask = traitlets.Bool().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)

    def __init__(self, file: Path, rows: list[dict[str, Any]], profile: str, region: str) -> None:
        self.file, self.rows, self.profile, self.region = file, rows, profile, region
        self.saved = read_text(file)
        self.earlier: list[str] = []
        super().__init__(name=file.name, text=self.saved, calls=len(rows), can_ask=bool(profile))
        self.observe(self.show, ["text", "position"])
        self.observe(self.do, "asked")
        self.show()

    def do(self, _: Any = None) -> None:
        """Do what the page asks for, and say what went wrong."""
        steps = {"save": self.save, "undo": self.undo, "reload": self.reload, "ask": self.ask}
        step = steps.get(str(self.asked.get("do")))
        if step is None:
            return
        with self.hold_sync():  # one message, so that no half of a step is seen
            self.text = str(self.asked.get("text", self.text))
            try:
                step()
            except PROBLEMS as error:
                self.problem = describe(error)

    def save(self) -> None:
        """Write the text to the file, once it is a prompt that fits the call; the earlier one can be had back."""
        preview(self.read(), self.rows[self.position])
        if self.text != self.saved:
            self.write(self.text, [*self.earlier, self.saved])

    def undo(self) -> None:
        """Go back to what is saved, or where that is shown, to what was saved before."""
        if self.text == self.saved and self.earlier:
            self.write(self.earlier[-1], self.earlier[:-1])
        self.text = self.saved
        self.show()

    def write(self, text: str, earlier: list[str]) -> None:
        """Write the file as a whole, unless another program has changed it, and note which texts it had before."""
        if read_text(self.file) != self.saved:
            raise PromptError(self.file, "another program has changed it", "reload it, and edit it again")
        write_text(self.file, text)
        self.saved, self.earlier = text, earlier
        self.tell()

    def reload(self) -> None:
        """Read the file again; what is written and not saved is lost, and so are the earlier versions."""
        self.saved, self.earlier = read_text(self.file), []
        self.text = self.saved
        self.show()

    def ask(self) -> None:
        """Ask the model about the call that is shown, at the on-demand price."""
        self.present(preview(self.read(), self.rows[self.position], profile=self.profile, region=self.region))

    def read(self) -> Prompt:
        """Read the prompt that is written."""
        return parse_prompt(self.file, self.text)

    def show(self, _: Any = None) -> None:
        """Show what the model would see; while the text is no prompt, what is wrong with it."""
        self.position = max(0, min(self.position, self.calls - 1))
        with self.hold_sync():
            self.tell()
            try:
                self.present(preview(self.read(), self.rows[self.position]))
            except PROBLEMS as error:
                self.problem, self.heading, self.parts = describe(error), "", []

    def tell(self) -> None:
        """Say whether the text is saved, and which call is shown."""
        self.can_undo = bool(self.earlier) or self.text != self.saved
        is_saved = "saved" if self.text == self.saved else "not saved"
        self.told = f"{self.name}, {is_saved}. Call {self.position + 1:,} of {count(self.calls, 'call')}."

    def present(self, shown: Preview) -> None:
        """Show a preview."""
        self.problem, self.heading = "", shown.heading()
        self.parts = [list(map(escape_controls, part)) for part in shown.list_parts().items()]


def edit_prompt(path: str | Path, calls: IntoDataFrame, *, profile: str = "", region: str = "") -> PromptEditor:
    """Edit a prompt file in JupyterLab, and see at once what a model would get for a call, its tokens and its price.

    Parameters
    ----------
    path
        The file of one prompt. It is written when Save is pressed, as a whole.
    calls
        One row per call, from `read_calls`; a few, such as `pick_calls(calls, 20)`.
    profile, region
        AWS profile (`emulator`: an account in a folder) with which the model is asked when Ask is pressed, one call at
        the on-demand price; without a profile there is no such button.

    Returns
    -------
    widget
        Without a kernel nothing of it is shown: `preview(path, call)` is the same on paper.

    Raises
    ------
    PromptError
        The file cannot be read, or there are no calls.
    """
    rows = read_columns(calls, ("transcript",), of="calls").to_polars().to_dicts()
    if not rows:
        raise PromptError(path, "there are no calls to show it with", "pass some: pick_calls(calls, 20)")
    return PromptEditor(Path(path), rows, profile, region)


@explain_file_errors()
def write_text(file: Path, text: str) -> None:
    """Write the text of a prompt as a whole, with the ends of lines that the file has."""
    ends = "\r\n" if b"\r\n" in file.read_bytes() else "\n"
    with replace_when_whole(file.resolve()) as part:
        part.write_text(text, encoding="utf-8", newline=ends)
