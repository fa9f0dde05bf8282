"""Checks of the models: batch jobs in the Region, inference profiles, access; by the facts, and by asking Bedrock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from analysis.aws.profiles import find_models_behind
from analysis.errors import AnalysisError, ModelError
from analysis.facts.batch_models import BatchSupport, find_batch_support, read_batch_models
from analysis.facts.lifecycle import describe_end
from analysis.facts.model_arns import list_model_arns, list_profile_regions
from analysis.facts.model_names import find_nearest
from analysis.facts.models import Model, find_model
from analysis.families import find_family
from analysis.prompts import Prompt, check_template
from analysis.requests.prompt_checks import check_settings
from analysis.runs.doctor.findings import Finding, find_code, look

TABLE = "see `Supported Regions and models for batch inference` in the Amazon Bedrock User Guide"
ON_DEMAND = "choose another model, or answer on demand"
GRANTED = frozenset({"AVAILABLE", "AUTHORIZED"})
PROFILES = "see `aws bedrock list-inference-profiles` for those of this region"
CONSOLE = "look at the model's page in the Bedrock console, in this region"


def check_prompts(prompts: Sequence[Prompt]) -> Iterator[Finding]:
    """Check that each prompt can be written as a request of its model."""
    for prompt in prompts:
        try:
            check_template(prompt)
            check_settings(prompt)
            find_family(find_model(prompt.model_id), prompt.invocation_type)
        except AnalysisError as error:
            yield Finding("prompt", "error", f"{prompt.name}: {error.reason}", error.cure)
        else:
            yield Finding("prompt", "ok", f"{prompt.name}: {prompt.model_id} by {prompt.invocation_type}")


def check_models(bedrock: Any, model_ids: Sequence[str], region: str, *, today: date) -> Iterator[Finding]:
    """Check each model: what the facts say of batch jobs in the Region, then what Bedrock says."""
    for model_id in model_ids:
        model = find_model(model_id)
        yield check_batch(model, region, today)
        if (end := describe_end(model.base, today)) and end.kind == "ends":
            yield Finding("model lifecycle", "warning", f"{model_id}: {end.what}", end.cure)
        yield from look_at_model(bedrock, model)


def look_at_model(bedrock: Any, model: Model) -> Iterator[Finding]:
    """Ask Bedrock for the profile of a model, the access to it, and how long it stays, as far as each can be asked."""
    profile, base = model.model_id, model.base
    if model.kind in {"inference-profile", "application-inference-profile"}:
        yield from look("inference profile", lambda: ask_profile(bedrock, profile), of=profile, instead=PROFILES)
    if model.provider:  # else it is not told which model is behind an ARN
        access = f"{CONSOLE}: `Model access`"
        yield from look("model access", lambda: ask_access(bedrock, base), of=base, instead=access)
        yield from look("model lifecycle", lambda: ask_lifecycle(bedrock, base), of=base, instead=CONSOLE)


def check_batch(model: Model, region: str, today: date) -> Finding:
    """Check by the facts that a model takes batch jobs in a Region by the id that is given."""
    name, support = model.model_id, find_batch_support(model.base)
    if model.kind == "application-inference-profile":
        detail = f"{name}: what is behind it is not told by its ARN"
        return Finding("batch", "unknown", detail, "compare the models behind it with the table of batch models")
    if model.kind not in {"foundation-model", "inference-profile"}:
        return Finding("batch", "error", f"{name}: no batch jobs of a {model.kind}", ON_DEMAND)
    if support is None:
        near = find_nearest(model.base, read_batch_models())
        cure = f"did you mean {near}? else {TABLE}" if near else TABLE
        return Finding("batch", "unknown", f"{name}: not a model that is known here", cure)
    if (end := describe_end(model.base, today)) and end.kind == "ended":
        return Finding("batch", "error", f"{name}: left Amazon Bedrock on {support.ends}", end.cure)
    if not support.takes_batch:
        return Finding("batch", "error", f"{name}: answers on demand, and takes no batch jobs", ON_DEMAND)
    return check_profile(model, support, region) if model.profile else check_own_region(model, support, region)


def check_own_region(model: Model, support: BatchSupport, region: str) -> Finding:
    """Check a model that is named by its own id: it has to be in the Region itself."""
    name = model.model_id
    if region in support.regions:
        return Finding("batch", "ok", f"{name}: takes batch jobs in {region}")
    if support.by_profile:
        known = [prefix for prefix in support.profiles if is_near(prefix, region)] or ["us", "eu", "global"]
        ids = " or ".join(f"{prefix}.{model.base}" for prefix in known)
        cure = f"write the id of an inference profile as model_id, such as {ids}"
        return Finding("batch", "error", f"{name}: takes batch jobs in {region} by an inference profile alone", cure)
    if not support.regions:
        return Finding("batch", "unknown", f"{name}: takes batch jobs, and its regions are not known here", TABLE)
    cure = f"give one of the regions {', '.join(support.regions)}, or {ON_DEMAND}"
    return Finding("batch", "error", f"{name}: takes no batch jobs in {region}", cure)


def check_profile(model: Model, support: BatchSupport, region: str) -> Finding:
    """Check a model that is named by an inference profile."""
    name, known = model.model_id, support.profiles
    if not support.by_profile:
        cure = f"write {model.base} as model_id"
        return Finding("batch", "warning", f"{name}: no inference profile of it is known for batch jobs", cure)
    if known and model.profile not in known:
        cure = f"write one of {', '.join(f'{prefix}.{model.base}' for prefix in known)}"
        return Finding("batch", "warning", f"{name}: a profile that is not known here", cure)
    if not is_near(model.profile, region):
        cure = f"give a region of {model.profile}., or write global.{model.base}, or the prefix of {region}"
        return Finding("batch", "warning", f"{name}: {region} is not in the geography of {model.profile}.", cure)
    return Finding("batch", "ok", f"{name}: takes batch jobs by this inference profile")


def is_near(prefix: str, region: str) -> bool:
    """Whether a Region is in the geography of a profile's prefix; `us.` can be called from Canada as well."""
    places = list_profile_regions(prefix)
    is_canadian = prefix == "us" and region.startswith("ca-")
    return prefix == "global" or is_canadian or any(fnmatchcase(region, place) for place in places)


