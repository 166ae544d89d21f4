"""A mistake that is raised below the routes is answered with its field, where it names one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from producer.api.errors import add_handlers
from schemas.errors import BadInput


def answered(path: str, error: BadInput) -> Any:
    app = FastAPI()
    add_handlers(app)

    @app.get(path)
    async def fail() -> None:
        raise error

    answer = TestClient(app).get(path)
    assert answer.status_code == 400
    return json.loads(answer.content)


@pytest.mark.parametrize(
    ("where", "param"),
    [
        ("webhook", "webhook"),
        ("overlap_s", "overlap_s"),
        ("metadata.classyard_deadline", "metadata.classyard_deadline"),
        ("", None),
        ("jobs.jsonl", None),
        ("jobs.jsonl, line 7", None),
        ("/srv/contracts/a.txt", None),
        ("the review", None),
        ("A" * 30, None),
        ("a" * 3_000, None),
        ("webhook\n", None),
    ],
)
def test_the_field_of_a_mistake_is_its_param_and_a_place_in_a_file_is_not(
    where: str, param: str | None
) -> None:
    error = BadInput("It is wrong.", where=where, code="invalid_value")
    problem = answered("/v1/reviews", error)

    assert (problem.get("param"), problem["code"]) == (param, "invalid_value")
    assert answered("/v1/files", error)["error"]["param"] == param
