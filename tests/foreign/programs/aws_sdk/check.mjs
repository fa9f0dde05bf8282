// The SDK for JavaScript: paginators, streams, and a whole job.
import {
  BedrockClient, CreateModelInvocationJobCommand, GetModelInvocationJobCommand, paginateListModelInvocationJobs,
} from "@aws-sdk/client-bedrock";
import {
  BedrockRuntimeClient, ConverseStreamCommand, InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { CreateBucketCommand, GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { setTimeout } from "node:timers/promises";
import { ANSWER, ASKED, check, HAIKU, NOVA } from "../trying.mjs";

const s3 = new S3Client({});
const bedrock = new BedrockClient({});
const runtime = new BedrockRuntimeClient({}); // which speaks HTTP/2
const modelInput = {
  anthropic_version: "bedrock-2023-05-31",
  max_tokens: 200,
  messages: [{ role: "user", content: [{ type: "text", text: ASKED }] }],
};

for (const modelId of [HAIKU, NOVA]) {
  await check(`\`ConverseStreamCommand\`, ${modelId.split(".")[1]}`, async () => {
    const messages = [{ role: "user", content: [{ text: ASKED }] }];
    const { stream } = await runtime.send(new ConverseStreamCommand({ modelId, messages }));
    let text = "", usage;
    for await (const event of stream) {
      text += event.contentBlockDelta?.delta.text ?? "";
      usage = event.metadata?.usage ?? usage;
    }
    return text.includes(ANSWER) && usage.outputTokens > 0;
  });
}

await check("`InvokeModelWithResponseStreamCommand`", async () => {
  const body = JSON.stringify(modelInput);
  const command = new InvokeModelWithResponseStreamCommand({ modelId: HAIKU, body, contentType: "application/json" });
  let text = "", last;
  for await (const event of (await runtime.send(command)).body) {
    last = JSON.parse(new TextDecoder().decode(event.chunk.bytes));
    text += last.delta?.text ?? "";
  }
  return text.includes(ANSWER) && last["amazon-bedrock-invocationMetrics"].outputTokenCount > 0;
});

const createJob = (jobName) => bedrock.send(new CreateModelInvocationJobCommand({
  jobName,
  roleArn: "arn:aws:iam::123456789012:role/batch",
  modelId: HAIKU,
  inputDataConfig: { s3InputDataConfig: { s3Uri: "s3://javascript/in/" } },
  outputDataConfig: { s3OutputDataConfig: { s3Uri: "s3://javascript/out/" } },
}));

await check("`Upload` of lib-storage, and a job to its end", async () => {
  await s3.send(new CreateBucketCommand({ Bucket: "javascript" }));
  const lines = Array.from({ length: 100 }, (_, n) => JSON.stringify({ recordId: `call-${n}`, modelInput }) + "\n");
  await new Upload({ client: s3, params: { Bucket: "javascript", Key: "in/calls.jsonl", Body: lines.join("") } }).done();
  const { jobArn } = await createJob("whole");
  let job;
  do {
    await setTimeout(200);
    job = await bedrock.send(new GetModelInvocationJobCommand({ jobIdentifier: jobArn }));
  } while (!job.endTime);
  const Key = `out/${jobArn.split("/").pop()}/calls.jsonl.out`;
  const output = await (await s3.send(new GetObjectCommand({ Bucket: "javascript", Key }))).Body.transformToString();
  return job.status === "Completed" && output.trimEnd().split("\n").length === 100;
});

await check("paginators of jobs and objects", async () => {
  for (let n = 0; n < 7; n++) await createJob(`page-${n}`);
  const names = [], keys = [];
  for await (const page of paginateListModelInvocationJobs({ client: bedrock, pageSize: 3 }, {})) {
    names.push(...page.invocationJobSummaries.map((job) => job.jobName));
  }
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket: "javascript" })) {
    keys.push(...(page.Contents ?? []).map((object) => object.Key));
  }
  return new Set(names).size === 8 && keys.includes("in/calls.jsonl");
});
