"""Whether a webhook is the yard's: its signature, its age. Standard Webhooks, so other libraries verify it as well.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from classyard.client.problems import Misconfigured, WebhookNotVerified

PREFIX = "whsec_"
TOLERANCE_S = 300
VERSION = "v1"
MOST_SIGNATURES = 32


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    now_s: float | None = None,
    tolerance_s: int = TOLERANCE_S,
) -> Any:
    """What the webhook says, as JSON. `body` is what came, byte for byte; `now_s` is for tests.

    Raises `WebhookNotVerified`, where it is to be answered with 400 and forgotten; `Misconfigured` for a secret that
    cannot be one. A webhook may come twice: `webhook-id` is the same then.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id, sent, signatures = (
        found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (message_id and sent and signatures):
        raise WebhookNotVerified("It has not all of webhook-id, webhook-timestamp and webhook-signature.")
    data = body.encode() if isinstance(body, str) else bytes(body)
    wanted = _signature(_key(secret), message_id, sent, data)
    # The signature first: nothing is said of a time that nobody signed.
    if not _is_among(wanted, signatures):
        raise WebhookNotVerified("None of its signatures is one that this secret makes.")
    _require_fresh(sent, time.time() if now_s is None else now_s, tolerance_s)
    try:
        return json.loads(data)
    except ValueError:
        raise WebhookNotVerified("It is signed, and it is not JSON.") from None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise Misconfigured(f"The secret of a webhook is {PREFIX!r} and base64 behind it.")
    return key


def _signature(key: bytes, message_id: str, sent: str, body: bytes) -> bytes:
    signed = f"{message_id}.{sent}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _is_among(wanted: bytes, signatures: str) -> bool:
    """All are looked at, each in constant time: while a secret is changed there are two."""
    is_there = False
    for one in signatures.split(" ")[:MOST_SIGNATURES]:
        version, _, given = one.partition(",")
        is_there |= hmac.compare_digest(given.encode(), wanted) and version == VERSION
    return is_there


def _require_fresh(sent: str, now_s: float, tolerance_s: int) -> None:
    if not (sent.isascii() and sent.isdigit()) or abs(int(sent) - now_s) > tolerance_s:
        raise WebhookNotVerified(
            f"It is signed, and its time is more than {tolerance_s} s from now; is it an old one, or a clock wrong?"
        )
