"""Lets LangChain's `ChatAnthropic` be put on trial; `../driving.py` holds the conversation.

It hands on the official SDK's errors as they are, so these count as errors that a caller is told to expect.
"""

import sys
from pathlib import Path

# What is shared lies beside the clients, and nothing is to be left there.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import driving
from anthropic import AnthropicError
from langchain_anthropic import ChatAnthropic
from langchain_core.exceptions import LangChainException


def model_of(run):
    model = ChatAnthropic(
        model="claude-sonnet-5-5",
        max_tokens=1024,
        base_url=run["base_url"],
        api_key=run["api_key"],
        max_retries=run["max_retries"],
        timeout=run["timeout_s"],
    )
    if not run.get("tools"):
        return model
    name, text, schema = driving.TOOL.values()
    return model.bind_tools([{"name": name, "description": text, "input_schema": schema}])


def take(heard, message):
    heard.text = message.text
    heard.stop_reason = message.response_metadata.get("stop_reason")
    heard.tool_calls = [{"name": call["name"], "input": call["args"]} for call in message.tool_calls]
    broken = message.invalid_tool_calls
    heard.tool_calls += [{"name": call["name"], "input": call["args"], "valid": False} for call in broken]


def create(model, run, heard):
    take(heard, model.invoke(run["prompt"]))


def stream(model, run, heard):
    whole = None
    for chunk in model.stream(run["prompt"]):
        whole = chunk if whole is None else whole + chunk
        take(heard, whole)
        heard.event(run)


def facts_of(error):
    return driving.facts_of_sdk(error) | {"sdk_error": isinstance(error, AnthropicError | LangChainException)}


if __name__ == "__main__":
    driving.drive(
        {"name": "langchain-anthropic", "issues": "https://github.com/langchain-ai/langchain/issues"},
        {"create": create, "stream": stream},
        ["calls", "cancel", "log", "parallel", "retries", "timeout", "tls", "tools"],
        {"max_retries": ChatAnthropic.model_fields["max_retries"].default, "timeout_s": None},
        facts_of,
        model_of,
    )
