"""A batch job by plain boto3, as in AWS's own examples: nothing in here knows of an emulator."""

import json
import time

import boto3

s3 = boto3.client("s3")
bedrock = boto3.client("bedrock")

s3.create_bucket(Bucket="amzn-s3-demo-bucket")
records = [
    {
        "recordId": f"CALL{number:07d}",
        "modelInput": {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": [{"type": "text", "text": f"Summarize call {number}."}]}],
        },
    }
    for number in range(100)
]
body = "\n".join(json.dumps(record) for record in records)
s3.put_object(Bucket="amzn-s3-demo-bucket", Key="input/abc.jsonl", Body=body)

response = bedrock.create_model_invocation_job(
    roleArn="arn:aws:iam::123456789012:role/MyBatchInferenceRole",
    modelId="anthropic.claude-3-haiku-20240307-v1:0",
    jobName="my-batch-job",
    inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://amzn-s3-demo-bucket/input/abc.jsonl"}},
    outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://amzn-s3-demo-bucket/output/"}},
)
job_arn = response.get("jobArn")
while (status := bedrock.get_model_invocation_job(jobIdentifier=job_arn)["status"]) not in ("Completed", "Failed"):
    time.sleep(0.1)

prefix = f"output/{job_arn.split('/')[-1]}"
output = s3.get_object(Bucket="amzn-s3-demo-bucket", Key=f"{prefix}/abc.jsonl.out")["Body"].read().decode()
manifest = s3.get_object(Bucket="amzn-s3-demo-bucket", Key=f"{prefix}/manifest.json.out")["Body"].read()
lines = [json.loads(line) for line in output.splitlines()]
print(
    json.dumps({"status": status, "ids": sorted(line["recordId"] for line in lines), "manifest": json.loads(manifest)})
)
