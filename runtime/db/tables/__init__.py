"""Every table of the yard, one noun a file. Importing this package fills `metadata`."""

from __future__ import annotations

from sqlmodel import SQLModel

from runtime.db.tables.api import ApiBatchRow, ApiFilePieceRow, ApiFileRow, ApiKeyRow
from runtime.db.tables.batches import BatchRow, RejectionRow
from runtime.db.tables.budgets import BudgetRow
from runtime.db.tables.capacity import ProviderRow, RouteClassRow, SlotRow, WorkerRow
from runtime.db.tables.jobs import JobRow
from runtime.db.tables.ladders import LadderLabelRow, RungAnswerRow
from runtime.db.tables.named import ArtifactRow, DocumentRow, TenantRow
from runtime.db.tables.record import AttemptRow, AuditEventRow, DecisionRow, ResultRow
from runtime.db.tables.webhooks import (
    WebhookAttemptRow,
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookEventRow,
)

metadata = SQLModel.metadata

__all__ = [
    "ApiBatchRow",
    "ApiFilePieceRow",
    "ApiFileRow",
    "ApiKeyRow",
    "ArtifactRow",
    "AttemptRow",
    "AuditEventRow",
    "BatchRow",
    "BudgetRow",
    "DecisionRow",
    "DocumentRow",
    "JobRow",
    "LadderLabelRow",
    "ProviderRow",
    "RejectionRow",
    "ResultRow",
    "RouteClassRow",
    "RungAnswerRow",
    "SlotRow",
    "TenantRow",
    "WebhookAttemptRow",
    "WebhookDeliveryRow",
    "WebhookEndpointRow",
    "WebhookEventRow",
    "WorkerRow",
    "metadata",
]
