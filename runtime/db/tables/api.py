"""What the HTTP API keeps beside the yard's own: keys, files in pieces, and batches as OpenAI's clients know them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from runtime.db import columns


class ApiKeyRow(SQLModel, table=True):
    """A key, without its secret: only what the secret and the pepper make together."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("api_keys_by_tenant", "tenant_id"),)

    id: str = Field(sa_column=columns.key())
    """Random, and part of the key; it is looked up by this."""
    tenant_id: str = Field(sa_column=columns.words())
    name: str = Field(sa_column=columns.words())
    """For people."""
    secret_hmac: bytes = Field(sa_column=columns.raw())
    """HMAC-SHA256 with the yard's pepper, over the secret."""
    scopes: list[str] = Field(sa_column=columns.word_list())
    created_at: datetime = Field(sa_column=columns.written_at())
    expires_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    revoked_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    last_used_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """To about a minute."""
    requests_per_minute: int | None = Field(sa_column=columns.number(nullable=True))
    """None: as the settings say; 0: no limit."""
    busy_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """How far its requests reach ahead of now: its bucket is full where this is past."""


class ApiFileRow(SQLModel, table=True):
    __tablename__ = "api_files"
    __table_args__ = (Index("api_files_by_tenant", "tenant_id", "id"),)

    id: str = Field(sa_column=columns.key())
    """`file-` and an id in the order of making."""
    tenant_id: str = Field(sa_column=columns.words())
    filename: str = Field(sa_column=columns.words())
    purpose: str = Field(sa_column=columns.words())
    size_bytes: int = Field(sa_column=columns.big_number(server_default=text("0")))
    is_whole: bool = Field(sa_column=columns.yes_no(server_default=text("false")))
    """False while it is being uploaded: nobody sees it."""
    created_at: datetime = Field(sa_column=columns.written_at())
    expires_at: datetime | None = Field(sa_column=columns.instant(nullable=True))


class ApiFilePieceRow(SQLModel, table=True):
    """About a megabyte of a file, so that neither side ever holds the whole."""

    __tablename__ = "api_file_pieces"

    file_id: str = Field(
        sa_column=Column(Text, ForeignKey("api_files.id", ondelete="CASCADE"), primary_key=True)
    )
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    body: bytes = Field(sa_column=columns.raw())


class ApiBatchRow(SQLModel, table=True):
    """A batch of OpenAI's or Anthropic's shape. Its work is a batch of the yard, from `in_progress_at` on; times make
    its status."""

    __tablename__ = "api_batches"
    __table_args__ = (
        Index("api_batches_by_tenant", "tenant_id", "id"),
        Index("api_batches_by_key", "tenant_id", "idempotency_key", unique=True),
        Index("api_batches_open", "tenant_id", "id", postgresql_where=text("ended_at is null")),
    )

    id: str = Field(sa_column=columns.key())
    """`batch_` or `msgbatch_`, and an id in the order of making."""
    tenant_id: str = Field(sa_column=columns.words())
    key_id: str = Field(sa_column=columns.words())
    """Who made it."""
    endpoint: str = Field(sa_column=columns.words())
    input_file_id: str = Field(sa_column=columns.words())
    completion_window: str = Field(sa_column=columns.words())
    """As it was sent, and so it is shown."""
    call_metadata: dict[str, Any] | None = Field(sa_column=columns.json(nullable=True))
    output_expires_s: int | None = Field(sa_column=columns.number(nullable=True))
    idempotency_key: str | None = Field(sa_column=columns.words(nullable=True))
    request_digest: str = Field(sa_column=columns.words())
    batch_id: str | None = Field(sa_column=columns.uuid(nullable=True))
    """The yard's; None until the lines were read."""
    model: str | None = Field(sa_column=columns.words(nullable=True))
    """As the lines name it."""
    errors: list[Any] = Field(sa_column=columns.json(server_default=text("'[]'::jsonb")))
    output_file_id: str | None = Field(sa_column=columns.words(nullable=True))
    error_file_id: str | None = Field(sa_column=columns.words(nullable=True))
    created_at: datetime = Field(sa_column=columns.written_at())
    expires_at: datetime = Field(sa_column=columns.instant())
    in_progress_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    cancelling_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    finalizing_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    ended_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    end: str | None = Field(sa_column=columns.words(nullable=True))
    """`completed`, `failed`, `expired` or `cancelled`; with `ended_at`, once, and never changed."""
    claimed_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """An API process works on it; another one may after this."""
    shape: str = Field(sa_column=columns.words(server_default=text("'openai'")))
    """`openai` or `anthropic`: whose clients know it."""
    requests: int | None = Field(sa_column=columns.number(nullable=True))
    """Where they were counted when it was made."""
    tally: dict[str, Any] | None = Field(sa_column=columns.json(nullable=True))
    """Requests by what became of them, in the shape's words; with its end."""
