// Lets the installed SDK be put on trial: commands in (JSON lines on standard input), facts out.
//
// A run is one call, or what it asks for beyond that; nothing here knows what should come of it. Runs go on side by
// side, each with a client of its own, and report under their numbers when they end. Only loopback is ever spoken to.
//
// The SDK is the one installed where this is started.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { default: Anthropic, AnthropicError } = require("@anthropic-ai/sdk");
const { VERSION } = require("@anthropic-ai/sdk/version");

const LOOPBACK = ["http://127.0.0.1:", "http://localhost:"];
const TOOL = { name: "answer", description: "Gives the answer.", input_schema: { type: "object" } };
const CAPS = ["abandon", "calls", "cancel", "log", "retries", "timeout", "tools"];
const CHAIN_MAX = 16;

// Streams that nobody reads on: without this they would be closed when they are forgotten.
const ABANDONED = [];

const SURFACES = {
  async create(client, params, run, facts) {
    const message = await client.messages.create(params);
    facts.text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
    facts.request_id = message._request_id;
    keep(message, facts);
  },

  async raw(client, params, run, facts) {
    const events = await client.messages.create({ ...params, stream: true });
    await read(events, run, facts, (event) => {
      if (event.delta?.type === "text_delta") facts.text += event.delta.text;
      if (event.type === "message_delta") facts.stop_reason = event.delta.stop_reason;
    });
  },

  async stream(client, params, run, facts) {
    const events = client.messages.stream(params).on("text", (text) => (facts.text += text));
    await read(events, run, facts, () => {});
    if (facts.outcome === "aborted") return;
    keep(await events.finalMessage(), facts);
    facts.request_id = events.request_id;
  },
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const command = JSON.parse(line);
  if (command.cmd === "start") say(about());
  if (command.cmd === "run") perform(command).then(say);
  if (command.cmd === "stop") process.exit(0);
}

function say(fact) {
  console.log(JSON.stringify(fact));
}

function about() {
  const issues = "https://github.com/anthropics/anthropic-sdk-typescript/issues";
  const client = { name: "@anthropic-ai/sdk", version: VERSION, language: "typescript", runtime: process.version, issues };
  const plain = new Anthropic({ apiKey: "none" });
  const defaults = { max_retries: plain.maxRetries, timeout_s: plain.timeout / 1000 };
  return { v: 1, client, surfaces: Object.keys(SURFACES), caps: CAPS, defaults };
}

async function perform(run) {
  const facts = { seq: run.seq, outcome: "success", text: "", stop_reason: null, tool_calls: [], events: 0 };
  const start = performance.now();
  try {
    if (!LOOPBACK.some((address) => run.base_url.startsWith(address))) throw new Error("the address is not on loopback");
    const client = new Anthropic({
      baseURL: run.base_url,
      apiKey: run.api_key,
      timeout: 1000 * run.timeout_s,
      maxRetries: run.max_retries,
      logLevel: run.log ?? "off",
      logger: { error: console.error, warn: console.error, info: console.error, debug: console.error },
    });
    const messages = [{ role: "user", content: run.prompt }];
    const params = { model: "claude-sonnet-5-5", max_tokens: 64, messages, tools: run.tools ? [TOOL] : undefined };
    for (let call = 0; call < (run.calls ?? 1); call += 1) {
      facts.text = "";
      await SURFACES[run.surface](client, params, run, facts);
    }
  } catch (error) {
    Object.assign(facts, { outcome: "error", error: factsOf(error) });
  }
  return { ...facts, elapsed_ms: Math.round(performance.now() - start) };
}

// Reads on until the caller has had enough: it calls the stream off, or just walks away.
async function read(events, run, facts, look) {
  const iterator = events[Symbol.asyncIterator]();
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    facts.events += 1;
    facts.last_event = next.value.type;
    look(next.value);
    if (facts.events === run.abandon_after_events) ABANDONED.push(events, iterator);
    else if (facts.events === run.abort_after_events) events.controller.abort();
    else continue;
    facts.outcome = "aborted";
    return;
  }
}

function keep(message, facts) {
  facts.stop_reason = message.stop_reason;
  const calls = message.content.filter((block) => block.type === "tool_use");
  facts.tool_calls = calls.map(({ name, input }) => ({ name, input }));
}

function factsOf(error) {
  const chain = [];
  for (let each = error; each && chain.length < CHAIN_MAX; each = each.cause) {
    const name = [each.constructor?.name, each.code].filter(Boolean).join(" ");
    chain.push(`${name}: ${each.message ?? each}`);
  }
  return {
    class: error.constructor.name,
    chain,
    sdk_error: error instanceof AnthropicError,
    status: error.status ?? null,
    type: error.type ?? null,
    code: error.errorCode ?? null,
    request_id: error.requestID ?? null,
    retry_after: error.headers?.get("retry-after") ?? null,
    message: error.message,
  };
}
