"""Tenants, and what is named by its digest: documents, policies, catalogs, reviews and snapshots."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from runtime.db import columns


class TenantRow(SQLModel, table=True):
    __tablename__ = "tenants"

    id: str = Field(sa_column=columns.key())
    created_at: datetime = Field(sa_column=columns.written_at())


class ArtifactRow(SQLModel, table=True):
    """A policy, catalog, review or snapshot, as the canonical bytes that its digest is over."""

    __tablename__ = "artifacts"

    tenant_id: str = Field(sa_column=columns.key())
    digest: str = Field(sa_column=columns.key())
    kind: str = Field(sa_column=columns.words())
    name: str = Field(sa_column=columns.words())
    body: bytes = Field(sa_column=columns.raw())
    created_at: datetime = Field(sa_column=columns.written_at())


class DocumentRow(SQLModel, table=True):
    """The text lies beside the job: it is committed with it, and no second store can lose it."""

    __tablename__ = "documents"

    tenant_id: str = Field(sa_column=columns.key())
    digest: str = Field(sa_column=columns.key())
    size_bytes: int = Field(sa_column=columns.number())
    characters: int = Field(sa_column=columns.number())
    name: str = Field(sa_column=columns.words())
    body: bytes = Field(sa_column=columns.raw())
    created_at: datetime = Field(sa_column=columns.written_at())
