"""`classyard openapi`: the description of the HTTP API, as a running yard answers it at `/v1/openapi.json`."""

from __future__ import annotations

import json

from producer.api.app import routed
from producer.api.openapi import document


def written() -> str:
    """The same bytes for the same version: `docs/openapi.json` is this."""
    return json.dumps(document(routed()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
