import re
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import polars as pl
import pytest
from markupsafe import Markup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from analysis.display import show_table
from analysis.errors import NotebookError
from analysis.reports import notebooks
from analysis.reports.notebooks import (
    escape_text,
    export_page,
    find_notebooks,
    name_for_people,
    run_notebook,
)


@pytest.fixture
def write_notebook(tmp_path):
    """Write a notebook: cells tagged `parameters`, one unless told otherwise, then the given ones."""

    def write(*cells, tagged=1):
        tags = {"tags": ["parameters"]}
        parameters = [new_code_cell("calls: int = 3  # how many", metadata=tags) for _ in range(tagged)]
        path = tmp_path / "notebooks" / "small.ipynb"
        path.parent.mkdir()
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=[*parameters, *cells], metadata=metadata), path)
        return path

    return write


def show(mime, text):
    """A cell that was executed and shows a text."""
    output = nbformat.v4.new_output("execute_result", {mime: text, "text/plain": "?"}, execution_count=1)
    return new_code_cell("secret_code", outputs=[output], execution_count=1)


def test_the_notebooks_are_found_where_the_command_is_run(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "prepare.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    assert find_notebooks() == tmp_path / "notebooks"


def test_elsewhere_those_beside_the_package_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_notebooks() == Path(__file__).parents[3] / "notebooks"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of a package that was installed elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebooks, "__file__", str(tmp_path / "analysis" / "reports" / "notebooks.py"))
    return tmp_path / "analysis"


def test_the_notebooks_of_a_wheel_are_inside_the_package(package):
    (package / "notebooks").mkdir(parents=True)
    (package / "notebooks" / "prepare.ipynb").touch()
    assert find_notebooks() == package / "notebooks"


def test_a_package_without_notebooks_says_so(package):
    with pytest.raises(NotebookError, match="analysis/notebooks: no notebooks here; install batchbook from a wheel"):
        find_notebooks()


@pytest.mark.parametrize(
    ("column", "title"),
    [
        ("cost_usd_per_1000_calls", "cost (USD) per 1,000 calls"),
        ("cost_usd_low", "cost (USD), low"),
        ("truncated_cost_usd", "spent on cut-off answers (USD)"),
        ("output_tokens", "output tokens"),
        ("max_tokens", "max_tokens"),
        ("my_column", "my column"),
    ],
)
def test_a_column_has_a_name_for_people(column, title):
    assert name_for_people(column) == title


def test_headings_of_a_page_are_for_people_and_nothing_else_is_changed(write_notebook):
    frame = pl.DataFrame({"cost_usd": ["max_tokens"], "Your Name": ["<th class='col_heading'>a_b</th>"]})
    cells = [new_markdown_cell("The `cost_usd`, not `run_id`."), show("text/html", show_table(frame)._repr_html_())]
    page = export_page(write_notebook(*cells)).read_text(encoding="utf-8")
    assert "The <em>cost (USD)</em>, not <code>run_id</code>." in page
    assert 'title="cost_usd">cost (USD)</th>' in page
    assert ">Your Name</th>" in page
    assert ">max_tokens</td>" in page
    assert "a_b&lt;/th&gt;</td>" in page


def test_a_page_links_the_others_but_itself(write_notebook):
    titles = {"small": "This page", "costs": "What it <cost>", "../index": "All runs"}
    page = export_page(write_notebook(new_markdown_cell("Hello")), titles).read_text(encoding="utf-8")
    assert "<b>This page</b>" in page
    assert '<a href="costs.html">What it &lt;cost&gt;</a>' in page
    assert '<a href="../index.html">All runs</a>' in page


