from dataclasses import dataclass, field
from urllib.parse import urlsplit

import nbformat
import pytest

from analysis import load_answers, open_run
from analysis.reports.front_page import compute_findings, write_index
from analysis.reports.notebooks import export_page, find_notebooks, run_notebook
from analysis.reports.overview import write_overview
from analysis.reports.stages import STAGES, list_titles

AMOUNTS = "Pay $20 now and $30 later"
HOSTILE = (
    '<script>window.pwned=1</script><img src="x" onerror="window.pwned=1"><a href="javascript:window.pwned=1">x</a>'
    f" {AMOUNTS}"
)
FORMULA = "<p>$x$</p>"
TEXT = f"Agent: Hello {HOSTILE}.\nCustomer: {HOSTILE} I want {{}} euros back, <b onclick=window.pwned=1>please</b>."
NAMES = [stage.name for stage in STAGES]
PAGES = ["index", *NAMES]
pytestmark = pytest.mark.browser
each_page = pytest.mark.parametrize("page", PAGES)


@dataclass
class Visit:
    """A page that was opened: what it asked for, and what it complained of."""

    tab: object
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def report(chromium, account, make_calls, make_answer, answer_by_hand, choose_parameters, tmp_path_factory):
    """A report on calls, answers and errors that are markup; one answer in three failed."""
    root = tmp_path_factory.mktemp("hostile")
    make_calls(9, TEXT).write_parquet(root / "calls.parquet")
    run_folder, prompts = root / "runs" / "demo", find_notebooks() / "prompts" / "paragraph.md"
    values = choose_parameters(run_folder, root / "calls.parquet", prompts, on_demand=True)
    error = {"error": {"errorCode": 400, "errorMessage": HOSTILE}}
    for stage in STAGES:
        if stage.name == "collect":  # the emulator's answers would be milder
            answer_by_hand(open_run(run_folder), lambda number: make_answer(HOSTILE) if number % 3 else error)
        parameters = {name: values[name] for name in stage.parameters if name in values}
        copy = run_notebook(find_notebooks() / f"{stage.name}.ipynb", parameters, root / "reports" / "demo")
        export_page(copy, list_titles(stage.name for stage in STAGES))
    report = write_index(compute_findings(open_run(run_folder)), root / "reports" / "demo").parent
    write_overview(root / "runs", root / "reports")
    return report


@pytest.fixture(scope="module")
def browser(report, open_chromium):
    """A browser. The report comes first: no kernel can be waited for while playwright's loop runs."""
    with open_chromium() as context:
        yield context


@pytest.fixture(scope="module")
def visits(browser, report):
    """Every page, opened from its file until it asks for nothing more."""
    return {page: open_page((report / f"{page}.html").as_uri(), browser.new_page()) for page in PAGES}


@pytest.fixture(scope="module")
def lab(report, open_lab, tmp_path_factory):
    """The address of a notebook in a JupyterLab, with all HTML of the executed ones, and how many outputs that is."""
    root = tmp_path_factory.mktemp("lab")
    copies = [nbformat.read(report / f"{name}.ipynb", as_version=4) for name in NAMES]
    outputs = [output for copy in copies for cell in copy.cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if "text/html" in output.get("data", {})]
    for output in shown:
        output.data["text/html"] += FORMULA  # the outputs are typeset one after the other, each as a whole
    cell = nbformat.v4.new_code_cell(outputs=shown)  # one cell: those out of sight are drawn later
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), root / "all.ipynb")
    with open_lab(root) as find_address:
        yield find_address("all.ipynb"), len(shown)


def open_page(address, tab):
    visit = Visit(tab)
    tab.on("request", lambda request: visit.requests.append(request.url))
    tab.on("console", lambda message: visit.complaints.append(message.text))
    tab.on("pageerror", lambda error: visit.complaints.append(str(error)))
    tab.goto(address, wait_until="networkidle")
    return visit


@each_page
def test_a_page_asks_for_nothing_but_itself(visits, page, report):
    requests = [url for url in visits[page].requests if urlsplit(url).scheme != "data"]
    assert requests == [(report / f"{page}.html").as_uri()]


@each_page
def test_a_page_has_nothing_to_complain_of(visits, page):
    assert visits[page].complaints == []


@each_page
def test_nothing_that_a_call_or_a_model_says_runs(visits, page):
    tab = visits[page].tab
    assert tab.evaluate("window.pwned") is None
    assert tab.locator("script, [onerror], [onclick], a[href^=javascript]").count() == 0


@pytest.mark.parametrize(("page", "times"), [("index", 7), ("prepare", 2), ("collect", 3)])
def test_markup_of_others_is_read_as_text(visits, page, times):
    assert visits[page].tab.inner_text("body").count("<script>window.pwned=1</script>") >= times


# Of three calls the page shows two answers and one error, which stands once in the table of errors.
def test_two_amounts_in_one_answer_are_read_in_jupyterlab(browser, lab):
    address, outputs = lab
    tab = browser.new_page()
    tab.goto(address)
    formulas = tab.locator("mjx-container")
    for number in range(outputs):
        tab.locator(".jp-RenderedHTMLCommon p:last-child mjx-container").nth(number).wait_for(state="attached")
    assert formulas.count() == outputs
    assert tab.locator("td").get_by_text(AMOUNTS).count() == 4


def test_two_amounts_in_one_answer_are_read_in_the_report(visits):
    # In an error, in what a repair would ask, and in two answers.
    assert visits["collect"].tab.locator("td").get_by_text(AMOUNTS).count() == 4


def test_the_first_page_links_every_page_and_each_links_back(browser, report):
    tab = browser.new_page()
    tab.goto((report / "index.html").as_uri())
    for page in NAMES:
        tab.click(f"a[href='{page}.html']")
        tab.wait_for_url(f"**/{page}.html")
        assert tab.title() == f"demo: {page}"
        tab.click("a[href='index.html']")
        tab.wait_for_url("**/index.html")
        assert tab.title() == "demo: what came back"


@each_page
def test_every_link_leads_to_a_page_of_the_report(visits, page, report):
    links = visits[page].tab.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert [link for link in links if not (report / link).exists()] == []


def test_pages_link_each_other_and_the_page_over_all_runs_links_the_first(browser, report):
    tab = browser.new_page()
    tab.goto((report / "prepare.html").as_uri())
    tab.click("nav a[href='costs.html']")
    tab.wait_for_url("**/costs.html")
    tab.click("nav a[href='../index.html']")
    tab.wait_for_url("**/reports/index.html")
    assert tab.title() == "All runs"
    tab.click("a[href='demo/index.html']")
    tab.wait_for_url("**/demo/index.html")


def test_a_heading_is_written_for_people_and_tells_the_column(visits):
    heading = visits["costs"].tab.locator("th[title='cost_usd_per_1000_calls']")
    assert heading.inner_text() == "cost (USD) per 1,000 calls"


@each_page
def test_every_plot_is_drawn(visits, page):
    widths = visits[page].tab.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(widths) == {"prepare": 1, "costs": 2, "stop_reasons": 3}.get(page, 0)
    assert all(widths)


def test_the_report_is_as_hostile_as_it_should_be(report):
    answers = load_answers(open_run(report.parents[1] / "runs" / "demo"))
    assert answers["text"].to_list() == [None, HOSTILE, HOSTILE] * 3
    assert answers["error_message"].to_list() == [HOSTILE, None, None] * 3
