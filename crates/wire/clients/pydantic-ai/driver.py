"""Lets a pydantic-ai `Agent` be put on trial; `../driving.py` holds the conversation.

Retries and time-outs are those of the official SDK below it, which is how its users set them. The tool is an external
one: the agent hands the call back instead of making it, and the run ends there.
"""

import sys
from pathlib import Path

# What is shared lies beside the clients, and nothing is to be left there.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import driving
from anthropic import AnthropicError, AsyncAnthropic
from pydantic_ai import Agent, DeferredToolRequests, ExternalToolset
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import TextPart, ToolCallPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.tools import ToolDefinition


def agent_of(run):
    sdk = AsyncAnthropic(
        base_url=run["base_url"], api_key=run["api_key"], max_retries=run["max_retries"], timeout=run["timeout_s"]
    )
    model = AnthropicModel("claude-sonnet-5-5", provider=AnthropicProvider(anthropic_client=sdk))
    # It asks for as many tokens as the model has otherwise, and then streams behind every surface.
    settings = {"max_tokens": 1024}
    if not run.get("tools"):
        return Agent(model, model_settings=settings)
    name, text, schema = driving.TOOL.values()
    tool = ToolDefinition(name=name, description=text, parameters_json_schema=schema)
    outputs = [str, DeferredToolRequests]
    return Agent(model, output_type=outputs, toolsets=[ExternalToolset([tool])], model_settings=settings)


def take(heard, response):
    # A block that the SDK does not know becomes a part whose text is none.
    heard.text = "".join(part.content or "" for part in response.parts if isinstance(part, TextPart))
    heard.stop_reason = (response.provider_details or {}).get("finish_reason")
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    heard.tool_calls = [called(call) for call in calls]


def called(call):
    """The input may be text still, which its caller parses: what does not parse cannot be run."""
    try:
        return {"name": call.tool_name, "input": call.args_as_dict(raise_if_invalid=True)}
    except (AssertionError, ValueError):
        return {"name": call.tool_name, "input": call.args, "valid": False}


async def create(agent, run, heard):
    take(heard, (await agent.run(run["prompt"])).response)


async def stream(agent, run, heard):
    async with agent.run_stream(run["prompt"]) as result:
        async for response in result.stream_response(debounce_by=None):
            take(heard, response)
            heard.event(run)


def facts_of(error):
    body = fields(getattr(error, "body", None))
    told = fields(body.get("error"))
    return driving.facts_of_sdk(error) | {
        "sdk_error": isinstance(error, AgentRunError | AnthropicError),
        "type": told.get("type"),
        "code": fields(told.get("details")).get("error_code"),
        "request_id": body.get("request_id"),
    }


def fields(value):
    """What came from outside has any shape."""
    return value if isinstance(value, dict) else {}


def blocking(surface):
    return lambda agent, run, heard: driving.on_loop(surface(agent, run, heard), run)


if __name__ == "__main__":
    driving.drive(
        {"name": "pydantic-ai-slim", "issues": "https://github.com/pydantic/pydantic-ai/issues"},
        {"create": blocking(create), "stream": blocking(stream)},
        ["calls", "cancel", "cancel-later", "log", "parallel", "retries", "timeout", "tls", "tools"],
        {"max_retries": 2, "timeout_s": 600},
        facts_of,
        agent_of,
    )
