"""The OpenAI SDK with an API key of Amazon Bedrock: chat completions, streams, functions, batches."""

import json
import os

import boto3
import openai
from trying import ANSWER, ASKED, check, faults

MODEL = "openai.gpt-oss-20b-1:0"
MESSAGES = [{"role": "user", "content": ASKED}]
client = openai.OpenAI(base_url=f"{os.environ['AWS_ENDPOINT_URL']}/openai/v1", api_key="bedrock-api-key-anything")
parameters = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
tool = {"type": "function", "function": {"name": "bill", "parameters": parameters}}


@check("`chat.completions.create`")
def _():
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    return ANSWER in answer.choices[0].message.content and answer.usage.completion_tokens > 0


@check("`chat.completions.create(stream=True)`")
def _():
    chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    return ANSWER in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@check("a forced function")
def _():
    choice = {"type": "function", "function": {"name": "bill"}}
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=[tool], tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls
    return isinstance(json.loads(call.function.arguments)["amount"], int)


@check("a model that is not there is `NotFoundError` or `BadRequestError`")
def _():
    try:
        client.chat.completions.create(model="openai.nothing-1:0", messages=MESSAGES)
    except (openai.NotFoundError, openai.BadRequestError):
        return True
    return False


@check("a stream that an error or the end of the connection cuts short raises")
def _():
    found = []
    for fault in ("stream_throttled", "stream_cut"):
        with faults(**{fault: 1}):
            chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            try:
                list(chunks)
            except Exception as error:
                found.append(type(error).__name__)
    return len(found) == 2 and found[0] == "APIError"


@check("`batches.create`, `retrieve`, `list` and `cancel`; answers and errors in S3")
def _():
    line = {"method": "POST", "url": "/v1/chat/completions"}
    bodies = [{"messages": MESSAGES, "temperature": 9 if number == 7 else 1} for number in range(100)]
    lines = [json.dumps({"custom_id": f"r{number}", **line, "body": body}) for number, body in enumerate(bodies)]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="batches")
    s3.put_object(Bucket="batches", Key="in/calls.jsonl", Body="\n".join(lines))
    wanted = {
        "input_file_id": "s3://batches/in/calls.jsonl",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"for": "a trial"},
        "extra_headers": {
            "X-Amzn-Bedrock-ModelId": MODEL,
            "X-Amzn-Bedrock-RoleArn": "arn:aws:iam::123456789012:role/batch",
        },
    }
    batch = client.batches.create(**wanted)
    while batch.status not in ("completed", "failed"):
        batch = client.batches.retrieve(batch.id)
    counts, listed = batch.request_counts, [each.id for each in client.batches.list(limit=1)]
    answers, errors = (
        s3.get_object(Bucket="batches", Key=uri.removeprefix("s3://batches/"))["Body"].read().splitlines()
        for uri in (batch.output_file_id, batch.error_file_id)
    )
    try:
        client.batches.cancel(batch.id)
    except openai.BadRequestError as error:
        said = str(error)
    good = json.loads(answers[0])["response"]["body"]["choices"][0]["message"]["content"]
    is_whole = (counts.completed, counts.failed, len(answers), len(errors)) == (99, 1, 99, 1)
    return is_whole and listed == [batch.id] and ANSWER in good and "'completed'" in said
