"""What the OpenAPI document says of bodies that their routes read by themselves: lines, tables, archives, objects."""

from __future__ import annotations

from typing import Any

from producer.api.anthropic_lines import MAX_REQUESTS, MESSAGES, ONLY
from producer.api.errors import NATIVE
from producer.api.files import KEPT_S, LEAST_KEPT_S, PURPOSES
from producer.api.lines import CHAT, RESPONSES
from producer.api.openai_shapes import FILE
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import MAX_CUSTOM_ID_CHARACTERS

Body = dict[str, Any]

_REVIEW, _TEXT = "contract-clauses", "SUPPLY AGREEMENT"
_TEXT_OR_NOTHING: Body = {"type": ["string", "null"], "minLength": 1}


def _one_of(words: type[Sensitivity] | type[Quality] | type[Lane]) -> Body:
    return {"enum": [*(word.value for word in words), None]}


def _content(schema: Body, example: Any) -> Body:
    return {"schema": schema, "example": example}


# -- documents

_LINES: Body = {
    "application/x-ndjson": _content(
        {"type": "string"}, f'{{"custom_id": "contract-1", "text": "{_TEXT}"}}\n'
    ),
}

_REQUIREMENTS: Body = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "sensitivity": _one_of(Sensitivity),
        "residency": {"type": ["string", "array", "null"], "items": {"type": "string"}},
        "deadline": _TEXT_OR_NOTHING,
        "max_cost": {"type": ["string", "number", "null"]},
        "quality": _one_of(Quality),
        "priority": _one_of(Lane),
        "model": {"type": ["string", "null"]},
        "tier": {"type": ["string", "null"]},
    },
}

_DOCUMENT: Body = {
    "type": "object",
    "required": ["custom_id", "text"],
    "properties": {
        "custom_id": {"type": ["string", "integer"], "maxLength": MAX_CUSTOM_ID_CHARACTERS},
        "text": {"type": "string", "minLength": 1},
        "name": {"type": ["string", "null"]},
    },
}

_SUBMISSION: Body = {
    "type": "object",
    "required": ["review"],
    "additionalProperties": False,
    "properties": {
        "review": {"type": "string", "minLength": 1},
        "requirements": _REQUIREMENTS,
        "documents": {
            "type": ["array", "null"],
            "items": _DOCUMENT,
            "description": "One that cannot be taken is rejected by itself; the others go on.",
        },
        "file_id": {**_TEXT_OR_NOTHING, "description": "An uploaded file, in the place of documents."},
        "idempotency_key": {**_TEXT_OR_NOTHING, "maxLength": 255},
        "policy": {**_TEXT_OR_NOTHING, "description": "409 where another one is in force."},
        "webhook": {**_TEXT_OR_NOTHING, "description": "An endpoint that is told of this batch."},
    },
}

_SUBMITTED: Body = {
    "required": True,
    "description": "Lines, a table or an archive, with parameters beside them; or an object that says it all.",
    "content": {
        **_LINES,
        "text/csv": _content({"type": "string"}, f"id,text\ncontract-1,{_TEXT}\n"),
        "application/zip": _content(
            {"type": "string", "contentMediaType": "application/zip"}, "PK, and then the files"
        ),
        "application/json": _content(
            _SUBMISSION,
            {
                "review": _REVIEW,
                "requirements": {"sensitivity": "confidential", "residency": ["eu"], "deadline": "2h"},
                "documents": [{"custom_id": "contract-1", "text": _TEXT}],
                "idempotency_key": "monday",
            },
        ),
    },
}

_QUOTED: Body = {
    "required": True,
    "description": 'A line a document: `{"custom_id", "text"}`.',
    "content": _LINES,
}

# -- OpenAI's shape


def _asked(needs: str, example: Body) -> Body:
    schema = {
        "type": "object",
        "required": ["model", needs],
        "properties": {
            "model": {"type": "string", "minLength": 1, "maxLength": 200},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 16},
        },
    }
    return {"required": True, "content": {"application/json": _content(schema, example)}}


_FORM: Body = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "purpose": {"type": "string", "enum": list(PURPOSES)},
        "expires_after[anchor]": {"type": "string", "const": "created_at"},
        "expires_after[seconds]": {"type": "integer", "minimum": LEAST_KEPT_S, "maximum": KEPT_S},
    },
}

# -- Anthropic's shape

_SAID: Body = {"type": ["string", "array"], "description": "Text, or blocks of the type `text`."}

_PARAMS: Body = {
    "type": "object",
    "required": ["model", "max_tokens", "messages"],
    "additionalProperties": False,
    "properties": {
        "model": {"type": "string", "minLength": 1},
        "max_tokens": {"type": "integer", "minimum": 16},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {"role": {"enum": ["user", "system"]}, "content": _SAID},
            },
        },
        "system": {"type": ["string", "array", "null"]},
        "metadata": {"description": "For your own books."},
        "cache_control": {"description": "Changes nothing here."},
        **{name: {"enum": list(taken)} for name, taken in ONLY.items()},
    },
}

_MESSAGES: Body = {
    "type": "object",
    "required": ["requests"],
    "additionalProperties": False,
    "properties": {
        "requests": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_REQUESTS,
            "items": {
                "type": "object",
                "required": ["custom_id", "params"],
                "additionalProperties": False,
                "properties": {
                    "custom_id": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
                    "params": _PARAMS,
                },
            },
        },
        "classyard": {
            "type": "object",
            "additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}},
            "description": "Requirements of all of them, as in the metadata of OpenAI's batches.",
        },
    },
}

_USER = [{"role": "user", "content": _TEXT}]

BODIES: dict[tuple[str, str], Body] = {
    ("post", NATIVE): _SUBMITTED,
    ("post", f"{NATIVE}/quote"): _QUOTED,
    ("post", CHAT): _asked("messages", {"model": f"review:{_REVIEW}", "messages": _USER}),
    ("post", RESPONSES): _asked("input", {"model": f"review:{_REVIEW}", "input": _TEXT}),
    ("post", "/v1/files"): {
        "required": True,
        "content": {"multipart/form-data": _content(_FORM, {"purpose": PURPOSES[0], "file": "{}\n"})},
    },
    ("post", f"{MESSAGES}/batches"): {
        "required": True,
        "content": {
            "application/json": _content(
                _MESSAGES,
                {
                    "requests": [
                        {
                            "custom_id": "contract-1",
                            "params": {
                                "model": f"review:{_REVIEW}",
                                "max_tokens": 1_024,
                                "messages": _USER,
                            },
                        }
                    ],
                    "classyard": {"sensitivity": "confidential"},
                },
            )
        },
    },
}
"""By method and path."""

EXAMPLES: dict[tuple[str, str], Body] = {
    ("post", "/v1/batches"): {
        "input_file_id": FILE,
        "endpoint": CHAT,
        "completion_window": "24h",
        "metadata": {"classyard_sensitivity": "confidential"},
    },
    ("post", "/v1/webhooks"): {"url": "https://receiver.example/hooks", "events": ["review.finished"]},
    ("patch", "/v1/webhooks/{endpoint_id}"): {"disabled": False},
    ("post", "/v1/webhooks/{endpoint_id}/rotate"): {"overlap_s": 3_600},
}
"""Of bodies whose schema comes from their route."""
