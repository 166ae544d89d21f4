"""A document as the yard knows it: named by the digest of its text, owned by a tenant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    tenant_id: str
    digest: str
    """Over the UTF-8 bytes of the text."""
    size_bytes: int
    characters: int
    name: str
