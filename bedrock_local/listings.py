"""Foundation models and inference profiles: listed, described, and profiles of the account made and deleted.

Sources: the service model of bedrock; recorded lists, where models that only a profile reaches have `INFERENCE_PROFILE`
(danny-avila/LibreChat#13628). Names, modalities and dates are made of the ids, so they are close to the service's only.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from bedrock_local.emulator import Emulator
from bedrock_local.models import ALL_MODELS, EMBEDDING_MODELS, PROFILE, Model
from bedrock_local.profiles import (
    Profile,
    delete_profile,
    find_profile,
    list_destinations,
    list_profiles,
    list_system_ids,
    make_profile_id,
    save_profile,
)
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.json import json_response, read_object
from bedrock_local.protocol.messages import Response, read_all
from bedrock_local.protocol.resource_tags import check_tags
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import check_request
from bedrock_local.protocol.timestamps import iso_time

PROVIDERS = {
    "ai21": "AI21 Labs", "amazon": "Amazon", "anthropic": "Anthropic", "cohere": "Cohere", "deepseek": "DeepSeek",
    "google": "Google", "meta": "Meta", "minimax": "MiniMax", "mistral": "Mistral AI", "moonshot": "Moonshot AI",
    "moonshotai": "Moonshot AI", "nvidia": "NVIDIA", "openai": "OpenAI", "qwen": "Qwen", "writer": "Writer",
    "zai": "Z.AI",
}  # fmt: skip
SEES = re.compile(
    r"anthropic\.|amazon\.(nova-(?!micro)|titan-embed-image)|meta\.llama(3-2-(11|90)b|4)|cohere\.embed|google\.gemma"
    r"|qwen\.qwen3-vl|mistral\.(mistral-large-3|ministral)|moonshotai\.kimi-k2\.5"
)
RELEASED = re.compile(r"-(20\d{6})(?=-|$)")
NAME_LETTERS = 20  # at most, in the service model
BODY_BYTES = 1_000_000
DEFAULT_PAGE = 100
NO_MODEL = "Could not resolve the foundation model from the provided model identifier."
NO_PROFILE = "The requested inference profile could not be found."


def list_models(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List the models that have not ended, by the filters of the query."""
    described = [describe_model(model, emulator) for model in ALL_MODELS.values() if is_alive(model, emulator)]
    return json_response({"modelSummaries": [each for each in described if matches(each, request.query)]})


