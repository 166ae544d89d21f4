"""Evidence on answers lies on the ground, where workers and router both stand; from here it is read as before."""

from __future__ import annotations

from schemas.evidence import Evidence, Reviewed, agreement, overlap, score

__all__ = ["Evidence", "Reviewed", "agreement", "overlap", "score"]
