import time

import nbformat
import pytest

from analysis import load_jobs, make_calls, open_run
from analysis.reports.notebooks import copy_notebooks
from bedrock_local.settings import Settings, write_settings

pytestmark = pytest.mark.browser
CALLS = 120
MOST_S = 600
TALL = {"width": 1400, "height": 9000}  # JupyterLab draws only the cells that are in sight


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
def shown(folder, open_chromium, open_lab):
    """What the notebook shows after "Run All Cells", and after a wording was edited and all cells were run again."""
    notebook, prompt = folder / "notebooks" / "tune.ipynb", folder / "notebooks" / "prompts" / "paragraph.md"
    with open_lab(folder) as find_address, open_chromium() as context:
        tab = context.new_page()
        tab.set_viewport_size(TALL)
        tab.goto(find_address("notebooks/tune.ipynb"))
        tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
        tab.get_by_text("(ipykernel) | Idle").wait_for()  # else JupyterLab asks for a kernel
        first = run_all(tab, notebook, folder / "runs" / "tune-001")
        prompt.write_text(prompt.read_text("utf-8").replace("at most 90 words", "at most 12 words"), "utf-8")
        second = run_all(tab, notebook, folder / "runs" / "tune-002")
        yield first, second


def run_all(tab, notebook, run):
    """Run all cells in the browser, save the notebook, and return the text that the page shows."""
    before = count_executions(notebook)
    for second in range(MOST_S):
        # Again after a minute in which no cell has run: a click before the page is ready goes nowhere.
        if second % 60 == 0 and not run.exists():
            tab.get_by_role("menuitem", name="Run", exact=True).click()
            tab.get_by_text("Run All Cells", exact=True).click()
        tab.wait_for_timeout(1000)
        if (run / "manifests.parquet").exists():  # a save in the same second as the click makes JupyterLab forget it
            tab.keyboard.press("Control+s")
            if count_executions(notebook) >= before + count_cells(notebook):
                break
    else:
        pytest.fail(f"the cells have not run: {tab.inner_text('.jp-Notebook')[-2000:]}")
    tab.wait_for_timeout(1000)
    return tab.inner_text(".jp-Notebook")


def count_executions(notebook):
    """Return the highest number of an executed cell in the saved notebook; 0 before the first one."""
    return max(cell.get("execution_count") or 0 for cell in read_saved(notebook).cells)


def count_cells(notebook):
    return sum(cell.cell_type == "code" for cell in read_saved(notebook).cells)


def read_saved(notebook):
    """Read the notebook, once it is saved whole: JupyterLab empties the file before it writes it."""
    while True:
        try:
            return nbformat.read(notebook, as_version=4)
        except ValueError:  # of JSON, and nbformat's own
            time.sleep(0.1)


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
