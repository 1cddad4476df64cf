// Exercises the installed SDK: one exercise in (a JSON line on standard input), one line of facts out.
//
// An exercise names a surface of the SDK and carries what to call it with; nothing here knows what the answer should
// be. `ok` says whether the call returned, and `got` what it returned or what it threw. The address and the credential
// come from the environment, as the SDK itself reads them, unless the exercise brings an `api_key` of its own. Only
// loopback is ever spoken to.
//
// The SDK is the one installed where this is started.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { default: Anthropic, AnthropicError } = require("@anthropic-ai/sdk");
const { jsonSchemaOutputFormat } = require("@anthropic-ai/sdk/helpers/json-schema");
const { VERSION } = require("@anthropic-ai/sdk/version");

// An exercise that comes no further than this has gone astray.
const TURNS_MAX = 8;
const LOOKS_MAX = 20;
const ITEMS_MAX = 500;

// Where each kind of thinking proves that it is the model's own.
const PROOFS = { thinking: "signature", redacted_thinking: "data" };

const LOOPBACK = "http://127.0.0.1:";

const CITY = {
  type: "object",
  properties: { name: { type: "string" }, population: { type: "integer" } },
  required: ["name", "population"],
  additionalProperties: false,
};

const SURFACES = {
  about() {
    const runtime = `Node.js ${process.versions.node}`;
    return { name: "@anthropic-ai/sdk", version: VERSION, language: "typescript", runtime };
  },

  async create(client, run) {
    const message = await client.messages.create(...paramsOf(run));
    return { message, request_id: message._request_id };
  },

  async beta(client, run) {
    const [params, options] = paramsOf(run);
    return { message: await client.beta.messages.create({ ...params, betas: run.betas }, options) };
  },

  async raw(client, run) {
    const { data, response, request_id } = await client.messages.create(...paramsOf(run)).withResponse();
    return { message: data, request_id, headers: Object.fromEntries(response.headers) };
  },

  async events(client, run) {
    const [params, options] = paramsOf(run);
    const stream = await client.messages.create({ ...params, stream: true }, options);
    return { events: await gather(stream) };
  },

  // The helper: what came over the wire, what it told beside that, and what it makes of it all.
  async stream(client, run) {
    const told = { text: "", thinking: "", input_json: "", signature: 0, citation: 0 };
    const events = [];
    const stream = client.messages
      .stream(...paramsOf(run))
      // The helper goes on to build the message out of these very objects.
      .on("streamEvent", (event) => events.push(structuredClone(event)))
      .on("text", (text) => (told.text += text))
      .on("thinking", (thinking) => (told.thinking += thinking))
      .on("inputJson", (json) => (told.input_json += json))
      .on("signature", () => (told.signature += 1))
      .on("citation", () => (told.citation += 1));
    const message = await stream.finalMessage();
    return { events, told, message };
  },

  async parse(client, run) {
    const [params, options] = paramsOf(run);
    const format = jsonSchemaOutputFormat(CITY);
    const message = await client.messages.parse({ ...params, output_config: { format } }, options);
    return { parsed: message.parsed_output, stop_reason: message.stop_reason };
  },

  // Goes on until the model has nothing more to ask for: tools answer, and paused turns are sent back.
  async converse(client, run) {
    const [params, options] = paramsOf(run);
    const turns = [];
    const history = [...params.messages];
    while (turns.length < TURNS_MAX) {
      const message = await client.messages.create({ ...params, messages: history }, options);
      turns.push(message);
      history.push({ role: "assistant", content: message.content });
      if (message.stop_reason === "tool_use") {
        const calls = message.content.filter((block) => block.type === "tool_use");
        const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "42" }));
        history.push({ role: "user", content: results });
      } else if (message.stop_reason !== "pause_turn") {
        break;
      }
    }
    return { turns: turns.slice(0, -1), message: turns.at(-1) };
  },

  // Sends an answer back with the next question, as it came, or with its proof forged or another past before it.
  async again(client, run) {
    const [params, options] = paramsOf(run);
    const first = run.streamed
      ? await client.messages.stream(params, options).finalMessage()
      : await client.messages.create(params, options);
    if (run.forge) {
      const thought = first.content.find((block) => block.type in PROOFS);
      thought[PROOFS[thought.type]] = "Zm9yZ2Vk";
    }
    const turns = [
      { role: "assistant", content: first.content },
      { role: "user", content: run.follow_up },
    ];
    const past = run.instead ?? params.messages;
    const message = await client.messages.create({ ...params, messages: [...past, ...turns] }, options);
    return { first, message };
  },

  count: (client, run) => client.messages.countTokens(...paramsOf(run)),

  // From creation to deletion, looking until it has ended.
  async batch(client, run) {
    const { batches } = client.messages;
    let batch = await batches.create(...paramsOf(run));
    const statuses = [batch.processing_status];
    if (run.cancel) {
      batch = await batches.cancel(batch.id);
      statuses.push(batch.processing_status);
    }
    while (batch.processing_status !== "ended" && statuses.length < LOOKS_MAX) {
      batch = await batches.retrieve(batch.id);
      statuses.push(batch.processing_status);
    }
    const results = await gather(await batches.results(batch.id));
    const deleted = await batches.delete(batch.id);
    return { batch, statuses, results, deleted };
  },

  "batch-get": (client, run) => client.messages.batches.retrieve(run.id),

  "batch-list": (client, run) => pagesOf(client.messages.batches.list(run.params)),

  model: (client, run) => client.models.retrieve(run.id),

  "model-list": (client, run) => pagesOf(client.models.list(run.params)),
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const run = JSON.parse(line);
  const start = performance.now();
  let ok = true;
  let got;
  try {
    got = await SURFACES[run.surface](clientOf(run), run);
  } catch (error) {
    ok = false;
    got = { error: factsOf(error) };
  }
  const elapsed_ms = Math.round(performance.now() - start);
  console.log(JSON.stringify({ exercise: run.exercise, ok, got, elapsed_ms }));
}

function clientOf(run) {
  const client = new Anthropic({ apiKey: run.api_key, timeout: 1000 * run.timeout_s, maxRetries: 0 });
  if (!client.baseURL.startsWith(LOOPBACK)) {
    console.error("ANTHROPIC_BASE_URL does not point to loopback");
    process.exit(1);
  }
  return client;
}

function paramsOf(run) {
  return [{ ...run.params, ...run.extra_body }, { headers: run.extra_headers }];
}

function factsOf(error) {
  const classes = [];
  for (let each = error.constructor; each?.name; each = Object.getPrototypeOf(each)) {
    classes.push(each.name);
  }
  return {
    classes,
    is_of_sdk: error instanceof AnthropicError,
    status: error.status ?? null,
    type: error.type ?? null,
    code: error.errorCode ?? null,
    request_id: error.requestID ?? null,
    retry_after: error.headers?.get("retry-after") ?? null,
    message: error.message,
    cause: error.cause ? String(error.cause) : null,
  };
}

async function gather(items) {
  const gathered = [];
  for await (const item of items) {
    gathered.push(item);
    if (gathered.length === ITEMS_MAX) break;
  }
  return gathered;
}

// What the first page says, and every id that the SDK finds by turning pages itself.
async function pagesOf(request) {
  const page = await request;
  const { data, has_more, first_id, last_id } = page;
  const ids = (await gather(page)).map((item) => item.id);
  return { first: { data, has_more, first_id, last_id }, ids };
}