def test_an_unknown_parameter_is_refused_and_the_known_ones_named(tmp_path):
    with pytest.raises(NotebookError, match=r"submit.ipynb: no parameter 'buckett'; there are run_folder, profile, .*"):
        run_notebook(find_notebooks() / "submit.ipynb", {"buckett": "mine"}, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_failing_cell_is_named_and_the_copy_is_kept(account, write_notebook, tmp_path):
    path = write_notebook(new_code_cell("print(calls)"), new_code_cell("\ncalls / 0\nprint('never')"))
    with pytest.raises(NotebookError, match=r"cell 4 \(calls / 0\) failed: ZeroDivisionError: division by zero"):
        run_notebook(path, {"calls": 7}, tmp_path / "report")
    copy = nbformat.read(tmp_path / "report" / "small.ipynb", as_version=4)
    assert [output.text for cell in copy.cells for output in cell.get("outputs", []) if "text" in output] == ["7\n"]


def test_the_error_for_a_killed_kernel_says_so(account, write_notebook, tmp_path):
    with pytest.raises(NotebookError, match=r"small.ipynb: its kernel was killed; memory may have run out"):
        run_notebook(write_notebook(new_code_cell("import os\nos._exit(9)")), {}, tmp_path / "report")


def test_a_page_shows_what_cells_show_and_no_code(write_notebook):
    page = export_page(write_notebook(new_markdown_cell("# What *is* it?"), show("text/html", "<b>42</b>")))
    text = page.read_text(encoding="utf-8")
    assert page.name == "small.html"
    assert "<b>42</b>" in text
    assert "What <em>is</em> it?" in text
    assert "secret_code" not in text


def test_a_page_is_never_seen_half_written(write_notebook):
    path = write_notebook(show("text/html", "<b>42</b>"))
    with export_page(path).open(encoding="utf-8") as before:
        path.write_text(path.read_text("utf-8").replace("42", "43"), encoding="utf-8")
        assert "<b>43</b>" in export_page(path).read_text(encoding="utf-8")
        assert "<b>42</b>" in before.read()


def test_a_page_links_pages_where_the_notebook_links_notebooks(write_notebook):
    page = export_page(write_notebook(new_markdown_cell("[stop reasons](stop_reasons.ipynb)")))
    assert '<a href="stop_reasons.html">stop reasons</a>' in page.read_text(encoding="utf-8")


def test_a_link_to_a_notebook_that_the_report_has_not_is_text(write_notebook):
    cell = new_markdown_cell("[costs](costs.ipynb) and [prepare](prepare.ipynb)")
    page = export_page(write_notebook(cell), {"costs": "What it cost"}).read_text(encoding="utf-8")
    assert '<p><a href="costs.html">costs</a> and prepare</p>' in page


def test_a_plot_is_as_it_was_in_half_of_the_bytes(write_notebook):
    fig, ax = plt.subplots(figsize=(9, 5))
    ax.plot(range(9), "o-", color="#D55E00", label="some text")
    ax.legend()
    fig.savefig(file := BytesIO(), transparent=True)
    plt.close(fig)
    page = export_page(write_notebook(show("image/png", b64encode(file.getvalue()).decode()))).read_text("utf-8")
    small = b64decode(re.search('src="data:image/png;base64,([^"]+)"', page)[1])
    assert len(small) < len(file.getvalue()) / 2
    before, after = (np.asarray(Image.open(BytesIO(each)).convert("RGBA"), float) for each in (file.getvalue(), small))
    opacity = before[..., 3:] / 255
    on_white = before[..., :3] * opacity + 255 * (1 - opacity)
    assert abs(on_white - after[..., :3]).max() < 16
    assert (after[..., 3] == 255).all()


def test_a_page_says_the_parameters_it_was_made_with(write_notebook):
    path = write_notebook()
    copy = nbformat.read(path, as_version=4)
    copy.metadata["papermill"] = {"parameters": {"calls": 7, "run": "<i>x</i>"}}
    nbformat.write(copy, path)
    text = export_page(path).read_text(encoding="utf-8")
    assert '<tr><td>calls</td><td class="text">7</td></tr>' in text
    assert "&lt;i&gt;x&lt;/i&gt;" in text


def test_what_would_reorder_a_line_of_a_page_is_escaped():
    assert escape_text("a\u202eb\x1b[31m") == r"a\u202eb\x1b[31m"
    assert escape_text(Markup("<b>\u202e</b>")) == "<b>\u202e</b>"  # the package's own
    assert escape_text(7) == 7
