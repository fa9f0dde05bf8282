"""The emulator against the service model in botocore: what it has to accept, and what it has to refuse.

The cases are read from the model, so a newer botocore brings its own. Requests are written on the wire by the test,
past the client's own checks; what is answered is held to its shape by `conftest.py`, here as everywhere.
"""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import UTC, datetime
from functools import cache
from itertools import count
from urllib.parse import quote, urlencode

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bedrock_local.dispatch import HANDLERS
from bedrock_local.protocol.patterns import is_match
from bedrock_local.protocol.routing import BEDROCK_ROUTES, OPERATIONS
from bedrock_local.settings import ACCOUNT

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ROLE = "arn:aws:iam::123456789012:role/batch"
NOVA = "amazon.nova-lite-v1:0"
BEDROCK_OPERATIONS = (
    "CreateModelInvocationJob", "GetModelInvocationJob", "ListModelInvocationJobs", "StopModelInvocationJob",
    "ListTagsForResource", "TagResource", "UntagResource", "ListFoundationModels", "GetFoundationModel",
    "ListInferenceProfiles", "CreateInferenceProfile", "GetInferenceProfile", "DeleteInferenceProfile",
)  # fmt: skip
RUNTIME_OPERATIONS = ("Converse", "ConverseStream", "CountTokens", "InvokeModel", "InvokeModelWithResponseStream")
PLACES = ("uri", "querystring", "header")
PLACE = re.compile(r" at '(.*?)' failed to satisfy constraint: ", re.DOTALL)
ITEM, KEY, VALUE = "[item]", "[key]", "[value]"
NUMBERS = ("integer", "long", "float", "double")
RULES = {
    "type": "Member must be of type {type}",
    "required": "Member must not be null",
    "none of the union": "Member must have exactly one of its members set",
    "two of the union": "Member must have exactly one of its members set",
    "too short": "Member must have length greater than or equal to {min}",
    "too long": "Member must have length less than or equal to {max}",
    "too small": "Member must have value greater than or equal to {min}",
    "too large": "Member must have value less than or equal to {max}",
    "pattern": "Member must satisfy regular expression pattern: {pattern}",
    "enum": "Member must satisfy enum value set: [",
}
# What a request of the right shape may be refused for: source in docs/emulator/service.md.
MEANINGS = (
    "Could not resolve the foundation model from the provided model identifier.",
    "The requested inference profile could not be found.",
    "A system-defined inference profile cannot be deleted.",
    "A resource can have 50 tags",
    "Batch inference is not supported for the requested model.",
    "Duplicate tag keys found: ",
    "The provided client request token is in use",
    "The provided job name is currently in use.",
    "The provided nextToken is invalid.",
    "The requested job could not be found.",
    "The requested resource could not be found.",
    "User: arn:aws:iam::123456789012:user/emulator is not authorized to perform: iam:PassRole",
)
# The name of a case says enough, and to look for a shorter request takes long.
few = settings(
    derandomize=True, database=None, max_examples=2, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
several = settings(few, max_examples=25)


@cache
def operation_model(name):
    service = "bedrock-runtime" if name in RUNTIME_OPERATIONS else "bedrock"
    return get_session().get_service_model(service).operation_model(name)


@cache
def valid(shape, must=()):
    """Make any value of a shape, in its form on the wire; with a place that must be there, what is needed for it."""
    limits, first, rest = shape.metadata, must[:1], must[1:]
    if shape.type_name == "structure":
        return structures(shape, first, rest)
    if shape.type_name == "list":
        sizes = [size for size in (limits.get("min", 0), limits.get("max", 3)) if size <= 20] or [1]
        tail = st.sampled_from(sizes).flatmap(lambda size: st.lists(valid(shape.member), min_size=size, max_size=size))
        head = valid(shape.member, rest)
        return st.builds(lambda one, more: [one, *more[1:]], head, tail) if first else tail
    if shape.type_name == "map":
        return st.dictionaries(valid(shape.key), valid(shape.value), min_size=limits.get("min", len(first)), max_size=3)
    if shape.type_name == "blob":
        return st.binary(min_size=limits.get("min", 0), max_size=20).map(lambda body: base64.b64encode(body).decode())
    if shape.type_name in NUMBERS:
        return numbers(shape)
    others = {"boolean": st.booleans(), "timestamp": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)}
    return strings(shape) if shape.type_name == "string" else others[shape.type_name]


