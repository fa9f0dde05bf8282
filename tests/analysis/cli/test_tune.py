import shutil

from analysis.reports.notebooks import find_notebooks

from .conftest import call


def test_a_round_is_asked_and_a_further_one_asks_what_changed(account, folder, make_calls):
    make_calls(60).write_parquet(folder / "calls.parquet")
    shutil.copytree(find_notebooks(), folder / "notebooks")
    prompt = folder / "notebooks" / "prompts" / "paragraph.md"
    arguments = ["tune", "--calls", "calls.parquet", "--prompts", prompt.parent, "--calls-per-round", 20]
    first = call(*arguments)
    assert first.exit_code == 0, first.output
    prompt.write_text(prompt.read_text().replace("90 words", "40 words"))
    second = call(*arguments).stdout
    assert "40 of 60 records were answered in tune-001 and are taken from there; 20 are sent: 0.0" in second
    assert "Report: reports/tune-002/index.html" in second
    again = call(*arguments).stdout
    assert "tune-002 has been answered with these prompts, and nothing is sent." in again
    assert {path.name for path in (folder / "runs").iterdir()} == {"tune-001", "tune-002"}
    page = (folder / "reports" / "tune-002" / "index.html").read_text()
    assert "tuned on these calls: confirm on fresh ones" in page
    assert 'href="tune.html"' in page
