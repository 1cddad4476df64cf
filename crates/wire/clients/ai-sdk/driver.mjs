// Lets Vercel's AI SDK be put on trial: commands in (a JSON line each), a line of facts out; nothing is judged here.
// Runs go on side by side and report under their numbers when they end. Only loopback is ever spoken to.
//
// `streamText` never throws: an error is a part of its stream, and that part is told here as the error it is.
//
// The SDK is the one that `cargo xtask clients install ai-sdk` put into `target/clients`.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../../../target/clients/ai-sdk/", import.meta.url));
const { createAnthropic } = require("@ai-sdk/anthropic");
const { AISDKError, generateText, jsonSchema, streamText, tool } = require("ai");

// A chain of causes that is longer goes in circles.
const CAUSES_MAX = 10;

const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost):/;

const SURFACES = { create, stream };

// The caller calls it off, as the command asked for.
const ABANDONED = Symbol("abandoned");

const ABOUT = {
  v: 1,
  client: {
    name: "ai",
    version: require("ai/package.json").version,
    language: "typescript",
    runtime: process.version,
    issues: "https://github.com/vercel/ai/issues",
  },
  surfaces: Object.keys(SURFACES),
  caps: ["cancel", "retries", "timeout", "tools"],
  defaults: { max_retries: 2, timeout_s: null },
};

async function create(run, heard) {
  const answer = await generateText(callOf(run));
  heard.text = answer.text;
  heard.stop_reason = answer.rawFinishReason ?? answer.finishReason;
  heard.tool_calls = answer.toolCalls.map(told);
}

async function stream(run, heard) {
  const caller = new AbortController();
  const answer = streamText({ ...callOf(run), abortSignal: caller.signal, onError: () => {} });
  for await (const part of answer.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") heard.text += part.text;
    if (part.type === "tool-call") heard.tool_calls.push(told(part));
    if (part.type === "finish") heard.stop_reason = part.rawFinishReason ?? part.finishReason;
    heard.events += 1;
    if (heard.events === run.abort_after_events) {
      caller.abort();
      throw ABANDONED;
    }
  }
}

function callOf(run) {
  const [baseURL, apiKey] = [`${run.base_url}/v1`, run.api_key];
  const anthropic = createAnthropic({ baseURL, apiKey, fetch: within(run.timeout_s) });
  const key = { type: "object", properties: { key: { type: "string" } }, required: ["key"] };
  const look_up = tool({ description: "Looks a word up.", inputSchema: jsonSchema(key) });
  return {
    model: anthropic("claude-sonnet-5-5"),
    maxOutputTokens: 1024,
    prompt: run.prompt,
    maxRetries: run.max_retries,
    ...(run.tools ? { tools: { look_up } } : {}),
  };
}

// The SDK's own limit is one on all attempts together; one on each of them is for its `fetch` to keep.
function within(seconds) {
  return (url, init) => {
    const signals = [init.signal, AbortSignal.timeout(1000 * seconds)].filter(Boolean);
    return fetch(url, { ...init, signal: AbortSignal.any(signals) });
  };
}

function told(call) {
  return { name: call.toolName, input: call.input, ...(call.invalid ? { invalid: true } : {}) };
}

function factsOf(error) {
  // What ran out of attempts carries the last one's error.
  const { statusCode, data, responseHeaders } = error?.lastError ?? error ?? {};
  // What the API says in the middle of a stream is handed on as it is, not as an `Error`.
  const said = data?.error ?? (error instanceof Error ? {} : error);
  return {
    class: error?.name ?? typeof error,
    chain: chainOf(error),
    sdk_error: AISDKError.isInstance(error),
    status: statusCode ?? null,
    type: said?.type ?? null,
    code: said?.details?.error_code ?? null,
    request_id: responseHeaders?.["request-id"] ?? null,
    retry_after: responseHeaders?.["retry-after"] ?? null,
    message: String(error?.message ?? error),
  };
}

// An error and its causes, the outermost first.
function chainOf(error) {
  const chain = [];
  for (let each = error; each && chain.length < CAUSES_MAX; each = each.lastError ?? each.cause) {
    chain.push(`${each.name} ${each.code ?? ""}: ${each.message ?? JSON.stringify(each)}`);
  }
  return chain;
}

async function outcomeOf(run) {
  if (!Object.hasOwn(SURFACES, run.surface)) return { seq: run.seq, outcome: "unsupported" };
  const heard = { text: "", stop_reason: null, tool_calls: [], events: 0 };
  const start = performance.now();
  let [outcome, error] = ["success", null];
  try {
    if (!LOOPBACK.test(run.base_url)) throw new Error("the address is not on loopback");
    await SURFACES[run.surface](run, heard);
  } catch (thrown) {
    [outcome, error] = thrown === ABANDONED ? ["aborted", null] : ["error", factsOf(thrown)];
  }
  return { seq: run.seq, outcome, error, ...heard, elapsed_ms: Math.round(performance.now() - start) };
}

function say(facts) {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.cmd === "stop") break;
  if (command.cmd === "start") say(ABOUT);
  else outcomeOf(command).then(say);
}
process.exit(0);
