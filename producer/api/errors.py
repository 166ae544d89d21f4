"""What goes wrong, as OpenAI's clients read it: `{"error": {"message", "type", "param", "code"}}`, always all four.
Other paths have forms of their own.

Clients choose their exception by the HTTP status alone. A message never repeats a body: only names, places, numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from producer.api import anthropic_errors
from producer.sources.places import printable
from runtime.logs import logger
from schemas.errors import (
    BadInput,
    CallerMistake,
    ConfigurationError,
    KeyConflict,
    SurroundingsFault,
    UnknownName,
)

NATIVE = "/v1/reviews"
POLICY = "/v1/policy"
OPENAPI = "/v1/openapi.json"
WEBHOOKS = "/v1/webhooks"
PROBLEMS = (NATIVE, WEBHOOKS, POLICY, OPENAPI)
"""Below these errors are problems (RFC 9457); everywhere else they are as OpenAI's."""

_FIELD = re.compile(r"((metadata|body)\.)?[a-z_]{1,60}", re.ASCII)
"""The name of a parameter or a field, as places in files are not written."""

REQUEST_ID = "classyard.request_id"
"""In the scope of a request: what its answer names it by."""

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class ApiError(Exception):
    """Raised by a route; becomes an answer of this status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    def answer(self, scope: Scope) -> JSONResponse:
        """In the form of the API that the path belongs to."""
        path: str = scope["path"]
        headers = {**self.headers, **({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})}
        if path.startswith(PROBLEMS):
            return JSONResponse(self._problem(), self.status, headers, media_type="application/problem+json")
        if path.startswith(anthropic_errors.BELOW):
            status = anthropic_errors.status_of(self.status)
            said = anthropic_errors.error_of(
                status, self.message, code=self.code, param=self.param, request_id=scope.get(REQUEST_ID)
            )
            return JSONResponse(said, status, headers)
        return JSONResponse(
            envelope(self.status, self.message, code=self.code, param=self.param), self.status, headers
        )

    def _problem(self) -> dict[str, Any]:
        """RFC 9457."""
        title = HTTPStatus(self.status).phrase
        more = {name: value for name, value in (("code", self.code), ("param", self.param)) if value}
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.message, **more}


def envelope(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    kind = TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def not_found(what: str, given: str) -> ApiError:
    return ApiError(404, f"No such {what}: {given[:80]!r}.", code="not_found", param="id")


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(CallerMistake, _mistake)
    app.add_exception_handler(SurroundingsFault, _fault)
    app.add_exception_handler(ConfigurationError, _misconfigured)
    for unkept in (DataError, UnicodeEncodeError):
        app.add_exception_handler(unkept, _unkept)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error.answer(request.scope)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentence = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    return ApiError(error.status_code, sentence.get(error.status_code, str(error.detail))).answer(
        request.scope
    )


async def _wrong_request(request: Request, error: Exception) -> JSONResponse:
    """The first field that is wrong. The input itself is left out."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = printable(".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")))[
        :80
    ]
    missing = first["type"] == "missing"
    sentence = first["msg"].removeprefix("Value error, ")
    message = f"Missing required parameter: '{where}'." if missing else f"{where or 'The body'}: {sentence}."
    code = "missing_required_parameter" if missing else "invalid_value"
    return ApiError(400, message, code=code, param=where or None).answer(request.scope)


async def _mistake(request: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, UnknownName) else 422 if isinstance(error, KeyConflict) else 400
    code = param = None
    if isinstance(error, BadInput):
        code, param = error.code, error.where if _FIELD.fullmatch(error.where) else None
    return ApiError(status, str(error), code=code, param=param).answer(request.scope)


async def _fault(request: Request, error: Exception) -> JSONResponse:
    logger().warning("api.not_served", error=type(error).__name__)
    return ApiError(503, f"{error} Try again later.", code="service_unavailable").answer(request.scope)


async def _misconfigured(request: Request, error: Exception) -> JSONResponse:
    """A file of this yard cannot be read: whoever asks can do nothing about it, and is told no path."""
    logger().error("api.misconfigured", error=type(error).__name__, detail=str(error)[:300])
    sentence = "A file of the yard's configuration cannot be read; its operator finds which one in the log."
    return ApiError(503, sentence, code="misconfigured").answer(request.scope)


async def _unkept(request: Request, error: Exception) -> JSONResponse:
    """What no route has seen, and the database cannot hold: U+0000, half a character, a number beyond all bounds."""
    logger().warning("api.unkept", error=type(error).__name__, path=printable(request.scope["path"])[:200])
    sentence = "The request holds a character or a number that cannot be kept."
    return ApiError(400, sentence, code="invalid_value").answer(request.scope)
