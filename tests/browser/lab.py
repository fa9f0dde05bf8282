"""What people do in a JupyterLab, and what it shows them: cells run, a kernel restarted, a notebook saved."""

import nbformat

MOST_MS = 600_000
TALL = {"width": 1400, "height": 9000}  # JupyterLab draws only the cells that are in sight
IDLE = "(ipykernel) | Idle"
ERROR = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
PROMPTS = "[...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')].map(prompt => prompt.innerText)"
ARE_NEW = f"() => {PROMPTS}.every(text => !/[0-9*]/.test(text))"
# Those after an error are not run, so that nobody need wait for them.
HAVE_RUN = f'() => {PROMPTS}.every(text => /[0-9]/.test(text)) || document.querySelector("{ERROR}")'
ARE_DRAWN = "() => [...document.querySelectorAll('.jp-Notebook img')].every(image => image.complete)"
READ_CELLS = """(cells, error) => cells.map(cell => {
    const shown = cell.querySelector(".jp-Cell-outputArea");
    const count = (selector, isSeen = () => true) => [...shown.querySelectorAll(selector)].filter(isSeen).length;
    return {
        text: shown.innerText,
        tables: count("table", table => table.rows.length > 1),
        figures: count("img", image => image.naturalWidth > 100),
        widgets: count(".batchbook"),
        errors: [...shown.querySelectorAll(error)].map(found => found.innerText),
    };
})"""


def wait_until_ready(tab):
    """Wait for the notebook and its kernel; before that a click goes nowhere, or JupyterLab asks for a kernel."""
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
    tab.get_by_text(IDLE).wait_for()


def open_beside(tab, name):
    """Open a notebook by a double click in the list of files, in place of the one that is open, whose kernel ends."""
    choose(tab, "File", "Close and Shut Down Notebook")
    tab.locator(".jp-Dialog button.jp-mod-accept").click()
    tab.locator(".jp-Notebook").wait_for(state="detached")
    tab.locator(".jp-DirListing-item").get_by_text(f"{name}.ipynb", exact=True).dblclick()
    wait_until_ready(tab)


def choose(tab, menu, entry):
    """Choose an entry of a menu."""
    tab.get_by_role("menuitem", name=menu, exact=True).click()
    tab.locator(".lm-Menu").get_by_text(entry).first.click()


def edit_line(tab, old, new):
    """Type a line of a cell anew; `old` is what it begins with."""
    tab.locator(".jp-CodeCell .cm-line", has_text=old).first.click()
    tab.keyboard.press("Home")
    tab.keyboard.press("Shift+End")
    tab.keyboard.insert_text(new)


def run_all(tab):
    """Run all cells from the top, until they have run or one fails; return what each shows."""
    clear(tab)
    choose(tab, "Run", "Run All Cells")
    return read_when_run(tab)


def restart_and_run_all(tab):
    """Run all cells in a new kernel, until they have run or one fails; return what each shows."""
    clear(tab)
    choose(tab, "Kernel", "Restart Kernel and Run All Cells")
    tab.locator(".jp-Dialog button.jp-mod-accept").click()
    return read_when_run(tab)


def clear(tab):
    """Clear what cells show, with their numbers, so that those of this run are seen."""
    choose(tab, "Edit", "Clear Outputs of All Cells")
    tab.wait_for_function(ARE_NEW, polling=200)


def read_when_run(tab):
    """Wait until the cells have run and are drawn, and read what each of them shows."""
    tab.wait_for_function(HAVE_RUN, polling=200)
    tab.get_by_text(IDLE).wait_for()
    tab.wait_for_function(ARE_DRAWN, polling=200)
    return tab.locator(".jp-CodeCell").evaluate_all(READ_CELLS, ERROR)


def read_headings(tab):
    """Read the headings, without the mark beside them that links there."""
    shown = tab.locator(".jp-MarkdownCell :is(h1, h2, h3)").all_inner_texts()
    return [text.removesuffix("¶").strip() for text in shown]


def save(tab, notebook):
    """Save the notebook, and read it once it is saved."""
    tab.keyboard.press("Control+s")
    tab.locator(".lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
    return nbformat.read(notebook, as_version=4)
