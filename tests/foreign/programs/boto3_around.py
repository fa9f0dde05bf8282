"""What scripts set up around a batch job: a role, a bucket with rules, a state machine, a rule on events."""

import json
import time

import boto3
from trying import ANSWER, ASKED, HAIKU, check, finish

iam, s3, bedrock, states, events, sqs = (
    boto3.client(name) for name in ("iam", "s3", "bedrock", "stepfunctions", "events", "sqs")
)
ACCOUNT = boto3.client("sts").get_caller_identity()["Account"]
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 200, "messages": [{"role": "user", "content": ASKED}]}
LINES = "".join(json.dumps({"recordId": f"CALL{number:07d}", "modelInput": BODY}) + "\n" for number in range(100))
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "bedrock.amazonaws.com"},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
}
ACCESS = {
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::calls", "arn:aws:s3:::calls/*"],
}
SECURE = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ACCESS["Resource"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def make_policy(*statements):
    """Write a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@check("a role: none at first, then made, with its trust policy and its rights, by IAM")
def _():
    try:
        iam.get_role(RoleName="batch")
    except iam.exceptions.NoSuchEntityException:
        iam.create_role(RoleName="batch", AssumeRolePolicyDocument=make_policy(TRUST))
    iam.put_role_policy(RoleName="batch", PolicyName="calls", PolicyDocument=make_policy(ACCESS))
    role = iam.get_role(RoleName="batch")["Role"]
    kept = iam.get_role_policy(RoleName="batch", PolicyName="calls")["PolicyDocument"]["Statement"]
    return role["AssumeRolePolicyDocument"]["Statement"] == [TRUST] and kept == [ACCESS]


@check("a bucket with rules: no public access, encryption, versions, lifecycle, policy, tags")
def _():
    s3.create_bucket(Bucket="calls")
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket="calls", PublicAccessBlockConfiguration=dict.fromkeys(names, True))
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket="calls", ServerSideEncryptionConfiguration=encryption)
    s3.put_bucket_versioning(Bucket="calls", VersioningConfiguration={"Status": "Suspended"})
    rule = {"ID": "outputs", "Status": "Enabled", "Filter": {"Prefix": "out/"}, "Expiration": {"Days": 30}}
    s3.put_bucket_lifecycle_configuration(Bucket="calls", LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_policy(Bucket="calls", Policy=make_policy(SECURE))
    s3.put_bucket_tagging(Bucket="calls", Tagging={"TagSet": [{"Key": "team", "Value": "care"}]})
    s3.put_object(Bucket="calls", Key="in/calls.jsonl", Body=LINES)
    rules = s3.get_bucket_lifecycle_configuration(Bucket="calls")["Rules"]
    return [each["ID"] for each in rules] == ["outputs"]


@check("a batch job with that role, to its answers")
def _():
    arn = bedrock.create_model_invocation_job(
        jobName="summaries",
        roleArn=iam.get_role(RoleName="batch")["Role"]["Arn"],
        modelId=HAIKU,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://calls/in/"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://calls/out/"}},
    )["jobArn"]
    job = finish(bedrock, arn)
    key = f"out/{arn.split('/')[1]}/calls.jsonl.out"
    first = json.loads(next(s3.get_object(Bucket="calls", Key=key)["Body"].iter_lines()))
    return job["successRecordCount"] == 100 and ANSWER in first["modelOutput"]["content"][0]["text"]


@check("a rule on events, a queue, and the events of a job in their order")
def _():
    url = sqs.create_queue(QueueName="changes")["QueueUrl"]
    # By its name: the events of the job before may come as late as this.
    named = {"batchJobName": ["heard"]}
    pattern = {"source": ["aws.bedrock"], "detail-type": ["Batch Inference Job State Change"], "detail": named}
    events.put_rule(Name="changes", EventPattern=json.dumps(pattern))
    queue = {"Id": "queue", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:changes"}
    events.put_targets(Rule="changes", Targets=[queue])
    bedrock.create_model_invocation_job(
        jobName="heard",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/batch",
        modelId=HAIKU,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://calls/in/"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://calls/out/"}},
    )
    heard = []
    while "Completed" not in heard:
        found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=1).get("Messages", [])
        heard += [json.loads(message["Body"])["detail"]["status"] for message in found]
    return heard == ["Submitted", "Validating", "Scheduled", "InProgress", "Completed"]


@check("a state machine of Step Functions that creates a job and waits for its end, by `aws-sdk:bedrock`")
def _():
    call = "arn:aws:states:::aws-sdk:bedrock:"
    create = {
        "JobName.$": "$.name",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/batch",
        "ModelId": HAIKU,
        "InputDataConfig": {"S3InputDataConfig": {"S3Uri": "s3://calls/in/"}},
        "OutputDataConfig": {"S3OutputDataConfig": {"S3Uri": "s3://calls/out/"}},
    }
    get = {"JobIdentifier.$": "$.JobArn"}
    done = [{"Variable": "$.Status", "StringEquals": "Completed", "Next": "Done"}]
    definition = {
        "StartAt": "Create",
        "States": {
            "Create": {
                "Type": "Task",
                "Resource": f"{call}createModelInvocationJob",
                "Parameters": create,
                "Next": "Wait",
            },
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Get"},
            "Get": {
                "Type": "Task",
                "Resource": f"{call}getModelInvocationJob",
                "Parameters": get,
                "Next": "Look",
            },
            "Look": {"Type": "Choice", "Choices": done, "Default": "Wait"},
            "Done": {"Type": "Succeed"},
        },
    }
    role = f"arn:aws:iam::{ACCOUNT}:role/states"
    machine = states.create_state_machine(name="batch", definition=json.dumps(definition), roleArn=role)
    start = {"stateMachineArn": machine["stateMachineArn"], "input": json.dumps({"name": "from-states"})}
    execution = states.start_execution(**start)["executionArn"]
    while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.5)
    return json.loads(found.get("output", "{}")).get("SuccessRecordCount") == 100
