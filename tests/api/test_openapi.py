"""The OpenAPI document says everything of every route: parameters with limits, bodies, answers, errors, examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi import APIRouter

from producer.api.anthropic_errors import BELOW, status_of
from producer.api.app import routed
from producer.api.auth import every_route, unguarded
from producer.api.errors import PROBLEMS
from producer.api.openapi import ALWAYS, document

FOUND = document(routed())
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method.upper()} {path}")
    for path, methods in FOUND["paths"].items()
    for method, operation in methods.items()
]
STREAMS = {
    *("application/x-ndjson", "application/x-jsonl", "text/csv"),
    *("text/event-stream", "application/octet-stream"),
}
"""Their examples are pieces of text."""


def resolved(value: Any) -> Any:
    """What a reference names; anything else as it is."""
    while isinstance(value, dict) and "$ref" in value:
        found: Any = FOUND
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


def is_valid(schema: dict[str, Any], instance: Any) -> bool:
    whole = {**schema, "components": FOUND["components"]}
    return jsonschema_rs.Draft202012Validator(whole).is_valid(instance)


def faults(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """What the document does not say of an operation."""
    if not operation.get("summary"):
        yield "It has no summary."
    if not operation["x-scopes"] or not operation["tags"]:
        yield "It names no scope, or no tag."
    yield from (f"The parameter {name} has no limit." for name in _unlimited(operation))
    for status in map(status_of, ALWAYS) if path.startswith(BELOW) else ALWAYS:
        if str(status) not in operation["responses"]:
            yield f"The status {status} is not there."
    for status, answer in operation["responses"].items():
        content = resolved(answer).get("content", {})
        if not content and status != "204":
            yield f"What {status} answers is not said."
        for kind, one in content.items():
            if not _is_telling(kind, one):
                yield f"What {status} answers as {kind} is not said, or has no example."
    if "{" in path and "404" not in operation["responses"]:
        yield "It names something, and never answers 404."
    for kind, one in operation.get("requestBody", {}).get("content", {}).items():
        if "example" not in one and "examples" not in resolved(one.get("schema", {})):
            yield f"The body {kind} has no example."


def _unlimited(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        schema = resolved(parameter["schema"])
        limits = {"string": "maxLength", "integer": "maximum", "array": "maxItems"}
        wanted = limits.get(schema.get("type", ""))
        if wanted is None or not {wanted, "enum", "const", "pattern"} & schema.keys():
            yield parameter["name"]


def _is_telling(kind: str, found: dict[str, Any]) -> bool:
    if kind in STREAMS:
        return "schema" in found and "example" in found
    schema = resolved(found.get("schema", {}))
    return bool(schema.get("properties")) and bool(schema.get("examples"))


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_everything_is_said(path: str, method: str, operation: dict[str, Any]) -> None:
    assert list(faults(path, operation)) == []


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_errors_have_the_form_of_their_api(path: str, method: str, operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        if status.startswith(("4", "5")):
            (kind,) = resolved(answer)["content"]
            assert (kind == "application/problem+json") == path.startswith(PROBLEMS), status


def test_a_route_that_says_nothing_of_its_answer_is_found() -> None:
    app, silent = routed(), APIRouter(tags=["silent"])

    async def tell() -> dict[str, Any]:
        return {}

    silent.add_api_route("/v1/silent", tell, summary="Silent")
    app.include_router(silent)
    operation = document(app)["paths"]["/v1/silent"]["get"]

    assert any("What 200 answers" in fault for fault in faults("/v1/silent", operation))
    assert any("no scope" in fault for fault in faults("/v1/silent", operation))
    assert list(unguarded(app.routes)) == ["/v1/silent"]


def test_examples_keep_their_schemas() -> None:
    tried = 0
    for name, schema in FOUND["components"]["schemas"].items():
        for one in schema.get("examples", ()):
            assert is_valid({"$ref": f"#/components/schemas/{name}"}, one), name
            assert not is_valid({"$ref": f"#/components/schemas/{name}"}, [one]), name
            tried += 1
    assert tried > 20


def test_examples_of_bodies_keep_their_schemas() -> None:
    for path, methods in FOUND["paths"].items():
        for operation in methods.values():
            for kind, one in operation.get("requestBody", {}).get("content", {}).items():
                if "example" in one:
                    assert is_valid(one["schema"], one["example"]), (path, kind)


def test_every_route_is_there_once_with_a_name_of_its_own() -> None:
    routes = {
        (method.lower(), re.sub(r":\w+}", "}", route.path))
        for route in every_route(routed().routes)
        for method in getattr(route, "methods", ())
    }
    said = [(method, path) for path, methods in FOUND["paths"].items() for method in methods]
    names = [
        operation["operationId"] for methods in FOUND["paths"].values() for operation in methods.values()
    ]
    assert set(said) == routes and len(names) == len(set(names))


def test_the_document_is_one_of_openapi_3_1_and_the_same_every_time() -> None:
    assert FOUND["openapi"].startswith("3.1.")
    assert json.dumps(document(routed())) == json.dumps(FOUND)
    assert "HTTPValidationError" not in json.dumps(FOUND) and "Raises" not in json.dumps(FOUND)