def structures(shape, first, rest):
    """Make a structure or a union, with the member `first`."""
    if shape.is_document_type:
        return st.dictionaries(st.text("abc", max_size=3), st.none() | st.integers() | st.text("abc"), max_size=2)
    members = {name: valid(member, rest if (name,) == first else ()) for name, member in shape.members.items()}
    if shape.is_tagged_union:
        return st.one_of([st.fixed_dictionaries({name: members[name]}) for name in first or members])
    fixed = {name: member for name, member in members.items() if name in shape.required_members or (name,) == first}
    others = {} if first else {name: members[name] for name in members if name not in fixed}
    return st.fixed_dictionaries(fixed, optional=others)


def strings(shape):
    """Make texts of an enum, of a pattern, or any, between the lengths; the longest now and then."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 2048)
    if "enum" in shape.metadata:
        return st.sampled_from(shape.metadata["enum"])
    if "pattern" not in shape.metadata:
        return st.text(st.characters(codec="utf-8"), min_size=least, max_size=min(most, 20))
    matching = st.from_regex(re.compile(shape.metadata["pattern"], re.ASCII), fullmatch=True)
    matching = matching.filter(lambda text: least <= len(text) <= most and text.isprintable())
    return matching | matching.map(lambda text: stretch(text, most, shape) or text)


def numbers(shape):
    """Make numbers at the edges and between."""
    if shape.type_name in ("float", "double"):
        return st.floats(shape.metadata.get("min"), shape.metadata.get("max"), allow_nan=False, allow_infinity=False)
    bits = 31 if shape.type_name == "integer" else 63
    least, most = shape.metadata.get("min", -(2**bits)), shape.metadata.get("max", 2**bits - 1)
    return st.sampled_from([least, least + 1, most - 1, most]) | st.integers(least, most)


def stretch(text, size, shape):
    """Make a text longer by one of its letters, where the pattern allows it."""
    allowed = re.compile(shape.metadata.get("pattern", "(?s:.*)"), re.ASCII).fullmatch
    longer = (text[:at] + text[at] * (size - len(text)) + text[at:] for at in range(len(text)))
    return next((text for text in longer if allowed(text)), None)


def find_sites(shape, path=()):
    """Yield each rule of a shape and its members, as path, rule and shape."""
    limits, kind = shape.metadata, shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if path[-1:] != (KEY,):
        yield path, "type", shape
    is_number, has_size = kind in NUMBERS, kind in ("string", "list", "map", "blob")
    rules = {
        "too short": has_size and limits.get("min", 0) > 0,
        "too long": has_size and limits.get("max", 10_000) < 10_000,
        "too small": is_number and "min" in limits,
        "too large": is_number and "max" in limits,
        "pattern": "pattern" in limits,
        "enum": "enum" in limits,
        "none of the union": getattr(shape, "is_tagged_union", False),
        "two of the union": getattr(shape, "is_tagged_union", False) and len(shape.members) > 1,
    }
    yield from ((path, rule, shape) for rule, holds in rules.items() if holds)
    for name, member in getattr(shape, "members", {}).items():
        if name in shape.required_members:
            yield (*path, name), "required", member
        yield from find_sites(member, (*path, name))
    below = {"list": {ITEM: "member"}, "map": {KEY: "key", VALUE: "value"}}.get(kind, {})
    for step, name in below.items():
        yield from find_sites(getattr(shape, name), (*path, step))


def sites_of(*operations):
    """List each rule once for each operation, and once for all of them where a shape is deep inside."""
    found = {}
    for operation in operations:
        for path, rule, shape in find_sites(operation_model(operation).input_shape):
            if path and can_be_sent(operation_model(operation).input_shape, path, rule):
                owner = operation if len(path) < 3 else ""
                found.setdefault((owner, shape.name, rule, path[-1]), (operation, path, rule, shape))
    return [pytest.param(*site, id=f"{site[0]}-{'.'.join(site[1])}-{site[2]}") for site in found.values()]


def can_be_sent(shape, path, rule):
    """Return whether a request can break a rule: what is in the address is always text, and never missing."""
    member = shape.members[path[0]]
    location = member.serialization.get("location")
    if path[0] == shape.serialization.get("payload") or member.type_name == "timestamp":
        return rule == "type" and member.type_name == "timestamp"
    is_text = location is not None and member.type_name == "string"
    return not (is_text and rule in ("type", "required")) and (location, rule) != ("uri", "too short")


def broken(value, rule, shape):
    """Make values that break one rule of a shape, at its edge, from one that keeps it."""
    limits = shape.metadata
    if rule in ("too small", "too large"):
        edge, step = (limits["min"], -1) if rule == "too small" else (limits["max"], 1)
        whole = shape.type_name in ("integer", "long")
        return st.just(edge + step if whole else math.nextafter(edge, step * math.inf))
    if rule in ("too short", "too long"):
        size = limits["min"] - 1 if rule == "too short" else limits["max"] + 1
        return st.just(resize(value, size, shape)) if isinstance(value, str) else collections(shape, size)
    if rule == "pattern":
        places = st.tuples(st.integers(0, len(value)), st.sampled_from("!\n é\0"))
        misses = places.map(lambda place: (value[: place[0]] + place[1] + value[place[0] :])[: limits.get("max", 100)])
        return misses.filter(lambda text: not is_match(limits["pattern"], text))
    if rule == "two of the union":
        both = {name: valid(shape.members[name]) for name in list(shape.members)[:2]}
        return st.fixed_dictionaries(both)
    wrong = {"enum": ["Unheard-of", ""], "none of the union": [{}, {"unheardOf": {}}], "type": wrong_types(shape)}
    return st.sampled_from(wrong[rule])


def wrong_types(shape):
    """Make JSON of every other kind."""
    kinds = {"boolean": True, "number": 7, "string": "x!", "list": ["x"], "structure": {"x": 1}, "half": 1.5}
    own = {"map": ["structure"], "timestamp": [], "blob": [], "float": ["number", "half"], "double": ["number", "half"]}
    own |= {"integer": ["number"], "long": ["number"]}
    return [value for kind, value in kinds.items() if kind not in own.get(shape.type_name, [shape.type_name])]


def collections(shape, size):
    """Make lists and maps of any size; what is in them keeps its own rules."""
    if shape.type_name == "list":
        return valid(shape.member).map(lambda item: [item] * size)
    return valid(shape.value).map(lambda value: {f"key-{number}": value for number in range(size)})


def resize(value, size, shape):
    """Change the size of a text or a blob."""
    if shape.type_name == "blob":
        return base64.b64encode(bytes(size)).decode()
    if size <= len(value):
        return value[:size]
    return stretch(value, size, shape) or value + "a" * (size - len(value))


def place_in(value, path, change):
    """Return the value with one place changed, and the name of that place; None removes the place."""
    step, rest = path[0], path[1:]
    first = next(iter(value), None)
    key, name = {ITEM: (0, "1.member"), KEY: (first, ""), VALUE: (first, f"{first}.value")}.get(step, (step, step))
    if step == KEY:
        new = change(first)
        return {new: value[first]}, f"{new}.key"
    inner, below = place_in(value[key], rest, change) if rest else (change(value[key]), "")
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[key] = inner
    if inner is None:
        del copy[key]
    return copy, f"{name}.{below}" if below else name


class Wire:
    """A client that sends what a test says, whatever botocore would make of it."""

    def __init__(self, session):
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        names = ("bedrock", "bedrock-runtime")
        session.events.register("before-call", self.put)
        self.clients = {name: session.client(name, config=config) for name in names}

    def put(self, params, **_):
        """Replace the request that the client made by the one to send."""
        params.update(url=self.sent["url"], body=self.sent["body"], headers=params["headers"] | self.sent["headers"])

    def send(self, operation, parameters):
        """Send a request; return code and message of the refusal, or the parsed response."""
        return self.send_raw(operation, *on_wire(operation_model(operation), parameters))

    def send_raw(self, operation, address, body=b"", headers=None):
        """Send a request of which the test wrote address and body."""
        client = self.clients["bedrock-runtime" if operation in RUNTIME_OPERATIONS else "bedrock"]
        self.sent = {"url": f"{client.meta.endpoint_url}{address}", "body": body, "headers": headers or {}}
        members = operation_model(operation).input_shape.members
        try:
            return client._make_api_call(operation, {name: "x" for name in members if is_in(members[name], "uri")})
        except ClientError as error:
            return error.response["Error"]


def is_in(member, *locations):
    return member.serialization.get("location") in locations


def on_wire(model, parameters):
    """Write a request as the REST-JSON protocol does: address, body, headers."""
    members, payload = model.input_shape.members, model.input_shape.serialization.get("payload")
    uri, query, headers = ({k: v for k, v in parameters.items() if is_in(members[k], place)} for place in PLACES)
    path = model.http["requestUri"]
    for name, value in uri.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    named = {members[name].serialization.get("name", name): value for name, value in query.items()}
    address = f"{path}?{urlencode(named)}" if query else path
    rest = {name: value for name, value in parameters.items() if not is_in(members[name], *PLACES)}
    body = base64.b64decode(parameters.get(payload, "")) if payload else json.dumps(rest).encode()
    return address, body, {members[name].serialization["name"]: value for name, value in headers.items()}


@pytest.fixture(scope="module")
def wire(tmp_path_factory, open_held):
    return Wire(open_held(tmp_path_factory.mktemp("wire") / "emulator", seconds={"Submitted": 1e9}, min_records=1))


def known_model(operation, path=()):
    """Replace the model id by one that exists, unless its rules are what is broken: models are checked first."""
    return {"modelId": NOVA} if operation in RUNTIME_OPERATIONS and path != ("modelId",) else {}


@pytest.mark.parametrize("operation", BEDROCK_OPERATIONS)
@several
@given(data=st.data())
def test_a_request_of_the_right_shape_is_accepted_or_refused_for_its_meaning(wire, operation, data):
    reason = wire.send(operation, data.draw(valid(operation_model(operation).input_shape))).get("Message")
    assert not reason or reason.startswith(MEANINGS)


@pytest.mark.parametrize("operation", RUNTIME_OPERATIONS)
@several
@given(data=st.data())
def test_a_model_does_not_refuse_a_request_of_the_right_shape_for_its_shape(wire, operation, data):
    parameters = data.draw(valid(operation_model(operation).input_shape)) | known_model(operation)
    assert not PLACE.findall(wire.send(operation, parameters).get("Message", ""))


def test_every_operation_of_bedrock_that_is_answered_is_held_to_the_model():
    handled = {name for service in BEDROCK_ROUTES for name in OPERATIONS[service] if name in HANDLERS}
    assert handled == {*BEDROCK_OPERATIONS, *RUNTIME_OPERATIONS}


@pytest.mark.parametrize(("operation", "path", "rule", "shape"), sites_of(*BEDROCK_OPERATIONS, *RUNTIME_OPERATIONS))
@few
@given(data=st.data())
def test_a_request_that_breaks_one_rule_is_refused_by_name(wire, operation, path, rule, shape, data):
    parameters = data.draw(valid(operation_model(operation).input_shape, path)) | known_model(operation, path)
    parameters, place = place_in(
        parameters, path, lambda old: None if rule == "required" else data.draw(broken(old, rule, shape))
    )
    error = wire.send(operation, parameters)
    assert error["Code"] == "ValidationException"
    assert set(PLACE.findall(error["Message"])) == {place}
    assert RULES[rule].format(type=shape.type_name, **shape.metadata) in error["Message"]


numbered = count()


@several
@given(data=st.data())
def test_the_request_of_a_job_comes_back_in_its_description(wire, data):
    name = f"job-{next(numbered)}"
    own = {"modelId": HAIKU, "roleArn": ROLE, "jobName": name, "clientRequestToken": name, "tags": []}
    parameters = data.draw(valid(operation_model("CreateModelInvocationJob").input_shape)) | own
    arn = wire.send("CreateModelInvocationJob", parameters)["jobArn"]
    job = wire.send("GetModelInvocationJob", {"jobIdentifier": arn})
    asked = {name: value for name, value in parameters.items() if name not in ("modelId", "tags", "clientRequestToken")}
    for config in (asked["inputDataConfig"], asked["outputDataConfig"]):
        for member in config.values():
            member.setdefault("s3BucketOwner", ACCOUNT)  # the service fills it in
    assert {member: job.get(member) for member in asked} == asked


@pytest.fixture
def create(wire, request_of):
    """Create a job with a name of its own, from a body on the wire."""
    return lambda **more: wire.send("CreateModelInvocationJob", request_of(jobName=f"job-{next(numbered)}", **more))


def test_unknown_and_null_members_are_dropped(wire, request_of):
    given = {"s3InputDataConfig": {"s3Uri": "s3://calls/in/", "s3InputFormat": None, "unheardOf": 1}, "other": None}
    body = json.dumps(request_of(inputDataConfig=given, vpcConfig=None, unheardOf={})).encode()
    arn = wire.send_raw("CreateModelInvocationJob", "/model-invocation-job", body)["jobArn"]
    job = wire.send("GetModelInvocationJob", {"jobIdentifier": arn})
    assert job["inputDataConfig"] == {"s3InputDataConfig": {"s3Uri": "s3://calls/in/", "s3BucketOwner": ACCOUNT}}
    assert not {"vpcConfig", "unheardOf"} & job.keys()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"jobName": "\xff"}', b'{"jobName":' * 50_000, b'{"a": 1e999}'])
def test_a_body_that_is_not_a_json_object_is_refused(wire, body):
    error = wire.send_raw("CreateModelInvocationJob", "/model-invocation-job", body)
    assert error["Code"] == "ValidationException"


@pytest.mark.parametrize("letters", [":/", ":/-0123456789abcdefghijklmnopqrstuvwxyz", "/"])
@pytest.mark.parametrize("digits", [str.upper, str.lower])
def test_an_arn_is_found_however_its_path_is_encoded(wire, create, letters, digits):
    arn = create()["jobArn"]
    encoded = "".join(digits(f"%{ord(letter):02x}") if letter in letters else letter for letter in arn)
    assert wire.send_raw("GetModelInvocationJob", f"/model-invocation-job/{encoded}")["jobArn"] == arn


@pytest.mark.parametrize("identifier", ["%2e%2e%2f%2e%2e", "a%00", "%ff%fe", "%25", "arn%253Aaws", "stop", "a" * 5000])
def test_an_invalid_identifier_is_refused_as_such(wire, identifier):
    for operation, end in (("GetModelInvocationJob", ""), ("StopModelInvocationJob", "/stop")):
        error = wire.send_raw(operation, f"/model-invocation-job/{identifier}{end}")
        assert PLACE.findall(error["Message"]) == ["jobIdentifier"]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_pages_of_every_size_have_each_job_once(wire, create, size):
    made = {create()["jobArn"] for _ in range(3)}
    listed, token = [], {}
    while token is not None:
        page = wire.send("ListModelInvocationJobs", {"maxResults": size, "nameContains": "job-", **token})
        listed += [job["jobArn"] for job in page["invocationJobSummaries"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
    assert len(listed) == len(set(listed))
    assert made <= set(listed)


@pytest.mark.parametrize("query", ["maxResults=%31%30", "maxResults=007", "unheardOf=1", "submitTimeAfter=2026-01-01"])
def test_a_query_may_be_written_in_other_ways(wire, query):
    assert "invocationJobSummaries" in wire.send_raw("ListModelInvocationJobs", f"/model-invocation-jobs?{query}")


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("maxResults", ["", "1e3", "0x1", "%D9%A1", "9" * 5000]),
        ("submitTimeAfter", ["", "soon", "0000-01-01", "1e9"]),
        ("nextToken", ["A" * 2048, "LTU%3D", "%00"]),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(wire, name, texts):
    for text in texts:
        error = wire.send_raw("ListModelInvocationJobs", f"/model-invocation-jobs?{name}={text}")
        assert error["Code"] == "ValidationException"
