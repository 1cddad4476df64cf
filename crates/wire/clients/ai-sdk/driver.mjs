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
  // A slash at the end of the address stays there: what comes of it is the SDK's affair.
  const [baseURL, apiKey] = [run.base_url.replace(/(\/?)$/, "/v1$1"), run.api_key];
  return createAnthropic({ baseURL, apiKey, fetch: within(run) });
}

async function create(anthropic, run, heard) {
  const answer = await generateText(callOf(anthropic, run));
  heard.text = answer.text;
  heard.stop_reason = answer.rawFinishReason ?? answer.finishReason;
  heard.tool_calls = answer.toolCalls.map(told);
}

async function stream(anthropic, run, heard) {
  const timeout = { chunkMs: 1000 * run.timeout_s };
  const answer = streamText({ ...callOf(anthropic, run), timeout, onError: () => {} });
  for await (const part of answer.fullStream) {
    if (part.type === "error") throw part.error;
    // The SDK's own limit ends a stream as its caller does.
    if (part.type === "abort" && !run.caller.signal.aborted) throw new DOMException(part.reason, "TimeoutError");
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

// The SDK's own limits are one on all attempts together, and one between the parts of a stream. One on each attempt is
// for its `fetch` to keep: on all of an answer, or on the head of a stream.
function within({ surface, timeout_s }) {
  return async (url, init) => {
    const limit = new AbortController();
    const ended = new DOMException("the attempt took too long", "TimeoutError");
    const timer = setTimeout(() => limit.abort(ended), 1000 * timeout_s);
    const signal = AbortSignal.any([init.signal, limit.signal].filter(Boolean));
    const answer = await fetch(url, { ...init, signal });
    if (surface === "stream") clearTimeout(timer);
    return answer;
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
