"""State machines of Step Functions, which moto executes: their calls come back to the emulator's server.

Source: AWS Step Functions Developer Guide, "AWS SDK service integrations": names of parameters begin with a capital.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel

from bedrock_local.protocol.shapes import operation_model


def lead_back(port: int) -> None:
    """Let what moto calls itself, as a state machine does, come to the emulator's server at this port."""
    os.environ["MOTO_PORT"] = str(port)


def run_state_machines() -> None:
    """Let moto execute state machines, and call services by the names that Step Functions has for their parameters.

    Without the first they would end at once; of the second moto has the parts, and does not use them.
    """
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
        StateTaskServiceAwsSdk,
    )

    def convert_parameters(task: Any, parameters: dict[str, Any], *_: object, **__: object) -> None:
        task._to_boto_request(parameters, find_operation(task).input_shape)

    def convert_response(task: Any, response: Any, *_: object, **__: object) -> None:
        if shape := find_operation(task).output_shape:
            task._from_boto_response(response, shape)
            write_moments(response)

    task_class: Any = StateTaskServiceAwsSdk
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    task_class._normalise_parameters = convert_parameters
    task_class._normalise_response = convert_response


def write_moments(fields: dict[str, Any]) -> None:
    """Write the moments among the fields of an answer as Step Functions does, in place."""
    for name, value in fields.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                write_moments(part)
        if isinstance(value, datetime):
            fields[name] = value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find_operation(task: Any) -> OperationModel:
    """Find the operation that a task of a state machine calls: `createModelInvocationJob` of bedrock."""
    action = task.resource.api_action
    return operation_model(task._get_boto_service_name(), action[0].upper() + action[1:])
