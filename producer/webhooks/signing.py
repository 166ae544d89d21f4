"""Signatures as Standard Webhooks has them: HMAC-SHA256 over `{id}.{timestamp}.{payload}`, in base64, behind `v1,`.

A secret is made from the yard's pepper and the endpoint's salt and is stored nowhere: a copy of the database signs
nothing. Source: the specification of Standard Webhooks 1.0, and `openai.webhooks` of the openai package 2.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
SALT_BYTES = 24

_PURPOSE = b"webhook secret\0"
"""Keeps these apart from everything else that is made with the pepper."""


def secret_of(pepper: str, endpoint_id: str, salt: bytes) -> bytes:
    """32 bytes; the same for the same three."""
    return hmac.new(pepper.encode(), _PURPOSE + endpoint_id.encode() + b"\0" + salt, hashlib.sha256).digest()


def secret_text(secret: bytes) -> str:
    """As receivers keep it."""
    return PREFIX + b64encode(secret).decode()


def signature(secret: bytes, event_id: str, timestamp: int, payload: bytes) -> str:
    signed = f"{event_id}.{timestamp}.".encode() + payload
    return "v1," + b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def headers(secrets: Sequence[bytes], event_id: str, timestamp: int, payload: bytes) -> dict[str, str]:
    """Signed with each secret, the newest first: a receiver takes any that it knows. `timestamp`: seconds since 1970,
    of the attempt and not of the event, since receivers refuse what is older than some minutes."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(one, event_id, timestamp, payload) for one in secrets),
    }
