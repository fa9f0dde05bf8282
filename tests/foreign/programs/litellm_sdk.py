"""LiteLLM: completions by Converse and InvokeModel, streams, tools, embeddings, and a batch from file to answers."""

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import litellm
from trying import ANSWER, ASKED, HAIKU, LLAMA, NOVA, check

MESSAGES = [{"role": "user", "content": ASKED}]
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
litellm.suppress_debug_info = True
where = {"aws_bedrock_runtime_endpoint": ENDPOINT}
parameters = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
tool = {"type": "function", "function": {"name": "write_summary", "parameters": parameters}}
choice = {"type": "function", "function": {"name": "write_summary"}}

for model in (f"bedrock/{HAIKU}", f"bedrock/invoke/{HAIKU}", f"bedrock/{NOVA}", f"bedrock/{LLAMA}"):
    name = model.removeprefix("bedrock/").replace("us.", "")

    @check(f"`completion`, {name}")
    def _(model=model):
        found = litellm.completion(model=model, messages=MESSAGES, max_tokens=200, **where)
        return ANSWER in found.choices[0].message.content and found.usage.completion_tokens > 0

    @check(f"`completion(stream=True)`, {name}")
    def _(model=model):
        chunks = litellm.completion(model=model, messages=MESSAGES, max_tokens=200, stream=True, **where)
        return ANSWER in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@check("`completion` with a forced tool")
def _():
    model = f"bedrock/{HAIKU}"
    found = litellm.completion(model=model, messages=MESSAGES, tools=[tool], tool_choice=choice, **where)
    (call,) = found.choices[0].message.tool_calls
    return isinstance(json.loads(call.function.arguments)["amount"], int)


@check("`embedding`, Titan and Cohere")
def _():
    for model in ("amazon.titan-embed-text-v2:0", "cohere.embed-multilingual-v3"):
        found = litellm.embedding(model=f"bedrock/{model}", input=["a refund"], **where)
        if not found.data[0]["embedding"]:
            return False
    return True


@check("`create_file`, `create_batch`, `retrieve_batch`, `file_content`")
def _():
    boto3.client("s3").create_bucket(Bucket="litellm")
    body = {"model": HAIKU, "messages": MESSAGES, "max_tokens": 200}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    options = {
        "custom_llm_provider": "bedrock",
        "s3_bucket_name": "litellm",
        "s3_endpoint_url": ENDPOINT,
        "aws_bedrock_control_plane_endpoint": ENDPOINT,
        "aws_region_name": "us-east-1",
        "aws_batch_role_arn": "arn:aws:iam::123456789012:role/batch",
    }
    with TemporaryDirectory() as folder:
        path = Path(folder, "calls.jsonl")
        path.write_text("".join(json.dumps({"custom_id": f"call-{n}", **line}) + "\n" for n in range(100)))
        with path.open("rb") as file:
            sent = litellm.create_file(file=file, purpose="batch", model=HAIKU, **options)
        given = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": sent.id}
        batch = litellm.create_batch(model=HAIKU, **given, **options)
        while batch.status not in ("completed", "failed", "expired", "cancelled"):
            time.sleep(0.2)
            batch = litellm.retrieve_batch(batch_id=batch.id, **options)
    content = litellm.file_content(file_id=batch.output_file_id, **options).content
    return batch.status == "completed" and len(content.splitlines()) == 100
