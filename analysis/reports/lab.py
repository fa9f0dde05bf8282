"""Copies of the notebooks to work in, in a folder that git ignores: what they show may be what customers said."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from analysis.files import explain_file_errors, make_folder, make_private, replace_when_whole

LAB = "lab"  # beside notebooks/, so that relative paths in the notebooks mean the same
MADE_FILE = ".made.json"  # the SHA-256 of each copy as it was made


@explain_file_errors()
def update_copies(notebooks: Path, lab: Path) -> list[Path]:
    """Copy notebooks to a folder; a copy that was edited, or executed and saved, is left as it is.

    Parameters
    ----------
    notebooks
        Folder of the notebooks.
    lab
        Folder of the copies, made where it is missing, for this user alone.

    Returns
    -------
    kept
        The copies that were left as they are though their notebook has changed since they were made.

    Raises
    ------
    StorageError
        A file may not be read or written.
    """
    if not lab.exists():
        make_folder(lab)
        make_private(lab, lab.parent)
    made = read_made(lab)
    kept = [lab / source.name for source in sorted(notebooks.glob("*.ipynb")) if not update_copy(source, lab, made)]
    with replace_when_whole(lab / MADE_FILE) as file:
        file.write_bytes(msgspec.json.encode(made))
    return kept


def update_copy(source: Path, lab: Path, made: dict[str, str]) -> bool:
    """Copy a notebook where nobody edited the copy, and note its digest; False if an edited copy is out of date."""
    copy, content = lab / source.name, source.read_bytes()
    current = copy.read_bytes() if copy.exists() else None
    if current not in {None, content} and digest(current or b"") != made.get(source.name):
        return digest(content) == made.get(source.name)
    if current != content:  # JupyterLab asks about a file that was written, whatever was written
        with replace_when_whole(copy) as file:
            file.write_bytes(content)
    made[source.name] = digest(content)
    return True


def read_made(lab: Path) -> dict[str, str]:
    """Read the digests of the copies as they were made; none where the file is missing or damaged, so all are kept."""
    try:
        return msgspec.json.decode((lab / MADE_FILE).read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(content).hexdigest()
