// Lets the installed official SDK be put on trial; `../driving.mjs` holds the conversation.
//
// The SDK is the one installed where this is started. It reads through Node's `fetch`, which trusts the authorities of
// the file that `NODE_EXTRA_CA_CERTS` names when the process starts.

import { createRequire } from "node:module";
import { CALLED_OFF, TOOL, drive } from "../driving.mjs";

const require = createRequire(`${process.cwd()}/`);
const { default: Anthropic, APIUserAbortError, AnthropicError } = require("@anthropic-ai/sdk");
const { VERSION } = require("@anthropic-ai/sdk/version");

const CAPS = [
  "abandon",
  "calls",
  "cancel",
  "cancel-later",
  "follow-up",
  "gateway-header",
  "log",
  "parallel",
  "retries",
  "rotating-credential",
  "timeout",
  "tls",
  "tools",
];

// Streams that nobody reads on: without this they would be closed when they are forgotten.
const ABANDONED = [];

const SURFACES = {
  async create(client, run, heard) {
    const message = await client.messages.create(paramsOf(run), optionsOf(run));
    heard.request_id = message?._request_id ?? null;
    return keep(message, heard);
  },

  async raw(client, run, heard) {
    // Whoever reads bare events puts the tool calls together himself.
    heard.tool_calls = null;
    const events = await client.messages.create({ ...paramsOf(run), stream: true }, optionsOf(run));
    await read(events, run, heard, (event) => {
      if (event?.delta?.type === "text_delta") heard.text += event.delta.text;
      if (event?.type === "message_delta") heard.stop_reason = event.delta.stop_reason;
    });
  },

  async stream(client, run, heard) {
    const events = client.messages.stream(paramsOf(run), optionsOf(run));
    events.on("text", (text) => (heard.text += text));
    await read(events, run, heard, () => {});
    heard.request_id = events.request_id;
    return keep(await events.finalMessage(), heard);
  },
};

const plain = new Anthropic({ apiKey: "none" });

await drive({
  client: {
    name: "@anthropic-ai/sdk",
    version: VERSION,
    issues: "https://github.com/anthropics/anthropic-sdk-typescript/issues",
  },
  surfaces: SURFACES,
  caps: CAPS,
  defaults: { max_retries: plain.maxRetries, timeout_s: plain.timeout / 1000 },
  clientOf,
  factsOf,
  isAbort: (error) => error instanceof APIUserAbortError,
});

function clientOf(run) {
  return new Anthropic({
    baseURL: run.base_url,
    timeout: Math.round(1000 * run.timeout_s),
    maxRetries: run.max_retries,
    defaultHeaders: run.gateway_header ? { [run.gateway_header]: `${run.api_key}-gateway` } : {},
    logLevel: run.log ?? "off",
    logger: { error: console.error, warn: console.error, info: console.error, debug: console.error },
    ...credentialOf(run),
  });
}

function credentialOf(run) {
  if (run.credential !== "rotating") return { apiKey: run.api_key };
  let asked = 0;
  const credentials = async () => {
    asked += 1;
    return { token: asked === 1 ? run.api_key : `${run.api_key}-${asked}`, expiresAt: null };
  };
  return { apiKey: null, credentials };
}

function paramsOf(run) {
  const { name, description, schema } = TOOL;
  const tools = run.tools ? [{ name, description, input_schema: schema }] : undefined;
  return { model: "claude-sonnet-5-5", max_tokens: 64, messages: run.messages, tools };
}

// A plain call has nothing to be called off with.
function optionsOf(run) {
  return run.abort_after_ms == null ? undefined : { signal: run.caller.signal };
}

// Reads on until the caller has had enough: it calls the stream off, or just walks away.
async function read(events, run, heard, take) {
  const iterator = events[Symbol.asyncIterator]();
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    heard.events += 1;
    heard.last_event = next.value?.type ?? null;
    take(next.value);
    if (heard.events === run.abandon_after_events) ABANDONED.push(events, iterator);
    else if (heard.events === run.abort_after_events) events.controller.abort();
    else continue;
    throw CALLED_OFF;
  }
  // A bare stream that is called off just ends.
  if (run.caller.signal.aborted && heard.last_event !== "message_stop") throw CALLED_OFF;
}

// Takes in what a message says and how it ends; its content, to be sent back as it is. What the SDK hands on as a
// message without an error is told as a success, even where it is none.
function keep(message, heard) {
  const content = Array.isArray(message?.content) ? message.content : [];
  heard.text = content.map((block) => (block.type === "text" ? block.text : "")).join("");
  heard.stop_reason = message?.stop_reason ?? null;
  const calls = content.filter((block) => block.type === "tool_use");
  heard.tool_calls = calls.map(({ name, input }) => ({ name, input }));
  return message?.content;
}

function factsOf(error) {
  return {
    sdk_error: error instanceof AnthropicError,
    status: error.status ?? null,
    type: error.type ?? null,
    code: error.errorCode ?? null,
    request_id: error.requestID ?? null,
    retry_after: error.headers?.get("retry-after") ?? null,
  };
}
