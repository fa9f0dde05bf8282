import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from analysis import load_answers, load_jobs, load_ratings

from .lab import MOST_MS, run_all

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
PICTURES = HERE.parents[1] / "build" / "widgets"
HOSTILE = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'> $20 and $30 \u202egnp.exe"
PROMPT = f"""---
model_id: us.amazon.nova-micro-v1:0
max_tokens: 50
---
# User
{HOSTILE}
{{{{ transcript }}}}
"""
CELLS = {
    "browser": """
from analysis import find_unsupported_claims, load_answers
from analysis.widgets import browse_answers
answers = load_answers("runs/demo")
browse_answers(answers, find_unsupported_claims(answers))""",
    "rater": """
from analysis import load_answers, plan_ratings
from analysis.widgets import rate_answers
answers = load_answers("runs/demo")
planned = plan_ratings(answers, 6, pair=("short", "long"), seed=1)
rate_answers(answers, planned, run="runs/demo", rater="ada")""",
    "watcher": """
from analysis.widgets import watch_jobs
watch_jobs("runs/jobs")""",
    "editor": """
from analysis import read_calls
from analysis.widgets import edit_prompt
edit_prompt("hostile.md", read_calls("calls.parquet"), profile="emulator")""",
}


@pytest.fixture(scope="module")
def axe(give_up, tmp_path_factory):
    """The script of axe-core, an exact version of it, from npm."""
    if not shutil.which("npm"):
        give_up("no npm on this machine: apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    shutil.copy(HERE / "axe" / "package.json", folder)
    quick = ["--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(["npm", "install", *quick], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        give_up(f"npm cannot install axe-core: {done.stderr[-500:]}")
    return folder / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def folder(account, make_calls, make_prompt, make_answer, answer_by_hand, tmp_path_factory):
    """A folder with a collected run: two wordings, ten calls, of which one failed; texts are markup."""
    from analysis import collect, prepare

    root = tmp_path_factory.mktemp("widgets")
    calls = make_calls(
        10, "Agent: Hello " + HOSTILE.replace("{", "{{") + "\nCustomer: Line {} is down, I want $20 back."
    )
    run = prepare(calls, [make_prompt(), make_prompt("long", max_tokens=300)], into=root / "runs", name="demo")
    error = {"error": {"errorCode": 400, "errorMessage": HOSTILE}}
    answer_by_hand(run, lambda number: error if number == 3 else make_answer(f"Answer {number}: $99 {HOSTILE}"))
    collect(run)
    prepare(make_calls(100), [make_prompt()], into=root / "runs", name="jobs")
    calls.write_parquet(root / "calls.parquet")
    (root / "hostile.md").write_text(PROMPT, encoding="utf-8")
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS.values()]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # or JupyterLab asks for one
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), root / "widgets.ipynb")
    return root


