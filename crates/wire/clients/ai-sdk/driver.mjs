// Lets Vercel's AI SDK be put on trial; `../driving.mjs` holds the conversation.
//
// `streamText` never throws: an error is a part of its stream, and that part is told here as the error it is.
//
// The SDK is the one that `cargo xtask clients install ai-sdk` put into `target/clients`.

import { createRequire } from "node:module";
import { CALLED_OFF, TOOL, drive } from "../driving.mjs";

const require = createRequire(new URL("../../../../target/clients/ai-sdk/", import.meta.url));
const { createAnthropic } = require("@ai-sdk/anthropic");
const { AISDKError, generateText, jsonSchema, streamText, tool } = require("ai");

await drive({
  client: { name: "ai", version: require("ai/package.json").version, issues: "https://github.com/vercel/ai/issues" },
  surfaces: { create, stream },
  caps: ["calls", "cancel", "cancel-later", "parallel", "retries", "timeout", "tls", "tools"],
  defaults: { max_retries: 2, timeout_s: null },
  clientOf,
  factsOf,
  isAbort: (error) => error?.name === "AbortError",
});

function clientOf(run) {
  const [baseURL, apiKey] = [`${run.base_url}/v1`, run.api_key];
  return createAnthropic({ baseURL, apiKey, fetch: within(run.timeout_s) });
}

async function create(anthropic, run, heard) {
  const answer = await generateText(callOf(anthropic, run));
  heard.text = answer.text;
  heard.stop_reason = answer.rawFinishReason ?? answer.finishReason;
  heard.tool_calls = answer.toolCalls.map(told);
}

async function stream(anthropic, run, heard) {
  const answer = streamText({ ...callOf(anthropic, run), onError: () => {} });
  for await (const part of answer.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "abort") throw CALLED_OFF;
    if (part.type === "text-delta") heard.text += part.text;
    if (part.type === "tool-call") heard.tool_calls.push(told(part));
    if (part.type === "finish") heard.stop_reason = part.rawFinishReason ?? part.finishReason;
    heard.events += 1;
    if (heard.events === run.abort_after_events) {
      run.caller.abort();
      throw CALLED_OFF;
    }
  }
  // In the order of its blocks, however their pieces came.
  heard.text = await answer.text;
}

function callOf(anthropic, run) {
  const offered = tool({ description: TOOL.description, inputSchema: jsonSchema(TOOL.schema) });
  return {
    model: anthropic("claude-sonnet-5-5"),
    maxOutputTokens: 1024,
    prompt: run.prompt,
    maxRetries: run.max_retries,
    abortSignal: run.caller.signal,
    ...(run.tools ? { tools: { [TOOL.name]: offered } } : {}),
  };
}

// The SDK's own limit is one on all attempts together; one on each of them is for its `fetch` to keep.
function within(seconds) {
  return (url, init) => {
    const signals = [init.signal, AbortSignal.timeout(Math.round(1000 * seconds))].filter(Boolean);
    return fetch(url, { ...init, signal: AbortSignal.any(signals) });
  };
}

function told(call) {
  return { name: call.toolName, input: call.input, ...(call.invalid ? { valid: false } : {}) };
}

function factsOf(error) {
  // What ran out of attempts carries the last one's error.
  const { statusCode, data, responseHeaders } = error?.lastError ?? error ?? {};
  // What the API says in the middle of a stream is handed on as it is, not as an `Error`.
  const said = data?.error ?? (error instanceof Error ? {} : error);
  return {
    sdk_error: AISDKError.isInstance(error),
    status: statusCode ?? null,
    type: said?.type ?? null,
    code: said?.details?.error_code ?? null,
    request_id: responseHeaders?.["request-id"] ?? null,
    retry_after: responseHeaders?.["retry-after"] ?? null,
  };
}
