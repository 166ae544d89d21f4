"""What an API key may do. A key has one or more of these, for one tenant."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    SUBMITTER = "submitter"
    """Hands in documents, cancels what it handed in, reads results."""
    REVIEWER = "reviewer"
    """Reads documents and results."""
    POLICY_AUTHOR = "policy_author"
    POLICY_APPROVER = "policy_approver"
    """Never the author of what is approved."""
    OPERATOR = "operator"
    """Sees the yard and its batches; no document and no result."""
    AUDITOR = "auditor"
    """Reads everything, changes nothing."""
    KEY_ADMIN = "key_admin"
