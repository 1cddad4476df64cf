"""What the drivers of Python clients share: the conversation with the harness, and how an error is told.

The harness writes a command a line (`start`, `run`, `stop`) and reads a line of facts for each; nothing is judged here.
Runs go on side by side, each in a thread, and report under their numbers when they end. Only loopback is ever spoken to.
A driver brings what it says of its client and a function for each surface, which is given the command and a `Heard` to
fill while it listens, so that what came before an error is told as well.
"""

import json
import logging
import platform
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

# A chain of causes that is longer goes in circles.
CAUSES_MAX = 10

LOOPBACK = ("http://127.0.0.1:", "http://localhost:")

# The one tool that a `run` with `tools` offers.
TOOL = {
    "name": "look_up",
    "description": "Looks a word up.",
    "schema": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
}


class Abandoned(Exception):
    """The caller calls it off, as the command asked for."""


@dataclass
class Heard:
    text: str = ""
    stop_reason: str | None = None
    tool_calls: list = field(default_factory=list)
    events: int = 0

    def event(self, run):
        """Counts one; call it after the event is taken in."""
        self.events += 1
        if self.events == run.get("abort_after_events"):
            raise Abandoned


def drive(client, surfaces, caps, defaults, facts_of):
    """Answers commands until `stop` or the end of the input."""
    logging.basicConfig()
    # A client that prints would break the conversation: only `say` writes to standard output.
    (out, sys.stdout), saying = (sys.stdout, sys.stderr), threading.Lock()

    def say(answer):
        with saying:
            print(json.dumps(answer), file=out, flush=True)

    def perform(run):
        say({"seq": run["seq"], **outcome_of(run, surfaces, facts_of)})

    for line in sys.stdin:
        command = json.loads(line)
        if command["cmd"] == "stop":
            break
        if command["cmd"] == "start":
            about = {"language": "python", "runtime": platform.python_version(), "version": version(client["name"])}
            say({"v": 1, "client": about | client, "surfaces": list(surfaces), "caps": caps, "defaults": defaults})
        else:
            threading.Thread(target=perform, args=[command], daemon=True).start()


def outcome_of(run, surfaces, facts_of):
    if run["surface"] not in surfaces:
        return {"outcome": "unsupported"}
    heard, error, start = Heard(), None, time.monotonic()
    try:
        if not run["base_url"].startswith(LOOPBACK):
            raise ValueError("the address is not on loopback")
        logging.getLogger().setLevel(logging.DEBUG if run.get("log") else logging.WARNING)
        surfaces[run["surface"]](run, heard)
        outcome = "success"
    except Abandoned:
        outcome = "aborted"
    except Exception as raised:
        outcome = "error"
        error = {"class": type(raised).__name__, "chain": chain_of(raised), "message": str(raised)} | facts_of(raised)
    elapsed_ms = round(1000 * (time.monotonic() - start))
    return {"outcome": outcome, "error": error, **asdict(heard), "elapsed_ms": elapsed_ms}


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
