"""What the OpenAPI document says of routes that answer plain objects and bytes: answers, errors, summaries."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from producer.api.answer_shapes import ChatCompletion, ModelList, ModelObject, ResponseObject
from producer.api.anthropic_lines import MESSAGES
from producer.api.anthropic_shapes import RESULT_LINE, MessageBatch, MessageBatchDeleted, MessageBatchList
from producer.api.errors import NATIVE, OPENAPI, WEBHOOKS
from producer.api.lines import CHAT, RESPONSES
from producer.api.openai_shapes import (
    BatchList,
    BatchObject,
    Document,
    FileDeleted,
    FileList,
    FileObject,
    Submitted,
)
from producer.api.webhook_shapes import (
    WebhookDeleted,
    WebhookDeliveryPage,
    WebhookEndpoint,
    WebhookEndpointList,
    WebhookEndpointWithSecret,
    WebhookSent,
    WebhooksRedelivered,
)

DESCRIPTION = (
    "Documents in, reviewed by models that a policy chooses, results and their proof out. Below `/v1/reviews`, "
    "`/v1/policy` and `/v1/webhooks` errors are problems (RFC 9457); below `/v1/messages` objects and errors are "
    "Anthropic's, elsewhere OpenAI's."
)

Route = tuple[str, str]
"""Method and path."""

FILES, BATCHES, MODELS, MESSAGE_BATCHES = "/v1/files", "/v1/batches", "/v1/models", f"{MESSAGES}/batches"
_BATCH, _ENDPOINT = f"{MESSAGE_BATCHES}/{{batch_id}}", f"{WEBHOOKS}/{{endpoint_id}}"

ANSWERS: dict[Route, type[BaseModel]] = {
    ("post", FILES): FileObject,
    ("get", FILES): FileList,
    ("get", f"{FILES}/{{file_id}}"): FileObject,
    ("delete", f"{FILES}/{{file_id}}"): FileDeleted,
    ("post", BATCHES): BatchObject,
    ("get", BATCHES): BatchList,
    ("get", f"{BATCHES}/{{batch_id}}"): BatchObject,
    ("post", f"{BATCHES}/{{batch_id}}/cancel"): BatchObject,
    ("post", NATIVE): Submitted,
    ("get", OPENAPI): Document,
    ("get", MODELS): ModelList,
    ("get", f"{MODELS}/{{model_id}}"): ModelObject,
    ("post", CHAT): ChatCompletion,
    ("post", RESPONSES): ResponseObject,
    ("post", MESSAGE_BATCHES): MessageBatch,
    ("get", MESSAGE_BATCHES): MessageBatchList,
    ("get", _BATCH): MessageBatch,
    ("delete", _BATCH): MessageBatchDeleted,
    ("post", f"{_BATCH}/cancel"): MessageBatch,
    ("post", WEBHOOKS): WebhookEndpointWithSecret,
    ("get", WEBHOOKS): WebhookEndpointList,
    ("get", _ENDPOINT): WebhookEndpoint,
    ("patch", _ENDPOINT): WebhookEndpoint,
    ("delete", _ENDPOINT): WebhookDeleted,
    ("post", f"{_ENDPOINT}/rotate"): WebhookEndpointWithSecret,
    ("post", f"{_ENDPOINT}/test"): WebhookSent,
    ("get", f"{_ENDPOINT}/deliveries"): WebhookDeliveryPage,
    ("post", f"{_ENDPOINT}/redeliver"): WebhooksRedelivered,
    ("post", f"{WEBHOOKS}/deliveries/{{delivery_id}}/redeliver"): WebhookSent,
}

_AT_ONCE = {
    404: "There is no such model, tier or review.",
    409: "It was cancelled.",
    422: "No provider may serve it, or the Idempotency-Key was used before, for something else.",
    499: "The caller has gone; for the record only.",
    502: "It was tried and could not be done.",
}
STATUSES: dict[Route, dict[int, str]] = {
    ("post", CHAT): _AT_ONCE,
    ("post", RESPONSES): _AT_ONCE,
    ("post", f"{BATCHES}/{{batch_id}}/cancel"): {409: "The batch has ended and cannot be cancelled."},
    ("get", f"{NATIVE}/{{batch_id}}/results"): {406: "`Accept` names no format that there is."},
    ("post", NATIVE): {
        404: "There is no such review, file, model or tier.",
        409: "The policy that is named is not the one in force.",
        415: "A body of this type, or packed so, is not taken.",
    },
    ("post", f"{_BATCH}/cancel"): {409: "The batch has ended and cannot be cancelled."},
    ("delete", _BATCH): {409: "The batch has not ended; cancel it first."},
    ("get", f"{_BATCH}/results"): {
        404: "There is no such batch, it has not ended, or its results are no longer kept."
    },
}
"""Errors beside those that every route may answer."""

STREAMS: dict[Route, dict[str, Any]] = {
    ("get", f"{FILES}/{{file_id}}/content"): {
        "application/octet-stream": {"schema": {"type": "string"}, "example": "{}\n"}
    },
    ("get", f"{_BATCH}/results"): {
        "application/x-jsonl": {"schema": {"type": "string"}, "example": RESULT_LINE}
    },
}
"""Answers that are no objects."""

SUMMARIES: dict[Route, str] = {
    ("post", FILES): "Upload a file",
    ("get", FILES): "List files",
    ("get", f"{FILES}/{{file_id}}"): "One file",
    ("get", f"{FILES}/{{file_id}}/content"): "The content of a file",
    ("delete", f"{FILES}/{{file_id}}"): "Delete a file",
    ("post", BATCHES): "Make a batch of a file",
    ("get", BATCHES): "List batches, as OpenAI's clients do",
    ("get", f"{BATCHES}/{{batch_id}}"): "One batch, as OpenAI's clients see it",
    ("post", f"{BATCHES}/{{batch_id}}/cancel"): "Cancel a batch",
    ("post", NATIVE): "Hand in documents",
    ("get", MODELS): "List what may be named as the model",
    ("get", f"{MODELS}/{{model_id}}"): "One model",
    ("post", CHAT): "Review one document, and wait for its answer",
    ("post", RESPONSES): "Review one document, and wait for its answer, as the Responses API has it",
    ("post", MESSAGE_BATCHES): "Hand in a Message Batch",
    ("get", MESSAGE_BATCHES): "List Message Batches",
    ("get", _BATCH): "One Message Batch",
    ("delete", _BATCH): "Delete a Message Batch that has ended",
    ("post", f"{_BATCH}/cancel"): "Cancel a Message Batch",
    ("get", f"{_BATCH}/results"): "The results of a Message Batch, a line a request",
    ("post", WEBHOOKS): "Add an endpoint that is told what happens",
    ("get", WEBHOOKS): "List endpoints",
    ("get", _ENDPOINT): "One endpoint",
    ("patch", _ENDPOINT): "Change an endpoint, disable or enable it",
    ("delete", _ENDPOINT): "Remove an endpoint and its log",
    ("post", f"{_ENDPOINT}/rotate"): "Give an endpoint a new secret",
    ("post", f"{_ENDPOINT}/test"): "Send an endpoint an event to try it",
    ("get", f"{_ENDPOINT}/deliveries"): "The log of an endpoint's deliveries",
    ("post", f"{_ENDPOINT}/redeliver"): "Deliver anew all that was given up",
    ("post", f"{WEBHOOKS}/deliveries/{{delivery_id}}/redeliver"): "Deliver one event anew",
}
