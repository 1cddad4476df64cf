"""Writes the types of the installed SDK as JSON Schema to standard output.

For each operation: what a call takes and what an answer holds, by media type. Then the error body with the details of
coded errors, the values of the beta header, the list of error types, the table of error codes, and the names of all
exported types that none of these reach, so that whoever compares sees what was left out.
Only what is generally available is asked for: nothing below `beta`, but for the names of the betas.
"""

import inspect
import json
import sys
import typing

import anthropic
from anthropic import types
from anthropic._error_classes import ERROR_CLASSES
from anthropic.pagination import SyncPage
from anthropic.types import messages as batch_types
from anthropic.types import message_create_params, shared
from pydantic import TypeAdapter
from typing_extensions import Required, TypedDict

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-jsonl"

# What every method takes beside its own parameters: matters of the client, not of the API.
OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


def operations():
    """What a call takes (a type, or the method whose parameters stand for one) and what it answers."""
    batches, models = anthropic.resources.messages.Batches, anthropic.resources.Models
    batch = {JSON: batch_types.MessageBatch}
    return {
        "messages.create": (
            message_create_params.MessageCreateParams,
            {JSON: types.Message, EVENTS: types.RawMessageStreamEvent},
        ),
        "messages.count_tokens": (types.MessageCountTokensParams, {JSON: types.MessageTokensCount}),
        "batches.create": (batch_types.BatchCreateParams, batch),
        "batches.list": (batch_types.BatchListParams, {JSON: SyncPage[batch_types.MessageBatch]}),
        "batches.get": (batches.retrieve, batch),
        "batches.cancel": (batches.cancel, batch),
        "batches.delete": (batches.delete, {JSON: batch_types.DeletedMessageBatch}),
        "batches.results": (batches.results, {LINES: batch_types.MessageBatchIndividualResponse}),
        "models.list": (types.ModelListParams, {JSON: SyncPage[types.ModelInfo]}),
        "models.get": (models.retrieve, {JSON: types.ModelInfo}),
    }


def call(taken):
    """A method without a type of its own takes ids and headers only, which are texts."""
    if not inspect.isfunction(taken):
        return taken
    fields = {
        name: Required[str] if parameter.default is parameter.empty else str
        for name, parameter in inspect.signature(taken).parameters.items()
        if name not in OF_THE_CLIENT
    }
    return TypedDict(taken.__qualname__, fields, total=False)


def schemas(wanted):
    """One JSON Schema per key, and the definitions that they share."""
    inputs = [(key, "validation", TypeAdapter(kind)) for key, kind in wanted.items()]
    found, rest = TypeAdapter.json_schemas(inputs)
    return {key: schema for (key, _), schema in found.items()}, rest["$defs"]


def exported():
    """Every exported type by name; aliases have no definition, and errors are in the table of codes."""
    found = [kind for module in (types, batch_types, shared) for kind in vars(module).values()]
    found = [kind for kind in found if inspect.isclass(kind) and not issubclass(kind, Exception)]
    return {kind.__name__ for kind in found if not kind.__name__.startswith("Beta")}


def main():
    wanted = {("error", ""): shared.ErrorResponse, ("details", ""): shared.error_details.ErrorDetails}
    for operation, (taken, answers) in operations().items():
        wanted[operation, "call"] = call(taken)
        wanted.update({(operation, media): kind for media, kind in answers.items()})
    found, definitions = schemas(wanted)
    for name, definition in definitions.items():
        if name.endswith("ErrorDetails"):
            # The codes themselves are compared with their statuses, out of the table below.
            definition["properties"]["error_code"] = {"type": "string"}
    document = {
        "package": f"anthropic {anthropic.__version__}",
        "operations": {
            operation: {
                "call": found[operation, "call"],
                "answers": {media: found[operation, media] for media in answers},
            }
            for operation, (_, answers) in operations().items()
        },
        "error": found["error", ""],
        "error_details": found["details", ""],
        # Any string is taken, and these are known.
        "betas": next(filter(None, map(typing.get_args, typing.get_args(types.AnthropicBetaParam)))),
        "error_types": typing.get_args(shared.error_type.ErrorType),
        "error_codes": [{"status": status, "code": code} for status, code in ERROR_CLASSES],
        # A generic or twice used name is lengthened in the definitions.
        "unreached": sorted(exported() - {name.rsplit("__", 1)[-1] for name in definitions}),
        "$defs": definitions,
    }
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
