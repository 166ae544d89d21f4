"""A routing policy from its file."""

from __future__ import annotations

from pathlib import Path

from runtime.yaml_files import read_yaml
from schemas.policy import RoutingPolicy


def load_policy(path: Path) -> RoutingPolicy:
    """Raises `BadConfiguration`, with file and line, for a file that is not there or not a policy."""
    return read_yaml(path).validated(RoutingPolicy)