@pytest.fixture(scope="module")
def tab(folder, chromium, axe, open_notebook):
    """The notebook in JupyterLab, after all its cells were run."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=MOST_MS)
    with open_notebook(folder, "widgets.ipynb") as page:
        run_all(page)
        page.add_script_tag(path=axe)
        yield page


def find_widget(tab, name):
    return tab.locator(".batchbook").nth(list(CELLS).index(name))


@pytest.fixture(scope="module")
def watcher(tab):
    return find_widget(tab, "watcher")


@pytest.fixture(scope="module")
def editor(tab):
    return find_widget(tab, "editor")


@pytest.fixture
def browser(tab):
    return find_widget(tab, "browser")


@pytest.mark.parametrize("name", CELLS)
def test_a_widget_can_be_used_by_whoever_sees_or_moves_otherwise(tab, name):
    widget = find_widget(tab, name)
    widget.screenshot(path=PICTURES / f"{name}.png")
    found = widget.evaluate("widget => axe.run(widget, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


def test_what_a_call_or_a_model_says_stays_text(tab, browser):
    assert tab.evaluate("window.pwned") is None
    assert tab.locator(".batchbook :is(script, [onerror], mjx-container)").count() == 0
    assert browser.inner_text().count("<script>window.pwned=1</script>") == 3  # the call and two answers
    assert browser.inner_text().count("$20 and $30 \\u202egnp.exe") == 3


def test_nothing_is_asked_of_another_machine(tab):
    hosts = {url.split("/")[2].split(":")[0] for url in tab.requests if url.startswith(("http:", "https:", "ws"))}
    assert hosts <= {"localhost", "127.0.0.1"}


def test_calls_are_picked_and_read_by_keys_alone(browser, tab):
    browser.get_by_label("Error").select_option("service")
    browser.get_by_text("Call 1 of 1").wait_for()
    browser.get_by_label("Error").select_option("")
    browser.get_by_label("Search in calls and answers").fill("LINE 7 IS")
    browser.get_by_text("call c7").wait_for()
    browser.get_by_label("Search in calls and answers").fill("")
    browser.get_by_text("Call 1 of 10").wait_for()
    browser.get_by_role("button", name="Next call").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "d", "d"):  # `d d` would delete the cell
        tab.keyboard.press(key)
    browser.get_by_text("Call 2 of 10").wait_for()
    assert browser.get_by_text("call c1").is_visible()


def test_only_the_call_that_is_shown_was_sent(browser):
    assert browser.inner_text().count("is down") == 1


@pytest.fixture
def rater(tab):
    return find_widget(tab, "rater")


def test_answers_are_rated_by_keys_alone_and_written_at_once(rater, tab, folder):
    rater.get_by_text("Pair 1; 0 of 6 pairs rated.").wait_for()
    rater.get_by_role("button", name="Skip").focus()
    tab.keyboard.press("c")
    tab.keyboard.type("1 is <b>better</b>, dd")
    tab.keyboard.press("Escape")
    tab.keyboard.press("1")
    rater.get_by_text("Pair 2; 1 of 6 pairs rated.").wait_for()
    tab.keyboard.press("0")
    rater.get_by_text("Pair 3; 2 of 6 pairs rated.").wait_for()
    ratings = load_ratings(folder / "runs" / "demo")
    assert ratings.select("comment", "rater", "picked").row(0) == ("1 is <b>better</b>, dd", "ada", "random")
    assert ratings["preferred"].to_list() == [ratings["variant"][0], "tie"]


def test_jobs_are_sent_and_seen_to_their_end(watcher, folder):
    watcher.get_by_role("button", name="Send what is left").click()
    watcher.get_by_text("Nothing more will come back.").wait_for()
    assert watcher.get_by_role("row", name="job01").inner_text().split("\t")[:4] == ["job01", "1", "Completed", "100"]
    assert watcher.get_by_role("button", name="Stop").is_disabled()
    assert load_jobs(folder / "runs" / "jobs")["processed_records"].to_list() == [100]


def test_a_prompt_is_edited_tried_saved_and_undone(editor, tab, folder):
    text = editor.get_by_label("Text of hostile.md")
    text.press("Control+End")
    tab.keyboard.type("Be kind, dd.")
    editor.get_by_role("group", name="User").get_by_text("Be kind, dd.").wait_for()
    editor.get_by_role("button", name="Ask the model").click()
    editor.get_by_role("group", name="Answer").wait_for()
    text.press("Control+s")
    editor.get_by_text("hostile.md, saved.").wait_for()
    assert (folder / "hostile.md").read_text(encoding="utf-8") == f"{PROMPT}Be kind, dd."
    editor.get_by_role("button", name="Undo").click()
    expect(text).to_have_value(PROMPT)
    assert (folder / "hostile.md").read_text(encoding="utf-8") == PROMPT
    assert editor.get_by_role("group", name="Answer").count() == 0


def test_after_a_restart_a_rater_goes_on_and_jobs_are_as_they_were(tab, rater, watcher):
    tab.get_by_role("menuitem", name="Kernel", exact=True).click()
    tab.get_by_text("Restart Kernel and Run All Cells").click()
    tab.locator(".jp-Dialog button.jp-mod-accept").click()
    rater.get_by_text("Pair 3; 2 of 6 pairs rated.").wait_for()
    watcher.get_by_text("Nothing more will come back.").wait_for()
    assert tab.evaluate("window.pwned") is None


def test_the_run_is_as_it_should_be(folder):
    answers = load_answers(folder / "runs" / "demo")
    assert answers["error_message"].drop_nulls().to_list() == [HOSTILE]
    assert len(answers) == 20
