// What the drivers of JavaScript clients share: the conversation with the harness, and how an error is told.
//
// The harness writes a command a line (`start`, `run`, `stop`) and reads a line of facts for each; nothing is judged
// here. Runs go on side by side and report under their numbers when they end. Only this machine is ever spoken to, and
// names that nobody has.
//
// A driver brings what it says of its client, a function that makes one client for all calls of a run, and a function
// for each surface, which is given the client, the command and what was `heard` to fill while it listens, so that what
// came before an error is told as well. What it returns is the content of the answer, as far as that can be sent back.

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

// A chain of causes that is longer goes in circles.
const CAUSES_MAX = 10;

const ADDRESS = /^(https?:\/\/(127\.0\.0\.1|localhost)|http:\/\/([a-z0-9-]+\.)+invalid):\d+(\/.*)?$/;

// The one tool that a `run` with `tools` offers: the one that the scripted answers call. What else is called, a client
// may refuse.
export const TOOL = {
  name: "get_weather",
  description: "Tells the weather of a city.",
  schema: { type: "object", properties: { city: { type: "string" }, amount: { type: "number" } } },
};

// What a surface throws when the caller has called it off, as the command asked for.
export const CALLED_OFF = Symbol("called off");

// Answers commands until `stop` or the end of the input.
export async function drive(driver) {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const command = JSON.parse(line);
    if (command.cmd === "stop") break;
    if (command.cmd === "start") say(about(driver));
    else outcomeOf(command, driver).then((facts) => say({ seq: command.seq, ...facts }));
  }
  process.exit(0);
}

// Halves of characters, which a JavaScript string can hold and a line of JSON should not, are replaced.
function say(facts) {
  const whole = (_, value) => (typeof value === "string" ? value.toWellFormed() : value);
  process.stdout.write(`${JSON.stringify(facts, whole)}\n`);
}

function about({ client, surfaces, caps, defaults }) {
  const language = { language: "typescript", runtime: process.version };
  return { v: 1, client: { ...client, ...language }, surfaces: Object.keys(surfaces), caps, defaults };
}

// The facts of a run: those of its last call, and of each of them if it asks for several.
async function outcomeOf(run, driver) {
  if (!Object.hasOwn(driver.surfaces, run.surface)) return { outcome: "unsupported" };
  const start = performance.now();
  let client, refusal;
  try {
    if (!ADDRESS.test(run.base_url)) throw new Error("the address is not on this machine");
    client = driver.clientOf(run);
  } catch (thrown) {
    refusal = thrown;
  }
  const call = async (asked) => {
    const heard = { text: "", stop_reason: null, tool_calls: [], request_id: null, last_event: null, events: 0 };
    const start = performance.now();
    const timer = asked.abort_after_ms == null ? null : setTimeout(() => asked.caller.abort(), asked.abort_after_ms);
    let [outcome, error, content] = ["success", null, null];
    try {
      if (refusal) throw refusal;
      content = await driver.surfaces[run.surface](client, asked, heard);
    } catch (thrown) {
      const isCalledOff = thrown === CALLED_OFF || (asked.caller.signal.aborted && driver.isAbort(thrown));
      [outcome, error] = isCalledOff ? ["aborted", null] : ["error", { ...told(thrown), ...driver.factsOf(thrown) }];
    }
    clearTimeout(timer);
    return [{ outcome, error, ...heard, elapsed_ms: since(start) }, content];
  };
  const calls = run.parallel ? await Promise.all(callsOf(run, run.parallel).map(call)) : await inTurn(call, run);
  const facts = calls.map(([facts]) => facts);
  const several = run.calls || run.parallel || run.follow_up ? { calls: facts } : {};
  return { ...facts.at(-1), ...several, elapsed_ms: since(start) };
}

async function inTurn(call, run) {
  const calls = [];
  let asked;
  for (asked of callsOf(run, run.calls || 1)) {
    if (calls.length > 0) await sleep(run.pause_ms ?? 0);
    calls.push(await call(asked));
  }
  const [facts, content] = calls.at(-1);
  if (run.follow_up && facts.outcome === "success") {
    if (!content) return [[{ outcome: "skipped", message: "this surface gives nothing that could be sent back" }]];
    const turns = [{ role: "assistant", content }, { role: "user", content: run.follow_up }];
    calls.push(await call({ ...asked, messages: [...asked.messages, ...turns] }));
  }
  return calls;
}

// The command of each call, with its own words. Who walks away from a stream does so from all but the last.
function callsOf(run, count) {
  const calls = Array.from({ length: count }, (_, at) => {
    const prompt = run.prompts?.[at] ?? run.prompt;
    return { ...run, prompt, messages: [{ role: "user", content: prompt }], caller: new AbortController() };
  });
  if (1 < count) calls.at(-1).abandon_after_events = null;
  return calls;
}

function since(start) {
  return Math.round(performance.now() - start);
}

// What is known of an error without knowing the client.
function told(error) {
  return { class: nameOf(error), chain: chainOf(error), message: String(error?.message ?? error) };
}

// An error and its causes, the outermost first.
function chainOf(error) {
  const chain = [];
  for (let each = error; each && chain.length < CAUSES_MAX; each = each.lastError ?? each.cause) {
    const name = [nameOf(each), each.code].filter(Boolean).join(" ");
    chain.push(`${name}: ${each.message ?? JSON.stringify(each)}`);
  }
  return chain;
}

// Many errors say who they are by their class alone, some by their name alone.
function nameOf(error) {
  return error?.name && error.name !== "Error" ? error.name : (error?.constructor?.name ?? typeof error);
}
