"""Events of the emulator on moto's EventBridge.

Source: Amazon EventBridge User Guide, "Events in Amazon EventBridge", for what a target gets.
"""

from __future__ import annotations

import json
import sys
from copy import copy, deepcopy
from datetime import UTC, datetime
from typing import Any


def put_event(event: dict[str, Any]) -> None:
    """Put an event of the emulator on moto's default bus: each target of each rule that matches it gets it.

    Not by PutEvents: there a target that moto does not deliver to keeps those after it from the event.
    """
    from moto.events.models import events_backends

    bus = events_backends[event["account"]][event["region"]].event_buses["default"]
    rules: list[Any] = [rule for rule in bus.rules.values() if rule.state == "ENABLED"]
    for rule in rules:
        # A rule without a pattern has a schedule.
        if rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event):
            for target in list(rule.targets):
                try:
                    send_to_target(rule, target, event)
                except Exception as error:
                    reason = f"{type(error).__name__} {error}".strip()
                    print(f"bedrock_local: no event to {target['Arn']}: {reason}", file=sys.stderr, flush=True)


def send_to_target(rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
    """Send an event to one target of a rule: by moto, but for topics of SNS, to which its rules do not send."""
    from moto.events.utils import EventTemplateParser
    from moto.sns.models import sns_backends

    transformer = target.get("InputTransformer", {})
    # Copies, as moto writes the time into them; and whole where nothing is to be transformed, as moto leaves out some.
    whole: Any = deepcopy(event) | ({"ingestion-time": event["time"]} if transformer else {})
    if target["Arn"].split(":")[2] != "sns":
        only = copy(rule)
        only.targets = [target]
        only.send_to_targets(whole, transform_input=bool(transformer))
        return
    whole["time"] = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if transformer:
        whole = EventTemplateParser.parse(transformer["InputTemplate"], transformer.get("InputPathsMap", {}), whole)
    sns_backends[event["account"]][event["region"]].publish(json.dumps(whole), target["Arn"])
