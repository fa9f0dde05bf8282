"""The command `repair`: ask again for what has no good answer, and write the report anew."""

from __future__ import annotations

from analysis.cli.app import app, say
from analysis.cli.jobs import end
from analysis.cli.options import Budget, ReportsThere, RunName, SentProfile, SentRegion, WaitHours
from analysis.cli.sending import choose_wait_hours, find_report, write_first_page


@app.command()
def repair(
    run: RunName = "",
    profile: SentProfile = "",
    region: SentRegion = "",
    budget_usd: Budget = None,
    wait_hours: WaitHours = None,
    reports: ReportsThere = None,
) -> None:
    """Ask again for records without a good answer.

    What failed, expired or is missing is asked again as it was; what was cut off gets more room; an answer that is not
    as its prompt expects is asked for once more; a request that is refused for its body is not. The plan is printed
    first, with its price. Fewer records than a batch job takes are answered on demand.

    The report is written anew where there is one. Exit code 3: jobs are running on AWS, run the command again later.
    Exit code 5: records still have no answer.
    """
    from analysis.reports.sample import Choices
    from analysis.reports.stages import has_report, read_values, run_stages
    from analysis.runs import is_finished, open_run
    from analysis.runs import repair as repair_run

    opened = open_run(run, profile=profile, region=region)
    hours = choose_wait_hours(profile or opened.profile, wait_hours)
    counts = repair_run(opened, profile=profile, region=region, budget_usd=budget_usd, wait_hours=hours)
    is_complete, report = is_finished(opened), find_report(opened, reports)
    if is_complete and has_report(report):
        values = read_values(report)
        run_stages(opened.folder, values, report, echo=say)
        write_first_page(opened, Choices.from_parameters(values), opened.folder.parent, report.parent)
    end(opened, is_complete=is_complete, unanswered=int(counts["unanswered"].sum()))