def ask_profile(bedrock: Any, model_id: str) -> Iterator[Finding]:
    """Ask Bedrock for an inference profile: it is there or not in the Region that is called."""
    try:
        profile = bedrock.get_inference_profile(inferenceProfileIdentifier=model_id)
    except ClientError as error:
        if find_code(error) not in {"ResourceNotFoundException", "ValidationException"}:
            raise
        yield Finding("inference profile", "error", f"{model_id}: Bedrock has no such profile in this region", PROFILES)
        return
    # The ARN of a global profile's model has no Region.
    places = ", ".join(sorted({model["modelArn"].split(":")[3] or "all regions" for model in profile["models"]}))
    status = str(profile["status"])
    detail = f"{model_id}: {status.lower()}, sends requests to {places}"
    is_active = status == "ACTIVE"
    yield Finding("inference profile", "ok" if is_active else "error", detail, "" if is_active else CONSOLE)


def ask_access(bedrock: Any, base: str) -> Iterator[Finding]:
    """Ask Bedrock whether the account may use a model."""
    told = bedrock.get_foundation_model_availability(modelId=base)
    states = {
        "agreement": str(told["agreementAvailability"]["status"]),
        "authorization": str(told["authorizationStatus"]),
        "entitlement": str(told["entitlementAvailability"]),
        "region": str(told["regionAvailability"]),
    }
    lacking = [f"{name} {state.lower().replace('_', ' ')}" for name, state in states.items() if state not in GRANTED]
    if not lacking:
        yield Finding("model access", "ok", f"{base}: granted")
        return
    cure = f"accept the model's terms or its use-case form, or ask for access; {CONSOLE}"
    yield Finding("model access", "error", f"{base}: {', '.join(lacking)}", cure)


def ask_lifecycle(bedrock: Any, base: str) -> Iterator[Finding]:
    """Ask Bedrock how long a model stays; nothing is found about one that is not about to leave."""
    lifecycle = bedrock.get_foundation_model(modelIdentifier=base)["modelDetails"].get("modelLifecycle", {})
    if lifecycle.get("status") == "LEGACY":
        end = lifecycle.get("endOfLifeTime")
        when = f", and leaves Bedrock on {end:%Y-%m-%d}" if end else ""
        yield Finding("model lifecycle", "warning", f"{base}: legacy{when}", "choose a newer model soon")


def list_concrete_arns(bedrock: Any, model_ids: Sequence[str], region: str, account: str) -> list[str]:
    """List the ARNs that caller and role have to invoke, asking Bedrock what is behind a profile where it tells."""
    arns: list[str] = []
    for model_id in model_ids:
        # An application profile whose models are not told has a finding of its own.
        with suppress(ModelError):
            behind = find_models_behind(bedrock, model_id)
            arns += list_model_arns(model_id, region=region, account=account, behind=behind)
    return list(dict.fromkeys(arns))
