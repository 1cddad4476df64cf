"""Exercises the installed SDK: one exercise in (a JSON line on standard input), one line of facts out.

An exercise names a surface of the SDK and carries what to call it with; nothing here knows what the answer should be.
`ok` says whether the call returned, and `got` what it returned or what it raised. The address and the credential come
from the environment, as the SDK itself reads them, unless the exercise brings an `api_key` of its own. Only loopback is
ever spoken to.

Answers are validated against the SDK's own types, which it does not do unless it is told to.
"""

import json
import platform
import sys
import time

import anthropic
from pydantic import BaseModel

# An exercise that comes no further than this has gone astray.
TURNS_MAX = 8
LOOKS_MAX = 20
ITEMS_MAX = 500

# Where each kind of thinking proves that it is the model's own.
PROOFS = {"thinking": "signature", "redacted_thinking": "data"}

LOOPBACK = "http://127.0.0.1:"


class City(BaseModel):
    name: str
    population: int


def main():
    for line in sys.stdin:
        run = json.loads(line)
        start = time.monotonic()
        try:
            ok, got = True, SURFACES[run["surface"]](client_of(run), run)
        except Exception as error:
            ok, got = False, {"error": facts_of(error)}
        elapsed_ms = round(1000 * (time.monotonic() - start))
        print(json.dumps({"exercise": run["exercise"], "ok": ok, "got": got, "elapsed_ms": elapsed_ms}), flush=True)


def client_of(run):
    client = anthropic.Anthropic(
        api_key=run.get("api_key"), timeout=run["timeout_s"], max_retries=0, _strict_response_validation=True
    )
    if not str(client.base_url).startswith(LOOPBACK):
        sys.exit("ANTHROPIC_BASE_URL does not point to loopback")
    return client


def params_of(run):
    """Members that the SDK's methods do not know go in through the door that it has for them."""
    return run["params"] | {"extra_body": run.get("extra_body"), "extra_headers": run.get("extra_headers")}


def facts_of(error):
    response = getattr(error, "response", None)
    return {
        "classes": [each.__name__ for each in type(error).__mro__[:-1]],
        "is_of_sdk": isinstance(error, anthropic.AnthropicError),
        "status": getattr(error, "status_code", None),
        "type": getattr(error, "type", None),
        "code": getattr(error, "error_code", None),
        "request_id": getattr(error, "request_id", None),
        "retry_after": response.headers.get("retry-after") if response is not None else None,
        "message": str(error),
        "cause": repr(error.__cause__) if error.__cause__ else None,
    }


def plain(answer):
    return answer.to_dict(mode="json")


def about(client, run):
    runtime = f"{platform.python_implementation()} {platform.python_version()}"
    return {"name": "anthropic", "version": anthropic.__version__, "language": "python", "runtime": runtime}


def create(client, run):
    message = client.messages.create(**params_of(run))
    return {"message": plain(message), "request_id": message._request_id}


def beta(client, run):
    return {"message": plain(client.beta.messages.create(betas=run["betas"], **params_of(run)))}


def raw(client, run):
    response = client.messages.with_raw_response.create(**params_of(run))
    return {
        "message": plain(response.parse()),
        "request_id": response.request_id,
        "headers": {name.lower(): value for name, value in response.headers.items()},
    }


def events(client, run):
    with client.messages.create(stream=True, **params_of(run)) as stream:
        return {"events": [plain(event) for event in stream]}


def stream(client, run):
    """The helper: what came over the wire, what it told beside that, and what it makes of it all."""
    told, came = {"text": "", "thinking": "", "input_json": "", "signature": 0, "citation": 0}, []
    with client.messages.stream(**params_of(run)) as stream:
        for event in stream:
            if event.type.startswith(("message_", "content_block_")):
                came.append(plain(event))
            match event.type:
                case "text":
                    told["text"] += event.text
                case "thinking":
                    told["thinking"] += event.thinking
                case "input_json":
                    told["input_json"] += event.partial_json
                case "signature" | "citation":
                    told[event.type] += 1
        return {"events": came, "told": told, "message": plain(stream.get_final_message())}


def parse(client, run):
    message = client.messages.parse(output_format=City, **params_of(run))
    return {"parsed": message.parsed_output.model_dump(), "stop_reason": message.stop_reason}


def converse(client, run):
    """Goes on until the model has nothing more to ask for: tools answer, and paused turns are sent back."""
    params = params_of(run)
    turns, history = [], list(params["messages"])
    while len(turns) < TURNS_MAX:
        message = client.messages.create(**params | {"messages": history})
        turns.append(plain(message))
        history.append({"role": "assistant", "content": message.content})
        if message.stop_reason == "tool_use":
            calls = [block for block in message.content if block.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": "42"} for call in calls]
            history.append({"role": "user", "content": results})
        elif message.stop_reason != "pause_turn":
            break
    return {"turns": turns[:-1], "message": turns[-1]}


def again(client, run):
    """Sends an answer back with the next question, as it came, or with its proof forged or another past before it."""
    params = params_of(run)
    if run.get("streamed"):
        with client.messages.stream(**params) as stream:
            first = stream.get_final_message()
    else:
        first = client.messages.create(**params)
    if run.get("forge"):
        thought = next(block for block in first.content if block.type in PROOFS)
        setattr(thought, PROOFS[thought.type], "Zm9yZ2Vk")
    turns = [{"role": "assistant", "content": first.content}, {"role": "user", "content": run["follow_up"]}]
    past = run.get("instead", params["messages"])
    second = client.messages.create(**params | {"messages": [*past, *turns]})
    return {"first": plain(first), "message": plain(second)}


def count(client, run):
    return plain(client.messages.count_tokens(**params_of(run)))


def batch(client, run):
    """From creation to deletion, looking until it has ended."""
    batches = client.messages.batches
    last = batches.create(**params_of(run))
    statuses = [last.processing_status]
    if run.get("cancel"):
        last = batches.cancel(last.id)
        statuses.append(last.processing_status)
    while last.processing_status != "ended" and len(statuses) < LOOKS_MAX:
        last = batches.retrieve(last.id)
        statuses.append(last.processing_status)
    results = [plain(result) for result in batches.results(last.id)]
    deleted = plain(batches.delete(last.id))
    return {"batch": plain(last), "statuses": statuses, "results": results, "deleted": deleted}


def batch_get(client, run):
    return plain(client.messages.batches.retrieve(run["id"]))


def batch_list(client, run):
    return pages_of(client.messages.batches.list(**run["params"]))


def model(client, run):
    return plain(client.models.retrieve(run["id"]))


def model_list(client, run):
    return pages_of(client.models.list(**run["params"]))


def pages_of(page):
    """What the first page says, and every id that the SDK finds by turning pages itself."""
    first = plain(page)
    ids = [item.id for item, _ in zip(page, range(ITEMS_MAX))]
    return {"first": first, "ids": ids}


SURFACES = {
    "about": about,
    "again": again,
    "batch": batch,
    "batch-get": batch_get,
    "batch-list": batch_list,
    "beta": beta,
    "converse": converse,
    "count": count,
    "create": create,
    "events": events,
    "model": model,
    "model-list": model_list,
    "parse": parse,
    "raw": raw,
    "stream": stream,
}

if __name__ == "__main__":
    main()
