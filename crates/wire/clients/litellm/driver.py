"""Lets LiteLLM be put on trial; `../driving.py` holds the conversation.

It translates answers and errors into OpenAI's. Of stop reasons each word that can be read back is, and the input of a
tool call is text, which its caller parses: what does not parse cannot be run. Its retries need `tenacity` and its tools
`mcp`; neither comes with it, so they are asked for beside it. It has no client object of its caller's: what calls share,
they share behind its function.
"""

import json
import logging
import os
import sys
from pathlib import Path

# It would fetch a list of prices otherwise, and only loopback is ever spoken to.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# What is shared lies beside the clients, and nothing is to be left there.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import driving
import litellm
from openai import APIConnectionError, OpenAIError

litellm.suppress_debug_info = True

# What OpenAI's words for the end of an answer are in the API's.
STOP_REASONS = {"content_filter": "refusal", "length": "max_tokens", "stop": "end_turn", "tool_calls": "tool_use"}


def answer_of(run, **more):
    if run.get("log"):
        litellm._turn_on_debug()
    else:
        logging.getLogger("LiteLLM").setLevel(logging.WARNING)
    if run.get("tools"):
        name, text, schema = driving.TOOL.values()
        function = {"name": name, "description": text, "parameters": schema}
        more["tools"] = [{"type": "function", "function": function}]
    return litellm.completion(
        model="anthropic/claude-sonnet-5-5",
        max_tokens=1024,
        messages=[{"role": "user", "content": run["prompt"]}],
        api_base=run["base_url"],
        api_key=run["api_key"],
        num_retries=run["max_retries"],
        timeout=run["timeout_s"],
        **more,
    )


def create(_, run, heard):
    choice = answer_of(run).choices[0]
    heard.text = choice.message.content or ""
    calls = choice.message.tool_calls or []
    finish(heard, choice.finish_reason, [(call.function.name, call.function.arguments) for call in calls])


def stream(_, run, heard):
    reason, calls = None, []
    for chunk in answer_of(run, stream=True):
        choice = chunk.choices[0]
        heard.text += choice.delta.content or ""
        reason = choice.finish_reason or reason
        for part in choice.delta.tool_calls or []:
            if part.id:
                calls.append((part.function.name, ""))
            name, text = calls[-1]
            calls[-1] = (name, text + (part.function.arguments or ""))
        heard.event(run)
    finish(heard, reason, calls)


def finish(heard, reason, calls):
    heard.stop_reason = STOP_REASONS.get(reason, reason)
    heard.tool_calls = [called(name, text) for name, text in calls]


def called(name, text):
    try:
        return {"name": name, "input": json.loads(text or "{}")}
    except ValueError:
        return {"name": name, "input": text, "valid": False}


def facts_of(error):
    # What breaks a stream off is wrapped.
    error = getattr(error, "original_exception", None) or error
    # Errors of connections and limits are given a status, whether anybody sent one or not.
    is_sent = any(link.startswith("HTTPStatusError") for link in driving.chain_of(error))
    unsent = {"status": None} if isinstance(error, APIConnectionError) and not is_sent else {}
    return driving.facts_of_sdk(error) | {"sdk_error": isinstance(error, OpenAIError)} | unsent


if __name__ == "__main__":
    driving.drive(
        {"name": "litellm", "issues": "https://github.com/BerriAI/litellm/issues"},
        {"create": create, "stream": stream},
        ["calls", "cancel", "log", "parallel", "retries", "timeout", "tls", "tools"],
        {"max_retries": 0, "timeout_s": 600},
        facts_of,
    )
