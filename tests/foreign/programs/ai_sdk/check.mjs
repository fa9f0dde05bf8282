// @ai-sdk/amazon-bedrock: text, streams and objects by the AI SDK.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateObject, generateText, jsonSchema, streamText } from "ai";
import { ANSWER, ASKED, check, HAIKU, NOVA } from "../trying.mjs";

const bedrock = createAmazonBedrock({ baseURL: process.env.AWS_ENDPOINT_URL });
const schema = jsonSchema({
  type: "object",
  properties: { reason: { type: "string" }, amount: { type: "integer" } },
  required: ["reason", "amount"],
  additionalProperties: false,
});

for (const modelId of [HAIKU, NOVA]) {
  const model = bedrock(modelId);
  const name = modelId.split(".")[1];
  await check(`\`generateText\`, ${name}`, async () => (await generateText({ model, prompt: ASKED })).text.includes(ANSWER));
  await check(`\`streamText\`, ${name}`, async () => {
    let text = "";
    for await (const piece of streamText({ model, prompt: ASKED }).textStream) text += piece;
    return text.includes(ANSWER);
  });
  await check(`\`generateObject\`, ${name}`, async () =>
    Number.isInteger((await generateObject({ model, schema, prompt: ASKED })).object.amount));
}
