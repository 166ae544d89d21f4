"""The OpenAPI document of all routes, and `/v1/openapi.json`, which answers it.

Routes say what is theirs: parameters, bodies, answers. What holds for every route is added here: who may call, which
statuses it may answer and in which form, and the limits of an address. So a new route has these without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from producer.api.anthropic_errors import BELOW, status_of
from producer.api.auth import Caller, Needs, every_route
from producer.api.bodies import BODIES, EXAMPLES
from producer.api.described import ANSWERS, DESCRIPTION, STATUSES, STREAMS, SUMMARIES
from producer.api.errors import OPENAPI, PROBLEMS
from producer.api.guard import MAX_ADDRESS_BYTES
from producer.api.openai_shapes import AnthropicError, OpenAIError, Problem
from producer.api.values import Progress
from schemas.scopes import Scope

VERSION = "1.0.0"
"""Of the API."""

ALWAYS = {
    400: "The request is wrong; the sentence says where.",
    401: "The key is missing or not valid.",
    403: "The key has not the scope.",
    413: "The body is too large.",
    414: f"The address has more than {MAX_ADDRESS_BYTES:,} bytes.",
    429: "Too many requests; try again later.",
    500: "A bug of ours; it is in the log.",
    503: "The database does not answer, or a file of the configuration cannot be read; try again later.",
    504: "It was not done in time.",
}
NOT_FOUND = "There is no such thing, or it is somebody else's."
CONFLICT = "The Idempotency-Key was used before, for something else."

MAX_PARAMETER = 1_000
"""Characters of a parameter, where its route does not say; the whole address has a limit in any case."""

REQUIRED = frozenset({"anthropic-version"})
"""Parameters of which their routes say themselves, in better words, that they are missing."""

_RAISES = re.compile(r"\s*Raises [^.]*\.")
"""What docstrings say for those who read the code."""

_KEY = "key"
_REF, _RESPONSES = "#/components/schemas/", "#/components/responses/"
_COMMON = {**ALWAYS, 404: NOT_FOUND, 422: CONFLICT}


class Form(NamedTuple):
    """How errors are said below some paths."""

    paths: tuple[str, ...]
    model: type[BaseModel]
    kind: str


FORMS = (
    Form(PROBLEMS, Problem, "application/problem+json"),
    Form((BELOW,), AnthropicError, "application/json"),
    Form(("/",), OpenAIError, "application/json"),
)
"""The first whose paths fit."""

router = APIRouter(tags=["api"])


@router.get(OPENAPI, summary="This document")
async def openapi(request: Request, caller: Caller = Depends(Needs(*Scope))) -> dict[str, Any]:  # noqa: B008
    app: FastAPI = request.app
    if not hasattr(app.state, "document"):
        app.state.document = document(app)
    found: dict[str, Any] = app.state.document
    return found


def document(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1; the same bytes for the same routes."""
    found: dict[str, Any] = app.openapi()
    found["info"] = {"title": "Classyard", "version": VERSION, "description": DESCRIPTION}
    found["security"] = [{_KEY: []}]
    schemas = {**found.get("components", {}).get("schemas", {}), **_schemas(app)}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    found["components"] = {
        "responses": _common(),
        "schemas": dict(sorted(schemas.items())),
        "securitySchemes": {
            _KEY: {
                "type": "http",
                "scheme": "bearer",
                "description": "A key of this yard: `cy_<id>_<secret>`.",
            }
        },
    }
    needs = {(method, _shown(route.path)): _scopes(route.dependant) for route, method in _operations(app)}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method, path, needs[method, path])
    return found


def _operations(app: FastAPI) -> Iterator[tuple[APIRoute, str]]:
    for route in every_route(app.routes):
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield route, method.lower()


def _shown(path: str) -> str:
    """Without what the router alone reads: `{model_id:path}`."""
    return re.sub(r":\w+}", "}", path)


def _scopes(dependant: Dependant) -> list[str]:
    found = {
        scope.value
        for one in dependant.dependencies
        if isinstance(one.call, Needs)
        for scope in one.call.scopes
    }
    return sorted(found)


