import pytest

from analysis import load_jobs, make_calls, open_run
from analysis.reports.notebooks import copy_notebooks
from bedrock_local.settings import Settings, write_settings

from .lab import run_all

pytestmark = pytest.mark.browser
CALLS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a user with synthetic calls, whose accounts takes jobs of any size."""
    root = tmp_path_factory.mktemp("tuning")
    copy_notebooks(root)
    (root / "calls").mkdir()
    make_calls(CALLS).write_parquet(root / "calls" / "synthetic.parquet")
    with pytest.MonkeyPatch.context() as patch:
        (root / "account").mkdir()
        write_settings(root / "account", Settings(min_records=1))
        patch.setenv("BEDROCK_LOCAL", str(root / "account"))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield root


@pytest.fixture(scope="module")
def shown(folder, open_notebook):
    """What the notebook shows after "Run All Cells", and after a wording was edited and all cells were run again."""
    prompt = folder / "notebooks" / "prompts" / "paragraph.md"
    with open_notebook(folder, "notebooks/tune.ipynb") as tab:
        first = read_text(run_all(tab))
        prompt.write_text(prompt.read_text("utf-8").replace("at most 90 words", "at most 12 words"), "utf-8")
        yield first, read_text(run_all(tab))


def read_text(cells):
    assert [error for cell in cells for error in cell["errors"]] == []
    return "\n".join(cell["text"] for cell in cells)


def test_a_first_round_asks_every_wording(shown, folder):
    assert load_jobs(open_run(folder / "runs" / "tune-001"))["records"].sum() == 3 * CALLS
    assert "Error" not in shown[0]


def test_after_an_edit_the_plan_has_the_reuse_and_one_wording_is_sent(shown, folder):
    taken = f"{2 * CALLS} of {3 * CALLS} records were answered in tune-001 and are taken from there; {CALLS} are sent: "
    assert taken not in shown[0]
    assert taken in shown[1]
    assert load_jobs(open_run(folder / "runs" / "tune-002"))["records"].sum() == CALLS


def test_the_verdict_follows_the_wording(shown):
    assert read_answer(shown[0]) != read_answer(shown[1])
    assert "`paragraph`" in read_answer(shown[1])


def read_answer(text):
    """Return the first sentence below the heading of the answer."""
    lines = [line.strip() for line in text.splitlines()]
    return next(line for line in lines[lines.index("the answer") + 1 :] if line)


def test_prompts_are_shown_as_they_are_in_their_files(shown):
    assert "at most 90 words" in shown[0]
    assert "at most 12 words" in shown[1]
