// A server of chat completions that does what it is asked: it thinks, calls the tool it has to with what the schema
// wants, writes JSON where JSON is asked for, keeps to the limit, counts, and refuses what such servers refuse. What is
// wrong in front of it is then the translator's. It is no model: the same request has the same answer. Told to think
// again between text and calls, it can say so only in streams, which then hold more than plain answers do.
const http = require("node:http");

/** Bodies over this are nobody's case here: the API takes 32 MB. */
const BODY_MAX = 64 << 20;
/** So few characters that every text and every input comes in several pieces. */
const PIECE = 7;
/** What everything costs, unless it is limited to less. */
const TOKENS = 12;
/** Deeper than any schema that is meant, and far from what a stack holds: a schema may refer to itself. */
const DEPTH_MAX = 20;

/** The smallest value that fits the schema, as far as tools and formats of a corpus go. */
function fitting(schema = {}, root = schema, depth = 0) {
  if (depth > DEPTH_MAX) return null;
  const inner = (part) => fitting(part, root, depth + 1);
  const name = schema.$ref?.match(/^#\/(?:\$defs|definitions)\/(.+)$/)?.[1];
  if (name) return inner(root.$defs?.[name] ?? root.definitions?.[name]);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const branch = (schema.anyOf ?? schema.oneOf)?.[0];
  if (branch) return inner(branch);
  switch ([schema.type ?? "object"].flat()[0]) {
    case "object": {
      const required = schema.required ?? [];
      return Object.fromEntries(required.map((name) => [name, inner(schema.properties?.[name])]));
    }
    case "array":
      return schema.minItems ? [inner(schema.items)] : [];
    case "string":
      return "said";
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return schema.minimum ?? 1;
  }
}

/** The functions to call: the named one, one where any has to be, the first unless results are there already. */
function called({ tools, tool_choice: choice, messages }) {
  const functions = (tools ?? []).map((tool) => tool.function);
  if (choice?.function) return functions.filter(({ name }) => name === choice.function.name);
  const isAnswered = messages.at(-1)?.role === "tool";
  const isFree = (choice ?? "auto") === "auto";
  return choice === "none" || (isFree && isAnswered) ? [] : functions.slice(0, 1);
}

/** What the models behind such servers refuse; empty if they would not. */
function wrong({ messages, tools, max_tokens: limit = 1 }) {
  if (!Array.isArray(messages) || !messages.length) return "`messages` is missing or empty.";
  if (limit < 1) return "`max_tokens` must be at least 1.";
  const isFunction = (tool) => tool?.type === "function" && tool.function?.name;
  return (tools ?? []).every(isFunction) ? "" : "A tool is not a function with a name.";
}

function answer(asked) {
  const format = asked.response_format?.json_schema?.schema;
  const calls = called(asked).map(({ name, parameters }, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name, arguments: JSON.stringify(fitting(parameters)) },
  }));
  const text = format ? JSON.stringify(fitting(format)) : "The server behind says this.";
  const isThinking = (asked.reasoning_effort ?? "none") !== "none" || asked.reasoning?.enabled;
  const limit = asked.max_completion_tokens ?? asked.max_tokens ?? Infinity;
  const isCut = limit < TOKENS;
  const cost = Math.min(limit, TOKENS);
  return {
    reasoning: isThinking ? "It is asked, so there is an answer." : undefined,
    content: isCut ? "The" : text,
    calls: isCut ? [] : calls,
    finish: isCut ? "length" : calls.length ? "tool_calls" : "stop",
    usage: { prompt_tokens: TOKENS, completion_tokens: cost, total_tokens: TOKENS + cost },
  };
}

function pieces(text) {
  return text.match(new RegExp(`[^]{1,${PIECE}}`, "gu")) ?? [];
}

/** The chunks of a stream: what is thought, said and called, piece by piece, then why it ends, then what it cost. */
function* chunks({ reasoning = "", content, calls, finish, usage }, { stream_options: options }) {
  const delta = (delta, finish_reason = null) => ({ choices: [{ index: 0, delta, finish_reason }] });
  yield delta({ role: "assistant", content: "" });
  for (const piece of pieces(reasoning)) yield delta({ reasoning_content: piece });
  for (const piece of pieces(content)) yield delta({ content: piece });
  if (process.env.INTERLEAVED && reasoning && calls.length)
    for (const piece of pieces("What was said is not enough.")) yield delta({ reasoning_content: piece });
  for (const [index, call] of calls.entries()) {
    yield delta({ tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: "" } }] });
    for (const piece of pieces(call.function.arguments))
      yield delta({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
  yield delta({}, finish);
  if (options?.include_usage) yield { choices: [], usage };
}

function send(response, asked) {
  const answered = answer(asked);
  const head = { id: "chatcmpl-1", created: 1764547200, model: asked.model };
  if (asked.stream === true) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const chunk of chunks(answered, asked))
      response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...chunk })}\n\n`);
    return response.end("data: [DONE]\n\n");
  }
  const { reasoning: reasoning_content, content, calls, finish: finish_reason, usage } = answered;
  const message = { role: "assistant", content, reasoning_content, tool_calls: calls.length ? calls : undefined };
  response.writeHead(200, { "content-type": "application/json" });
  const choices = [{ index: 0, message, finish_reason }];
  response.end(JSON.stringify({ ...head, object: "chat.completion", choices, usage }));
}

function refuse(response, status, message) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } }));
}

const server = http.createServer((request, response) => {
  if (request.method !== "POST" || !request.url.endsWith("/chat/completions"))
    return refuse(response, 404, "There are chat completions here, and nothing else.");
  let [body, size] = [[], 0];
  request.on("data", (chunk) => {
    size += chunk.length;
    if (size <= BODY_MAX) body.push(chunk);
  });
  request.on("end", () => {
    try {
      const asked = JSON.parse(Buffer.concat(body).toString());
      const words = wrong(asked);
      if (words) refuse(response, 400, words);
      else send(response, asked);
    } catch (error) {
      refuse(response, 400, `The request cannot be read: ${error.message}`);
    }
  });
});
server.listen(process.env.TARGET_PORT, "127.0.0.1");
