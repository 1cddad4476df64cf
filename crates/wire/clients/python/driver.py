"""Lets the installed official SDK be put on trial; `../driving.py` holds the conversation.

A call that is cancelled by the clock is a task of the asynchronous client, as the other one cannot be interrupted from
outside. Both SDKs take the file named by `SSL_CERT_FILE` for the authorities that they trust.
"""

import itertools
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

# What is shared lies beside the clients, and nothing is to be left there.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import anthropic
import driving
from anthropic.lib.credentials import AccessToken

CAPS = [
    "abandon",
    "calls",
    "cancel",
    "cancel-later",
    "follow-up",
    "gateway-header",
    "log",
    "parallel",
    "retries",
    "rotating-credential",
    "timeout",
    "tls",
    "tools",
]

# Streams that nobody reads on: without this they would be closed when they are forgotten.
ABANDONED = []


def client_of(run):
    kind = anthropic.Anthropic if run.get("abort_after_ms") is None else anthropic.AsyncAnthropic
    name = run.get("gateway_header")
    return kind(
        base_url=run["base_url"],
        timeout=run["timeout_s"],
        max_retries=run["max_retries"],
        default_headers={name: f"{run['api_key']}-gateway"} if name else None,
        **credential_of(run),
    )


def credential_of(run):
    if run.get("credential") != "rotating":
        return {"api_key": run["api_key"]}
    numbers = itertools.count(1)

    def provide(*, force_refresh=False):
        number = next(numbers)
        return AccessToken(run["api_key"] if number == 1 else f"{run['api_key']}-{number}")

    return {"credentials": provide}


def params_of(run):
    name, text, schema = driving.TOOL.values()
    tools = [{"name": name, "description": text, "input_schema": schema}] if run.get("tools") else anthropic.omit
    return {"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": run["messages"], "tools": tools}


def create(client, run, heard):
    return take_whole(client.messages.create(**params_of(run)), heard)


def raw(client, run, heard):
    # Whoever reads bare events puts the tool calls together himself.
    heard.tool_calls = None
    with listening(client.messages.create(stream=True, **params_of(run))) as events:
        for event in events:
            take_bare(event, run, heard)


def stream(client, run, heard):
    with listening(client.messages.stream(**params_of(run))) as events:
        heard.request_id = events.request_id
        for event in events:
            take(event, run, heard)
        return keep(events.get_final_message(), heard)


async def create_as_task(client, run, heard):
    return take_whole(await client.messages.create(**params_of(run)), heard)


async def raw_as_task(client, run, heard):
    heard.tool_calls = None
    async for event in await client.messages.create(stream=True, **params_of(run)):
        take_bare(event, run, heard)


async def stream_as_task(client, run, heard):
    async with client.messages.stream(**params_of(run)) as events:
        heard.request_id = events.request_id
        async for event in events:
            take(event, run, heard)
        return keep(await events.get_final_message(), heard)


def either(plain, as_task):
    def surface(client, run, heard):
        if run.get("abort_after_ms") is None:
            return plain(client, run, heard)
        return driving.on_loop(as_task(client, run, heard), run)

    return surface


@contextmanager
def listening(stream):
    """Closes the stream in the end, but not if the caller just walks away."""
    with ExitStack() as stack:
        events = stack.enter_context(stream)
        try:
            yield events
        except driving.Abandoned:
            ABANDONED.append((events, stack.pop_all()))
            raise


def take_bare(event, run, heard):
    heard.last_event = getattr(event, "type", None)
    if heard.last_event == "content_block_delta" and event.delta.type == "text_delta":
        heard.text += event.delta.text
    elif heard.last_event == "message_delta":
        heard.stop_reason = event.delta.stop_reason
    heard.event(run)


def take(event, run, heard):
    heard.last_event = event.type
    if event.type == "text":
        heard.text += event.text
    heard.event(run)


def take_whole(message, heard):
    heard.request_id = getattr(message, "_request_id", None)
    return keep(message, heard)


def keep(message, heard):
    """Takes in what a finished call gave; its content, to be sent back as it is.

    That may be anything, a page as a string too: what the client does not refuse, it hands on as an answer.
    """
    content = getattr(message, "content", None)
    blocks = content if isinstance(content, list) else []
    heard.text = "".join(block.text for block in blocks if block.type == "text")
    heard.stop_reason = getattr(message, "stop_reason", None)
    calls = [block for block in blocks if block.type == "tool_use"]
    heard.tool_calls = [{"name": call.name, "input": call.input} for call in calls]
    return content


def facts_of(error):
    return driving.facts_of_sdk(error) | {"sdk_error": isinstance(error, anthropic.AnthropicError)}


if __name__ == "__main__":
    driving.drive(
        {"name": "anthropic", "issues": "https://github.com/anthropics/anthropic-sdk-python/issues"},
        {
            "create": either(create, create_as_task),
            "raw": either(raw, raw_as_task),
            "stream": either(stream, stream_as_task),
        },
        CAPS,
        {"max_retries": anthropic.DEFAULT_MAX_RETRIES, "timeout_s": int(anthropic.DEFAULT_TIMEOUT.read)},
        facts_of,
        client_of,
    )
