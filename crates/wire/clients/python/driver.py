"""Lets the installed SDK be put on trial: commands in (JSON lines on standard input), facts out.

A run is one call, or what it asks for beyond that; nothing here knows what should come of it. Runs go on side by side,
each with a client of its own, and report under their numbers when they end. Only loopback is ever spoken to.
"""

import json
import logging
import platform
import sys
import threading
import time

import anthropic

LOOPBACK = ("http://127.0.0.1:", "http://localhost:")
TOOL = {"name": "answer", "description": "Gives the answer.", "input_schema": {"type": "object"}}
CAPS = ["abandon", "calls", "cancel", "log", "retries", "timeout", "tools"]

# Streams that nobody reads on: without this they would be closed when they are forgotten.
ABANDONED = []
SAYING = threading.Lock()


def main():
    for line in sys.stdin:
        command = json.loads(line)
        match command["cmd"]:
            case "start":
                say(about())
            case "run":
                threading.Thread(target=lambda command=command: say(perform(command)), daemon=True).start()
            case "stop":
                return


def say(fact):
    with SAYING:
        print(json.dumps(fact), flush=True)


def about():
    client = {"name": "anthropic", "version": anthropic.__version__, "language": "python"}
    client |= {"runtime": platform.python_version(), "issues": "https://github.com/anthropics/anthropic-sdk-python/issues"}
    defaults = {"max_retries": anthropic.DEFAULT_MAX_RETRIES, "timeout_s": int(anthropic.DEFAULT_TIMEOUT.read)}
    return {"v": 1, "client": client, "surfaces": list(SURFACES), "caps": CAPS, "defaults": defaults}


def perform(run):
    facts = {"seq": run["seq"], "outcome": "success", "text": "", "stop_reason": None, "tool_calls": [], "events": 0}
    start = time.monotonic()
    try:
        if not run["base_url"].startswith(LOOPBACK):
            raise ValueError("the address is not on loopback")
        logging.basicConfig(level=logging.DEBUG if run.get("log") else logging.WARNING, force=True)
        client = anthropic.Anthropic(
            base_url=run["base_url"], api_key=run["api_key"], timeout=run["timeout_s"], max_retries=run["max_retries"]
        )
        params = {"model": "claude-sonnet-5-5", "max_tokens": 64, "tools": [TOOL] if run.get("tools") else anthropic.omit}
        params["messages"] = [{"role": "user", "content": run["prompt"]}]
        for _ in range(run.get("calls") or 1):
            facts["text"] = ""
            SURFACES[run["surface"]](client, params, run, facts)
    except Exception as error:
        facts |= {"outcome": "error", "error": facts_of(error)}
    return facts | {"elapsed_ms": round(1000 * (time.monotonic() - start))}


def create(client, params, run, facts):
    message = client.messages.create(**params)
    facts["text"] = "".join(block.text for block in message.content if block.type == "text")
    keep(message, facts)
    facts["request_id"] = message._request_id


def raw(client, params, run, facts):
    events = client.messages.create(stream=True, **params)
    for event in events:
        facts["last_event"] = event.type
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            facts["text"] += event.delta.text
        elif event.type == "message_delta":
            facts["stop_reason"] = event.delta.stop_reason
        if leaves(events, run, facts):
            return


def stream(client, params, run, facts):
    with client.messages.stream(**params) as events:
        facts["request_id"] = events.request_id
        for event in events:
            facts["last_event"] = event.type
            if event.type == "text":
                facts["text"] += event.text
            if leaves(events, run, facts):
                return
        keep(events.get_final_message(), facts)


def keep(message, facts):
    facts["stop_reason"] = message.stop_reason
    facts["tool_calls"] = [{"name": each.name, "input": each.input} for each in message.content if each.type == "tool_use"]


def leaves(events, run, facts):
    """Whether the caller has had enough: it closes the stream, or just walks away."""
    facts["events"] += 1
    if facts["events"] == run.get("abandon_after_events"):
        ABANDONED.append(events)
        facts["outcome"] = "aborted"
    elif facts["events"] == run.get("abort_after_events"):
        events.close()
        facts["outcome"] = "aborted"
    return facts["outcome"] == "aborted"


def facts_of(error):
    chain, each = [], error
    while each is not None and len(chain) < 16:
        chain.append(f"{type(each).__name__}: {each}")
        each = each.__cause__ or each.__context__
    response = getattr(error, "response", None)
    return {
        "class": type(error).__name__,
        "chain": chain,
        "sdk_error": isinstance(error, anthropic.AnthropicError),
        "status": getattr(error, "status_code", None),
        "type": getattr(error, "type", None),
        "code": getattr(error, "error_code", None),
        "request_id": getattr(error, "request_id", None),
        "retry_after": response.headers.get("retry-after") if response is not None else None,
        "message": str(error),
    }


SURFACES = {"create": create, "raw": raw, "stream": stream}

if __name__ == "__main__":
    main()
