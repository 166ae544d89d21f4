"""Models, and answers that are given at once, in OpenAI's shape, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from producer.api.values import ID, JOB_ID, example

_MODEL: dict[str, Any] = {"id": "auto", "object": "model", "created": 0, "owned_by": "classyard"}
_OURS: dict[str, Any] = {"provider": "alpha", "model": "one", "job_id": JOB_ID, "batch_id": ID}


class ModelObject(BaseModel):
    model_config = example(**_MODEL)

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    model_config = example(object="list", data=[_MODEL])

    object: Literal["list"]
    data: list[ModelObject]


class ChatCompletion(BaseModel):
    model_config = example(
        id="chatcmpl-1", object="chat.completion", created=1_795_856_400, model="one-v1",
        choices=[{"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}],
        usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, classyard=_OURS,
    )  # fmt: skip

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    """One; its message's text is the review's JSON."""
    usage: dict[str, int]
    classyard: dict[str, Any]
    """Who answered, at what cost, by which decision."""


class ResponseObject(BaseModel):
    """As OpenAI's Responses API gives it, and what is ours under `classyard`."""

    model_config = {
        "extra": "allow",
        "json_schema_extra": {
            "examples": [
                {
                    "id": "resp_1",
                    "object": "response",
                    "status": "completed",
                    "output": [],
                    "classyard": _OURS,
                }
            ]
        },
    }

    id: str
    object: Literal["response"]
    status: str
    output: list[dict[str, Any]]
    classyard: dict[str, Any]