def get_model(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Describe a model by its id or ARN."""
    name = request.identifier.removeprefix(emulator.model_arn(""))
    model = ALL_MODELS.get(name)
    if model is None or not is_alive(model, emulator):
        raise ServiceError("ResourceNotFoundException", NO_MODEL)
    return json_response({"modelDetails": describe_model(model, emulator)})


def list_inference_profiles(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List a page of profiles: those of AWS, then those of the account, each by their ids."""
    kind, size = request.query.get("type", ""), int(request.query.get("maxResults", DEFAULT_PAGE))
    is_strict = emulator.settings.strict
    begin = read_token(request.query["nextToken"], kind, is_strict=is_strict) if "nextToken" in request.query else -1
    found = list_described(kind, emulator)
    page = list(islice(found, begin + 1, begin + 2 + size))
    token = {"nextToken": make_token(begin + size, kind)} if len(page) > size else {}
    return json_response({"inferenceProfileSummaries": page[:size], **token})


def get_inference_profile(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Describe a profile by its id or ARN."""
    identifier = request.identifier
    if profile := find_profile(emulator.folder, identifier, emulator.region):
        return json_response(describe_profile(profile, emulator))
    return json_response(describe_system(*find_system(identifier, emulator), emulator))


def create_inference_profile(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Make a profile of the account from a model or from a profile of AWS."""
    body = read_object(read_all(request.body, BODY_BYTES) or b"", "The request body is not a JSON object.")
    check_request("bedrock", request.operation, body)
    check_tags(body.get("tags") or [])
    known = list_profiles(emulator.folder, emulator.region)
    token = body.get("clientRequestToken") or ""
    profile = next((each for each in known if token and each.token == token), None)
    if profile is None:
        profile = make_profile(body, known, emulator)
        save_profile(emulator.folder, profile)
    answer = {"inferenceProfileArn": profile_arn(profile, emulator), "status": "ACTIVE"}
    return replace(json_response(answer), status=201)


def delete_inference_profile(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Delete a profile of the account; jobs that it began go on."""
    profile = find_profile(emulator.folder, request.identifier, emulator.region)
    if profile is None:
        find_system(request.identifier, emulator)
        raise ServiceError("ValidationException", "A system-defined inference profile cannot be deleted.")
    delete_profile(emulator.folder, profile)
    return json_response({})


def is_alive(model: Model, emulator: Emulator) -> bool:
    """Return whether requests to a model are answered, by its end and the settings."""
    try:
        return emulator.find_model(model.base) is not None
    except ServiceError:
        return False


def matches(described: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Return whether a model passes all filters of a query."""
    provider = query.get("byProvider", "").casefold()
    lists = {
        "byOutputModality": described["outputModalities"],
        "byInferenceType": described["inferenceTypesSupported"],
        "byCustomizationType": described["customizationsSupported"],
    }
    names = ("", described["providerName"].casefold(), described["modelId"].split(".")[0])
    return provider in names and all(query[name] in values for name, values in lists.items() if name in query)


def describe_model(model: Model, emulator: Emulator) -> dict[str, Any]:
    """Describe a model as List and Get do."""
    has_vectors = model.base in EMBEDDING_MODELS
    is_by_profile = model.needs_profile and emulator.region not in model.own_regions
    return {
        "modelArn": emulator.model_arn(model.base),
        "modelId": model.base,
        "modelName": name_model(model),
        "providerName": PROVIDERS.get(model.provider, model.provider),
        "inputModalities": ["TEXT", "IMAGE"] if SEES.match(model.base) else ["TEXT"],
        "outputModalities": ["EMBEDDING" if has_vectors else "TEXT"],
        "responseStreamingSupported": not has_vectors,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["INFERENCE_PROFILE" if is_by_profile else "ON_DEMAND"],
        "modelLifecycle": describe_lifecycle(model),
    }


def describe_lifecycle(model: Model) -> dict[str, str]:
    """Describe how long a model lives, as far as that is known; one whose end is known is a legacy model."""
    times = {}
    if released := RELEASED.search(model.base):
        times["startOfLifeTime"] = iso_time(datetime.strptime(released[1], "%Y%m%d").replace(tzinfo=UTC).timestamp())
    if model.ends:
        ends = datetime(model.ends.year, model.ends.month, model.ends.day, tzinfo=UTC)
        times["endOfLifeTime"] = iso_time(ends.timestamp())
    return {"status": "LEGACY" if model.ends else "ACTIVE", **times}


def name_model(model: Model) -> str:
    """Make the name of a model from its id, in whole words, as many as the service model allows."""
    words = RELEASED.sub("", model.short_name).replace("-", " ").title().split()
    name = words[0]
    for word in words[1:]:
        name = f"{name} {word}" if len(name) + len(word) < NAME_LETTERS else name
    return name[:NAME_LETTERS]


def list_described(kind: str, emulator: Emulator) -> list[dict[str, Any]]:
    """List the descriptions of all profiles of a type, or of both."""
    described = []
    if kind != "APPLICATION":
        ids = sorted(list_system_ids(emulator.region), key=lambda pair: pair[0])
        described += [describe_system(name, model, emulator) for name, model in ids if is_alive(model, emulator)]
    if kind != "SYSTEM_DEFINED":
        described += [describe_profile(each, emulator) for each in list_profiles(emulator.folder, emulator.region)]
    return described


def find_system(identifier: str, emulator: Emulator) -> tuple[str, Model]:
    """Find a profile of AWS by its id or ARN, also one that List does not have: any prefix is accepted."""
    name = identifier.removeprefix(emulator.arn("inference-profile/"))
    prefix = PROFILE.match(name)
    model = ALL_MODELS.get(name[prefix.end() :]) if prefix else None
    if model is None or not is_alive(model, emulator):
        raise ServiceError("ResourceNotFoundException", NO_PROFILE)
    return name, model


def describe_system(profile_id: str, model: Model, emulator: Emulator) -> dict[str, Any]:
    """Describe a profile of AWS."""
    prefix = profile_id[: -len(model.base) - 1]
    regions = list_destinations(prefix, emulator.region)
    name = f"{prefix.upper()} {PROVIDERS.get(model.provider, model.provider)} {name_model(model)}"
    where = "any commercial Region" if prefix == "global" else " ".join(regions)
    started = describe_lifecycle(model).get("startOfLifeTime")
    return {
        "inferenceProfileName": plain(name),
        "description": plain(f"Routes requests to {name_model(model)} in {where}."),
        **({"createdAt": started, "updatedAt": started} if started else {}),
        "inferenceProfileArn": emulator.arn(f"inference-profile/{profile_id}"),
        "models": [{"modelArn": model_arn(model, region, emulator)} for region in regions],
        "inferenceProfileId": profile_id,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def plain(text: str) -> str:
    """Return a text without the characters that the service model does not allow in names of profiles."""
    return re.sub(r"[ _-]+", " ", re.sub(r"[^0-9a-zA-Z _.:-]", " ", text)).strip()


def model_arn(model: Model, region: str, emulator: Emulator) -> str:
    """Return the ARN of a model in a region."""
    return f"arn:{emulator.partition}:bedrock:{region}::foundation-model/{model.base}"


def make_profile(body: Mapping[str, Any], known: list[Profile], emulator: Emulator) -> Profile:
    """Make a profile from a request; a strict emulator refuses a name that is in use, of which nothing is stated."""
    name, source = body["inferenceProfileName"], body["modelSource"]["copyFrom"]
    if emulator.settings.strict and name in [each.name for each in known]:
        raise ServiceError("ConflictException", "An inference profile with this name exists already.")
    base, arns = read_source(source, emulator)
    return Profile(
        profile_id=make_profile_id(),
        name=name,
        region=emulator.region,
        model=base,
        model_arns=arns,
        created=emulator.now(),
        description=body.get("description") or "",
        token=body.get("clientRequestToken") or "",
        tags=[{"key": tag["key"], "value": tag["value"]} for tag in body.get("tags") or []],
    )


def read_source(source: str, emulator: Emulator) -> tuple[str, list[str]]:
    """Return the base id and the ARNs of the models of what a profile is made from."""
    if ":foundation-model/" in source:
        model = ALL_MODELS.get(source.rsplit("/", 1)[-1])
        if model is None or not is_alive(model, emulator):
            raise ServiceError("ResourceNotFoundException", NO_MODEL)
        return model.base, [source]
    name, model = find_system(source, emulator)
    return model.base, [each["modelArn"] for each in describe_system(name, model, emulator)["models"]]


def describe_profile(profile: Profile, emulator: Emulator) -> dict[str, Any]:
    """Describe a profile of the account."""
    created = iso_time(profile.created)
    return {
        "inferenceProfileName": profile.name,
        **({"description": profile.description} if profile.description else {}),
        "createdAt": created,
        "updatedAt": created,
        "inferenceProfileArn": profile_arn(profile, emulator),
        "models": [{"modelArn": arn} for arn in profile.model_arns],
        "inferenceProfileId": profile.profile_id,
        "status": "ACTIVE",
        "type": "APPLICATION",
    }


def profile_arn(profile: Profile, emulator: Emulator) -> str:
    """Return the ARN of a profile of the account."""
    return emulator.arn(f"application-inference-profile/{profile.profile_id}")


def make_token(position: int, kind: str) -> str:
    """Make the token of a page, by the position of its last profile."""
    return base64.urlsafe_b64encode(msgspec.json.encode([position, kind])).decode()


def read_token(token: str, kind: str, *, is_strict: bool) -> int:
    """Read the position from the token of a list; where `is_strict`, of one with the same filter."""
    try:
        position, of_kind = msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[int, str])
    except (ValueError, msgspec.DecodeError):
        position, of_kind = -1, ""
    if position < 0 or (is_strict and of_kind != kind):
        raise ServiceError("ValidationException", "The provided nextToken is invalid.")
    return position
