"""apache-airflow-providers-amazon: hooks, operators and waiters of Bedrock, without a scheduler or a database."""

import json
import logging
import time

from airflow.providers.amazon.aws.hooks.bedrock import BedrockHook, BedrockRuntimeHook
from airflow.providers.amazon.aws.hooks.eventbridge import EventBridgeHook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.providers.amazon.aws.operators.bedrock import BedrockBatchInferenceOperator, BedrockInvokeModelOperator
from airflow.providers.amazon.aws.operators.eventbridge import EventBridgePutRuleOperator
from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator, S3CreateObjectOperator
from airflow.providers.amazon.aws.sensors.bedrock import BedrockBatchInferenceSensor
from airflow.providers.amazon.aws.triggers.bedrock import BedrockBatchInferenceCompletedTrigger
from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from trying import ANSWER, ASKED, HAIKU, check

logging.disable(logging.CRITICAL)
OWN = {"aws_conn_id": None, "region_name": "us-east-1"}
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 200}
BODY |= {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]}
LINES = "".join(json.dumps({"recordId": f"CALL{n:07d}", "modelInput": BODY}) + "\n" for n in range(100))


def make_operator(name, **more):
    """Make the operator of a batch job."""
    return BedrockBatchInferenceOperator(
        task_id=name,
        job_name=name,
        role_arn="arn:aws:iam::123456789012:role/batch",
        model_id=HAIKU,
        input_uri="s3://airflow/in/calls.jsonl",
        output_uri="s3://airflow/out/",
        deferrable=False,
        **OWN,
        **more,
    )


@check("`S3CreateBucketOperator`, `S3CreateObjectOperator`")
def _():
    S3CreateBucketOperator(task_id="bucket", bucket_name="airflow", **OWN).execute({})
    put = {"s3_bucket": "airflow", "s3_key": "in/calls.jsonl", "data": LINES, "replace": True}
    S3CreateObjectOperator(task_id="file", **put, **OWN).execute({})
    return True


@check("`BedrockInvokeModelOperator`")
def _():
    found = BedrockInvokeModelOperator(task_id="invoke", model_id=HAIKU, input_data=BODY, **OWN).execute({})
    return ANSWER in json.dumps(found)


@check("`BedrockRuntimeHook`")
def _():
    messages = [{"role": "user", "content": [{"text": ASKED}]}]
    answer = BedrockRuntimeHook(**OWN).conn.converse(modelId=HAIKU, messages=messages)
    return answer["stopReason"] == "end_turn"


@check("`BedrockBatchInferenceOperator`, waiting for the end")
def _():
    arn = make_operator("waits", waiter_delay=1).execute({})
    return BedrockHook(**OWN).conn.get_model_invocation_job(jobIdentifier=arn)["status"] == "Completed"


@check("`BedrockBatchInferenceSensor`, and the waiter `batch_inference_scheduled`")
def _():
    arn = make_operator("sensor", wait_for_completion=False).execute({})
    hook = BedrockHook(**OWN)
    hook.get_waiter("batch_inference_scheduled").wait(jobIdentifier=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    sensor = BedrockBatchInferenceSensor(task_id="sense", job_arn=arn, deferrable=False, **OWN)
    while not sensor.poke({}):
        time.sleep(0.2)
    return True


@check("a job that has ended is stopped as its system test expects: `ValidationException`, `State was`")
def _():
    arn = make_operator("ended", waiter_delay=1).execute({})
    client = BedrockHook(**OWN).conn
    try:
        client.stop_model_invocation_job(jobIdentifier=arn)
    except client.exceptions.ValidationException as error:
        return "State was: Completed" in str(error)
    return False


@check("the sensor's trigger, deferred: `BedrockBatchInferenceCompletedTrigger`, by aiobotocore")
async def _():
    arn = make_operator("deferred", wait_for_completion=False).execute({})
    trigger = BedrockBatchInferenceCompletedTrigger(job_arn=arn, waiter_delay=1, waiter_max_attempts=60, **OWN)
    event = await anext(trigger.run())
    return event.payload["status"] == "success"


@check("by event: `EventBridgePutRuleOperator`, a queue, and `SqsSensorTrigger`, which assets are watched by")
async def _():
    queue = SqsHook(**OWN).create_queue("ends")["QueueUrl"]
    pattern = {"source": ["aws.bedrock"], "detail": {"batchJobName": ["event"], "status": ["Completed"]}}
    EventBridgePutRuleOperator(task_id="rule", name="ends", event_pattern=json.dumps(pattern), **OWN).execute({})
    target = {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:123456789012:ends"}
    EventBridgeHook(**OWN).conn.put_targets(Rule="ends", Targets=[target])
    arn = make_operator("event", waiter_delay=1).execute({})
    event = await anext(SqsSensorTrigger(sqs_queue=queue, waiter_delay=1, **OWN).run())
    (message,) = event.payload["message_batch"]
    return json.loads(message["Body"])["detail"]["batchJobArn"] == arn
