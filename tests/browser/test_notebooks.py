"""Every notebook as people use it in JupyterLab, in one run from end to end; `tune` has a file of its own."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from analysis import load_ratings, make_calls
from analysis.reports.notebooks import copy_notebooks

from .lab import edit_line, open_beside, read_headings, restart_and_run_all, run_all, save

pytestmark = pytest.mark.browser
PICTURES = Path(__file__).parents[2] / "build" / "notebooks"
# In the order in which each reads what others wrote, with a parameter as it is typed, and what is then shown.
TYPED = {
    "prepare": ('run: str = "browser"', "Run browser: 120 calls, 2 variants, 240 records in 1 job"),
    "submit": ('run_folder: str = "browser"', "Completed"),
    "collect": ('run_folder: str = "../runs/browser"', "Every record has an answer."),
    "costs": ("corpus_calls: int = 2000000", "2,000,000"),
    "stop_reasons": ("wanted_share: float = 0.8", "80.0%"),
    "judge": ("both_orders: int = 10", "Run browser-judge-001: 130 calls"),
    "rate": ("calls_to_rate: int = 3", "0 of 6 answers rated."),
    "compare_prompts": ("pairs_shown: int = 2", "No call was rated by people"),
    "tour": ("calls: int = 110", "Run tour: 110 calls"),
}
SHOWS = {
    "tables": ["show_table("],
    "figures": ["plot_"],
    "widgets": ["browse_answers(", "rate_answers("],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a user with synthetic calls, an account of its own, and beside its notebooks one that fails."""
    root = tmp_path_factory.mktemp("notebooks")
    copy_notebooks(root)
    (root / "calls").mkdir()
    make_calls(120).write_parquet(root / "calls" / "synthetic.parquet")
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 / 0", "show_table('never run')")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # or JupyterLab asks for one
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), root / "notebooks" / "broken.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(root / "account"))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield root


@pytest.fixture(scope="module")
def tab(folder, open_notebook):
    """A JupyterLab with the first notebook open."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with open_notebook(folder, "notebooks/prepare.ipynb") as page:
        yield page


@pytest.fixture(scope="module")
def shown(folder, tab):
    """What each notebook shows after it was run, used, run again in a new kernel and saved."""
    return {name: use(tab, folder, name) for name in TYPED}


def use(tab, folder, name):
    """Use a notebook as people do: type a parameter, run all cells, restart the kernel, run all again, save."""
    if name != next(iter(TYPED)):  # which the tab was opened with
        open_beside(tab, name)
    typed, _ = TYPED[name]
    edit_line(tab, typed.split(" = ")[0], typed)
    first = run_all(tab)
    if first[-1]["widgets"] + first[-2]["widgets"]:
        rate(tab)
    again = restart_and_run_all(tab)
    tab.screenshot(path=PICTURES / f"{name}.png")
    saved = save(tab, folder / "notebooks" / f"{name}.ipynb")
    return {"first": first, "again": again, "headings": read_headings(tab), "saved": saved}


def rate(tab):
    """Read two calls, and rate an answer with a comment."""
    browser, rater = tab.locator(".batchbook").first, tab.locator(".batchbook").last
    browser.get_by_role("button", name="Next call").click()
    browser.get_by_text("Call 2 of 120").wait_for()
    rater.get_by_label("Comment, before you rate").fill("short, <b>and true</b>")
    rater.get_by_role("button", name="4", exact=True).click()
    rater.get_by_text("1 of 6 answers rated.").wait_for()


def test_no_notebook_is_left_out(folder):
    # `cluster` needs Spark, and is run in tests/spark.
    assert {path.stem for path in (folder / "notebooks").glob("*.ipynb")} == {*TYPED, "tune", "cluster", "broken"}


@pytest.mark.parametrize("name", TYPED)
def test_all_cells_run_and_each_shows_what_it_computes(shown, name):
    page = shown[name]
    sources = [cell.source for cell in page["saved"].cells if cell.cell_type == "code"]
    for cells in (page["first"], page["again"]):
        assert list_faults(sources, cells) == []
    assert name_shapes(page["first"]) == name_shapes(page["again"]) or name == "rate"


def list_faults(sources, cells):
    """List the errors of cells, and the tables, figures and widgets that their code promises and nobody sees."""
    faults = [error for cell in cells for error in cell["errors"]]
    for source, cell in zip(sources, cells, strict=True):
        for what, names in SHOWS.items():
            promises = any(name in source for name in names) and "import" not in source
            if promises and not cell[what] and not (find_empty(source) and find_empty(source) in cell["text"]):
                faults.append(f"no {what} below {source}")
    return faults


def find_empty(source):
    """Find what a table without rows says instead, in the code that shows it."""
    found = [word.value.value for word in ast.walk(ast.parse(source)) if getattr(word, "arg", "") == "empty"]
    return found[0] if found else ""


def name_shapes(cells):
    return [tuple(cell[what] for what in SHOWS) for cell in cells]


@pytest.mark.parametrize("name", TYPED)
def test_what_was_typed_is_shown_and_saved(shown, name):
    typed, expected = TYPED[name]
    assert expected in "\n".join(cell["text"] for cell in shown[name]["first"])
    assert typed in shown[name]["saved"].cells[1].source


@pytest.mark.parametrize("name", TYPED)
def test_the_saved_notebook_has_its_headings_and_ran_from_the_top(shown, name):
    cells = shown[name]["saved"].cells
    headings = re.findall(r"^#+ (.*)", "\n".join(cell.source for cell in cells if cell.cell_type == "markdown"), re.M)
    assert shown[name]["headings"] == [heading.replace("`", "") for heading in headings]
    numbers = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_rating_is_there_in_a_new_kernel(shown, folder):
    *_, rater, said = shown["rate"]["again"]
    assert "Answer 2; 1 of 6 answers rated." in rater["text"]
    assert "short, <b>and true</b>" in said["text"]
    assert load_ratings(folder / "runs" / "browser")["score"].to_list() == [4]


def test_the_comparison_shows_what_the_judge_said(shown):
    (said,) = [cell for cell in shown["compare_prompts"]["again"] if "judge_difference" in cell["text"]]
    assert "rated_wins\theadings\tparagraph\t120" in said["text"]


def test_nothing_is_asked_of_another_machine_and_the_page_has_no_errors(shown, tab):
    hosts = {url.split("/")[2].split(":")[0] for url in tab.requests if url.startswith(("http:", "https:", "ws"))}
    assert hosts <= {"localhost", "127.0.0.1"}
    assert tab.errors == []


def test_a_notebook_that_fails_is_found_out(shown, tab):
    open_beside(tab, "broken")
    faults = list_faults(["1 / 0", "show_table('never run')"], run_all(tab))
    assert "ZeroDivisionError" in faults[0]
    assert faults[1].startswith("no tables below")
