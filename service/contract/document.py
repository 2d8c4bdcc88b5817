"""What FastAPI's OpenAPI document lacks: problems of every endpoint, HEAD, the forms of parameters, the token."""

import copy
from typing import Any

from pydantic import BaseModel

from service.contract.methods import PROBES
from service.contract.responses import ANYWHERE, GUARDED, PROBLEM_SCHEMA, add_problems

UNNAMED = ("HTTPValidationError", "ValidationError")
"""FastAPI's schemas of errors, which no response of this server has."""


def complete(document: dict[str, Any], *, token: bool) -> dict[str, Any]:
    """Complete an OpenAPI document in place, and return it. token: whether requests must carry one."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for name in UNNAMED:
        schemas.pop(name, None)
    if token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(operation, is_probe=path in PROBES, token=token)
        if "get" in operations:
            operations["head"] = _head(operations["get"])
    return document


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a JSON body, in which every field has its description, also one that may be null."""
    schema = model.model_json_schema()
    for field in schema["properties"].values():
        for choice in field.get("anyOf", ()):
            if "description" in choice:
                field["description"] = choice.pop("description")
    return schema


def _complete_operation(operation: dict[str, Any], *, is_probe: bool, token: bool) -> None:
    add_problems(operation["responses"], ANYWHERE if is_probe else (*GUARDED, *ANYWHERE))
    if token and not is_probe:
        operation["security"] = [{"token": []}]
    for parameter in operation.get("parameters", ()):
        _describe_form(parameter)


def _describe_form(parameter: dict[str, Any]) -> None:
    """Describe a parameter as a URL has it: a list with commas, and no null, which is an absent parameter."""
    schema = parameter["schema"]
    choices = [choice for choice in schema.pop("anyOf", ()) if choice.get("type") != "null"]
    if choices:
        (choice,) = choices
        schema.update(choice)
    if schema.get("type") == "array":
        parameter |= {"style": "form", "explode": False}


def _head(get: dict[str, Any]) -> dict[str, Any]:
    """Return the operation with the same statuses and no bodies."""
    operation = copy.deepcopy(get)
    operation["operationId"] += "_head"
    operation["summary"] += " (headers only)"
    for response in operation["responses"].values():
        response.pop("content", None)
    return operation
