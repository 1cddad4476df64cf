// Lets the installed SDK put streams together: one stream in (a JSON line on standard input), one line out.
//
// The bytes of a stream travel as text, a character each. They are handed to the SDK in place of an answer from the
// network, of which there is none. The SDK is the one installed where this is started.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { default: Anthropic } = require("@anthropic-ai/sdk");

const KEY = "sk-ant-api03-probity-test-key";

async function fold(body) {
  const headers = { "content-type": "text/event-stream; charset=utf-8" };
  const fetch = async () => new Response(Buffer.from(body, "latin1"), { status: 200, headers });
  const client = new Anthropic({ apiKey: KEY, fetch, maxRetries: 0 });
  const messages = [{ role: "user", content: "Hello." }];
  const stream = client.messages.stream({ model: "claude-haiku-5-5", max_tokens: 1024, messages });
  return stream.finalMessage();
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, body } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ name, message: await fold(body) }));
  } catch (error) {
    console.log(JSON.stringify({ name, error: `${error.constructor.name}: ${error.message}` }));
  }
}
