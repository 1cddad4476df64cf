"""What the drivers of Python clients share: the conversation with the harness, and how an error is told.

The harness writes a command a line (`start`, `run`, `stop`) and reads a line of facts for each; nothing is judged here.
Runs go on side by side, each in a thread, and report under their numbers when they end. Only this machine is ever
spoken to, and names that nobody has.

A driver brings what it says of its client, a function that makes one client for all calls of a run, and a function for
each surface, which is given the client, the command and a `Heard` to fill while it listens, so that what came before an
error is told as well. What it returns is the content of the answer, as far as that can be sent back.
"""

import asyncio
import json
import logging
import platform
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

# A chain of causes that is longer goes in circles.
CAUSES_MAX = 10

ADDRESS = re.compile(r"(https?://(127\.0\.0\.1|localhost)|http://([a-z0-9-]+\.)+invalid):\d+(/.*)?")

# Half of a character, which a Python string can hold and a line of JSON should not.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# The one tool that a `run` with `tools` offers: the one that the scripted answers call. What else is called, a client
# may refuse.
TOOL = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "schema": {"type": "object", "properties": {"city": {"type": "string"}, "amount": {"type": "number"}}},
}

# For clients that await. It outlives every run, as the loop of their caller would: what they leave open stays open.
LOOP = asyncio.new_event_loop()


class CalledOff(Exception):
    """The caller calls it off, as the command asked for."""


class Abandoned(CalledOff):
    """The caller walks away, and neither reads on nor closes."""


@dataclass
class Heard:
    text: str = ""
    stop_reason: str | None = None
    tool_calls: list | None = field(default_factory=list)
    request_id: str | None = None
    last_event: str | None = None
    events: int = 0

    def event(self, run):
        """Counts one; call it after the event is taken in."""
        self.events += 1
        if self.events == run.get("abandon_after_events"):
            raise Abandoned
        if self.events == run.get("abort_after_events"):
            raise CalledOff


def drive(client, surfaces, caps, defaults, facts_of, client_of=lambda run: None):
    """Answers commands until `stop` or the end of the input."""
    logging.basicConfig()
    threading.Thread(target=LOOP.run_forever, daemon=True).start()
    # A client that prints would break the conversation: only `say` writes to standard output.
    (out, sys.stdout), saying = (sys.stdout, sys.stderr), threading.Lock()

    def say(answer):
        with saying:
            print(json.dumps(plain(answer)), file=out, flush=True)

    def perform(run):
        try:
            told = outcome_of(run, surfaces, client_of, facts_of)
        except Exception as mistake:
            # Silence would be taken for a hang of the client's.
            told = {"outcome": "skipped", "message": f"the driver failed: {mistake!r}"}
        say({"seq": run["seq"], **told})

    for line in sys.stdin:
        command = json.loads(line)
        if command["cmd"] == "stop":
            break
        if command["cmd"] == "start":
            about = {"language": "python", "runtime": platform.python_version(), "version": version(client["name"])}
            say({"v": 1, "client": about | client, "surfaces": list(surfaces), "caps": caps, "defaults": defaults})
        else:
            threading.Thread(target=perform, args=[command], daemon=True).start()


def plain(answer):
    """The answer as any reader of JSON takes it: without halves of characters and numbers that are none."""
    text = json.dumps(answer, ensure_ascii=False)
    return json.loads(LONE_SURROGATE.sub("\ufffd", text), parse_constant=str)


def outcome_of(run, surfaces, client_of, facts_of):
    """The facts of a run: those of its last call, and of each of them if it asks for several."""
    if run["surface"] not in surfaces:
        return {"outcome": "unsupported"}
    logging.getLogger().setLevel(logging.DEBUG if run.get("log") else logging.WARNING)
    start, client, refusal = time.monotonic(), None, None
    try:
        if not ADDRESS.fullmatch(run["base_url"]):
            raise ValueError("the address is not on this machine")
        client = client_of(run)
    except Exception as raised:
        refusal = raised

    def call(asked):
        heard, error, content, start = Heard(), None, None, time.monotonic()
        try:
            if refusal is not None:
                raise refusal
            content, outcome = surfaces[run["surface"]](client, asked, heard), "success"
        except CalledOff:
            outcome = "aborted"
        except Exception as raised:
            outcome = "error"
            error = {"class": type(raised).__name__, "chain": chain_of(raised), "message": str(raised)}
            error |= facts_of(raised)
        return {"outcome": outcome, "error": error, **asdict(heard), "elapsed_ms": since(start)}, content

    told = at_once(call, run) if run.get("parallel") else in_turn(call, run)
    facts = [facts for facts, _ in told]
    several = {"calls": facts} if any(run.get(key) for key in ("calls", "parallel", "follow_up")) else {}
    return facts[-1] | several | {"elapsed_ms": since(start)}


def at_once(call, run):
    asked = calls_of(run, run["parallel"])
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(call, asked))


def in_turn(call, run):
    told = []
    for asked in calls_of(run, run.get("calls") or 1):
        if told:
            time.sleep((run.get("pause_ms") or 0) / 1000)
        told.append(call(asked))
    facts, content = told[-1]
    if run.get("follow_up") and facts["outcome"] == "success":
        if content is None:
            return [({"outcome": "skipped", "message": "this surface gives nothing that could be sent back"}, None)]
        turns = [{"role": "assistant", "content": content}, {"role": "user", "content": run["follow_up"]}]
        told.append(call(asked | {"messages": asked["messages"] + turns}))
    return told


def calls_of(run, count):
    """The command of each call, with its own words. Who walks away from a stream does so from all but the last."""
    prompts = (run.get("prompts") or [])[:count]
    prompts += [run["prompt"]] * (count - len(prompts))
    calls = [run | {"prompt": prompt, "messages": [{"role": "user", "content": prompt}]} for prompt in prompts]
    if 1 < count:
        calls[-1].pop("abandon_after_events", None)
    return calls


def since(start):
    return round(1000 * (time.monotonic() - start))


def on_loop(coroutine, run):
    """Awaits it from a thread, until the caller cancels it if the command says so."""

    async def awaited():
        task, after_ms = asyncio.ensure_future(coroutine), run.get("abort_after_ms")
        if after_ms is not None:
            LOOP.call_later(after_ms / 1000, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            raise CalledOff from None

    return asyncio.run_coroutine_threadsafe(awaited(), LOOP).result()


def chain_of(error):
    """An error and its causes, the outermost first."""
    chain = []
    while error is not None and len(chain) < CAUSES_MAX:
        chain.append(f"{type(error).__name__}: {error}")
        # Below a time-out lies but the cancelling that enforced it, which nobody asked for.
        is_limit = isinstance(error, TimeoutError)
        error = None if is_limit else error.__cause__ or error.__context__
    return chain


def facts_of_sdk(error):
    """What an error of the official SDK tells, which most clients hand on as it is."""
    response = getattr(error, "response", None)
    return {
        "status": getattr(error, "status_code", None),
        "type": getattr(error, "type", None),
        "code": getattr(error, "error_code", None),
        "request_id": getattr(error, "request_id", None),
        "retry_after": response.headers.get("retry-after") if response is not None else None,
    }