def _schemas(app: FastAPI) -> dict[str, Any]:
    """Of all answers and errors: the framework's own leave out the nulls of examples."""
    models: set[type[BaseModel]] = {*(form.model for form in FORMS), *ANSWERS.values(), Progress}
    for route, _ in _operations(app):
        said = [route.response_model, *(one.get("model") for one in route.responses.values())]
        models |= {one for one in said if isinstance(one, type) and issubclass(one, BaseModel)}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, made = models_json_schema(
        [(model, "serialization") for model in ordered], ref_template=f"{_REF}{{model}}"
    )
    found: dict[str, Any] = made["$defs"]
    return found


def _complete(operation: dict[str, Any], method: str, path: str, scopes: list[str]) -> None:
    operation["operationId"] = _operation_id(method, path)
    operation["summary"] = SUMMARIES.get((method, path), operation.get("summary", ""))
    said = f"Scopes: {', '.join(f'`{scope}`' for scope in scopes)}."
    told = _RAISES.sub("", operation.get("description", "")).strip()
    operation["description"] = "\n\n".join(filter(None, (told, said)))
    operation["x-scopes"] = scopes
    operation.setdefault("tags", [path.split("/")[2].partition(".")[0]])
    if (body := BODIES.get((method, path))) is not None:
        operation["requestBody"] = body
    if (body_example := EXAMPLES.get((method, path))) is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = body_example
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _bounded(parameter["schema"])
        parameter["required"] = parameter["required"] or parameter["name"] in REQUIRED
    responses = operation["responses"]
    done = next(status for status in responses if status.startswith("2"))
    if (answer := ANSWERS.get((method, path))) is not None:
        responses[done]["content"] = {"application/json": {"schema": {"$ref": f"{_REF}{answer.__name__}"}}}
    if (stream := STREAMS.get((method, path))) is not None:
        responses[done]["content"] = stream
    _add_errors(operation, path, STATUSES.get((method, path), {}))


def _operation_id(method: str, path: str) -> str:
    """`get_reviews_batch_id_results`: stable, whatever the function is called."""
    words = path.removeprefix("/v1/").replace("{", "").replace("}", "").replace(".", "_").replace("-", "_")
    return "_".join((method, *(word for word in words.split("/") if word)))


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """As it can stand in an address or header: there is no null, and no text is longer than all of it may be."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == 1:
        schema = {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}
    for one in (schema, *([schema["items"]] if "items" in schema else ())):
        if one.get("type") == "string" and not {"enum", "const", "pattern"} & one.keys():
            one.setdefault("maxLength", MAX_PARAMETER)
    return schema


def _add_errors(operation: dict[str, Any], path: str, more: Mapping[int, str]) -> None:
    responses, parameters = operation["responses"], operation.get("parameters", ())
    responses.pop("422", None)  # the framework's own, which is not what is answered here
    wanted: dict[int, str] = dict(ALWAYS)
    wanted |= {int(one): HTTPStatus(int(one)).phrase for one in responses if one.startswith(("4", "5"))}
    if any(one["in"] == "path" or one["name"] == "review" for one in parameters):
        wanted[404] = NOT_FOUND
    if any(one["name"].lower() == "idempotency-key" for one in parameters):
        wanted[422] = CONFLICT
    wanted |= more
    if path.startswith(BELOW):
        wanted = {status_of(status): sentence for status, sentence in wanted.items()}
    for status, sentence in wanted.items():
        responses[str(status)] = error_answer(path, status, sentence)
    operation["responses"] = dict(sorted(responses.items()))


def error_answer(path: str, status: int, sentence: str) -> dict[str, Any]:
    """In the form of the API that the path belongs to; what many routes answer is said once."""
    form = next(form for form in FORMS if path.startswith(form.paths))
    if _COMMON.get(status) == sentence:
        return {"$ref": f"{_RESPONSES}{form.model.__name__}{status}"}
    return _answer(form, status, sentence)


def _answer(form: Form, status: int, sentence: str) -> dict[str, Any]:
    schema = {"$ref": f"{_REF}{form.model.__name__}"}
    answer: dict[str, Any] = {"description": sentence, "content": {form.kind: {"schema": schema}}}
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": {"schema": {"type": "string", "const": "Bearer"}}}
    return answer


def _common() -> dict[str, Any]:
    return {
        f"{form.model.__name__}{status}": _answer(form, status, sentence)
        for form in FORMS
        for status, sentence in _COMMON.items()
    }
