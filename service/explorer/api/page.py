"""The page that documents the endpoints, made from the OpenAPI document. It loads nothing from other hosts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from service.contract.responses import PROBLEM_MEDIA_TYPE
from service.explorer.shell.templates import page

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of a table of parameters."""

    name: str
    values: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the page."""

    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    responses: str


def api_page(request: Request, document: Schema) -> HTMLResponse:
    """Return the page. document: OpenAPI."""
    about = document["info"]
    return page(
        request, "api/page.html", title="API", view="Endpoints", styles=("api/page.css",),
        description=about["description"].strip(), endpoints=list(_endpoints(document)), code_spans=code_spans,
    )  # fmt: skip


def code_spans(text: str) -> Markup:
    """Return a text as HTML, with names in backticks as code."""
    parts = (
        Markup("<code>{}</code>" if number % 2 else "{}").format(part) for number, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


def _endpoints(document: Schema) -> Iterator[Endpoint]:
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            if method == "head":
                continue  # every GET has one
            yield Endpoint(
                method.upper(), path, about["summary"], about.get("description", ""),
                tuple(_parameters(about)), _responses(about["responses"]),
            )  # fmt: skip


def _parameters(about: Schema) -> Iterator[Parameter]:
    for parameter in about.get("parameters", ()):
        yield _row(parameter["name"], parameter["schema"], parameter["required"], parameter.get("description", ""))
    for content in about.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        for name, member in schema.get("properties", {}).items():
            yield _row(name, member, name in schema.get("required", ()))


def _row(name: str, schema: Schema, required: bool, meaning: str = "") -> Parameter:
    default = "required" if required else _text(schema.get("default"))
    return Parameter(name, _values(schema), default, meaning or schema.get("description", ""))


def _values(schema: Schema) -> str:
    """Return the values of a schema in words: `integer 0 … 65535`, `string or null`, `compact, sparse or dense`."""
    if "enum" in schema:
        return " or ".join(map(_text, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_values(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    kind = str(schema.get("type", "value"))
    if kind == "array":
        return f"list of {_values(schema.get('items', {}))}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    if low is None:
        return kind
    return f"{kind}, at least {low}" if high is None else f"{kind}, {low} … {high}"


def _text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _responses(responses: Schema) -> str:
    """Return statuses and media types: `200 (application/json); problems: 422, 503`."""
    problems = sorted(status for status, about in responses.items() if PROBLEM_MEDIA_TYPE in about.get("content", {}))
    others = ", ".join(
        f"{status} ({' or '.join(content)})" if (content := about.get("content", {})) else status
        for status, about in responses.items()
        if status not in problems
    )
    return f"{others}; problems: {', '.join(problems)}" if problems else others
