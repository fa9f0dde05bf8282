"""The command `facts`: update the prices and quotas that are used."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

from analysis.cli.app import app, say

facts = typer.Typer(
    help="Update the prices and quotas that are used.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(facts, name="facts")


@facts.command()
def update(
    profile: Annotated[str, Option(metavar="NAME", help="AWS profile; by default boto3's.")] = "",
    region: Annotated[
        str, Option(metavar="NAME", help="Region of the prices and quotas; by default the profile's.")
    ] = "",
) -> None:
    """Read today's prices and your account's quotas from AWS.

    Shows every number that changed, and writes them to .batchbook in your home folder, or to $BATCHBOOK_FACTS.
    Needs the permissions pricing:GetProducts and servicequotas:ListServiceQuotas; with only one, it reads only that.
    """
    from analysis.facts.update import update_account

    done = update_account(profile, region=region)
    say(done)
    if not done.files:
        raise typer.Exit(1)
