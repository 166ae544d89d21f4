"""Endpoints of webhooks and their deliveries, as the OpenAPI document describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from producer.api.values import AT, ID, example

ENDPOINT, EVENT = "wh_0198c0de000070008000000000000001", "evt_0198c0de000070008000000000000001"

_ENDPOINT: dict[str, Any] = {
    "id": ENDPOINT, "name": "receiver.example", "url": "https://receiver.example:443/hooks",
    "events": ["batch.completed", "review.finished"], "created_at": AT, "failures": 0, "failing_since": None,
    "rests_until": None, "tenant_wide": True, "disabled": False, "disabled_at": None, "disabled_reason": None,
    "previous_until": None,
}  # fmt: skip


class WebhookEndpoint(BaseModel):
    model_config = example(**_ENDPOINT)

    id: str
    name: str
    """For people."""
    url: str
    events: list[str]
    created_at: datetime
    failures: int
    """One after another, up to now."""
    failing_since: datetime | None
    rests_until: datetime | None
    """Nothing is sent before; it failed too often."""
    tenant_wide: bool
    """False: it hears only of batches that name it."""
    disabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    previous_until: datetime | None
    """So long the secret before signs as well."""


class WebhookEndpointWithSecret(WebhookEndpoint):
    model_config = example(**_ENDPOINT, secret="whsec_" + "A" * 43 + "=")

    secret: str
    """Shown this once."""


class WebhookEndpointListed(WebhookEndpoint):
    model_config = example(**_ENDPOINT, waiting=0, exhausted=0)

    waiting: int
    """Deliveries that are still tried."""
    exhausted: int
    """Deliveries that were given up."""


class WebhookEndpointList(BaseModel):
    model_config = example(data=[{**_ENDPOINT, "waiting": 0, "exhausted": 0}])

    data: list[WebhookEndpointListed]


class WebhookDeleted(BaseModel):
    model_config = example(id=ENDPOINT, deleted=True)

    id: str
    deleted: Literal[True]


class WebhookSent(BaseModel):
    """A delivery that is on its way."""

    model_config = example(id=17, endpoint_id=ENDPOINT, event_id=EVENT)

    id: int
    endpoint_id: str
    event_id: str


class WebhooksRedelivered(BaseModel):
    model_config = example(redelivered=3)

    redelivered: int


_TRY: dict[str, Any] = {
    "at": AT, "took_ms": 40, "outcome": "delivered", "http_status": 204, "sentence": "",
}  # fmt: skip


class WebhookTry(BaseModel):
    model_config = example(**_TRY)

    at: datetime
    """When it ended."""
    took_ms: int
    outcome: str
    http_status: int | None
    sentence: str


_DELIVERY: dict[str, Any] = {
    "id": 17, "event_id": EVENT, "type": "review.finished", "subject": ID, "created_at": AT, "state": "delivered",
    "attempts": 1, "ended_at": AT, "due_at": None, "reason": None, "tries": [_TRY],
}  # fmt: skip


class WebhookDelivery(BaseModel):
    model_config = example(**_DELIVERY)

    id: int
    event_id: str
    """The same for every endpoint and try."""
    type: str
    subject: str | None
    """The id of what it tells of."""
    created_at: datetime
    state: Literal["waiting", "delivered", "exhausted"]
    attempts: int
    """Since it began; a delivery that is asked for again begins again."""
    ended_at: datetime | None
    due_at: datetime | None
    """Of the next try."""
    reason: str | None
    """Why it is not tried any more."""
    tries: list[WebhookTry]


class WebhookDeliveryPage(BaseModel):
    model_config = example(data=[_DELIVERY], has_more=False)

    data: list[WebhookDelivery]
    has_more: bool
    """The next page begins `before` the last one of this."""
