// What the scripts of this folder share: run a check, and print what came of it as a line of JSON.
export const HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
export const NOVA = "us.amazon.nova-lite-v1:0";
export const ASKED = "Summarize: the customer wants a refund of 40 euros.";
// What `extract` answers to it, but for its first letter.
export const ANSWER = "customer wants a refund of 40 euros";

export async function check(what, run) {
  let said = "";
  try {
    const found = await run();
    if (!found) said = `it gave ${found}`;
  } catch (error) {
    said = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify({ what, ok: !said, said: said.slice(0, 500) }));
}
