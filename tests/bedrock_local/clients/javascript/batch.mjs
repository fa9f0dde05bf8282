// Puts a file of records, creates a job, waits for its end, and prints what it left: as in the examples of the SDK.
import { BedrockClient, CreateModelInvocationJobCommand, GetModelInvocationJobCommand } from "@aws-sdk/client-bedrock";
import {
  BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";

const s3 = new S3Client({});
const bedrock = new BedrockClient({});
const runtime = new BedrockRuntimeClient({});  // which speaks HTTP/2
const modelId = "us.anthropic.claude-haiku-4-5-20251001-v1:0";

const records = Array.from({ length: 100 }, (_, number) => {
  const messages = [{ role: "user", content: [{ type: "text", text: `Summarize call ${number}.` }] }];
  return { recordId: `call-${number}`, modelInput: { anthropic_version: "bedrock-2023-05-31", max_tokens: 50, messages } };
});
await s3.send(new CreateBucketCommand({ Bucket: "calls" }));
const lines = records.map((record) => JSON.stringify(record) + "\n").join("");
await s3.send(new PutObjectCommand({ Bucket: "calls", Key: "in/calls.jsonl", Body: lines }));

// A stream, whose checksum follows it.
const stream = Readable.from([Buffer.from("one "), Buffer.from("two")]);
await s3.send(new PutObjectCommand({ Bucket: "calls", Key: "stream", Body: stream, ContentLength: 7 }));

const { jobArn } = await bedrock.send(new CreateModelInvocationJobCommand({
  jobName: "summaries-2",
  roleArn: "arn:aws:iam::123456789012:role/batch",
  modelId,
  inputDataConfig: { s3InputDataConfig: { s3Uri: "s3://calls/in/" } },
  outputDataConfig: { s3OutputDataConfig: { s3Uri: "s3://calls/out/" } },
}));
let job;
do {
  await setTimeout(50);
  job = await bedrock.send(new GetModelInvocationJobCommand({ jobIdentifier: jobArn }));
} while (!job.endTime);

const read = async (Key) => (await s3.send(new GetObjectCommand({ Bucket: "calls", Key }))).Body.transformToString();
const folder = `out/${jobArn.split("/").pop()}`;
const outputs = (await read(`${folder}/calls.jsonl.out`)).trimEnd().split("\n").map((line) => JSON.parse(line));
const message = { role: "user", content: [{ text: "Hello" }] };
const converse = await runtime.send(new ConverseCommand({ modelId, messages: [message] }));
const body = JSON.stringify(records[0].modelInput);
const invoked = await runtime.send(new InvokeModelCommand({ modelId, body, contentType: "application/json" }));
const answer = await runtime.send(new ConverseStreamCommand({ modelId, messages: [message] }));
let streamed = "";
for await (const event of answer.stream) streamed += event.contentBlockDelta?.delta.text ?? "";
const missing = await read("nothing").catch((error) => error.name);

console.log(JSON.stringify({
  status: job.status,
  ids: outputs.map((output) => output.recordId).sort(),
  manifest: JSON.parse(await read(`${folder}/manifest.json.out`)),
  stream: await read("stream"),
  converse: converse.stopReason,
  invoked: JSON.parse(new TextDecoder().decode(invoked.body)).stop_reason,
  streamed,
  missing,
}));
