"""The JSON schema of a policy file, for editors: completion, and wrong fields marked while one writes.

    # yaml-language-server: $schema=policy.schema.json

`python -m governance.policies.json_schema` writes it to standard output; it ships as `policy.schema.json` beside the
policies. Made from the values themselves, with their docstrings as descriptions. It cannot know whether a condition
compiles: `classyard policy lint` does.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from typing import Any

from schemas import budget, ladder, policy
from schemas.policy import RoutingPolicy

_MODULES = (policy, ladder, budget)
"""Where the parts of a policy are told."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    schema = RoutingPolicy.model_json_schema(mode="validation")
    schema.pop("description", None)
    told = _told()
    for name, part in {"RoutingPolicy": schema, **schema.get("$defs", {})}.items():
        for field, described in part.get("properties", {}).items():
            if (name, field) in told:
                described["description"] = told[name, field]
    return {"$schema": DIALECT, **schema, "title": "A routing policy of Classyard"}


def policy_schema_text() -> str:
    """As it is shipped, with a final line end."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _told() -> dict[tuple[str, str], str]:
    """The string beneath each field, by class and field."""
    found = {}
    classes = [made for module in _MODULES for made in ast.parse(inspect.getsource(module)).body]
    for made in classes:
        if not isinstance(made, ast.ClassDef):
            continue
        for field, below in zip(made.body, made.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and (text := _text(below))
            ):
                found[made.name, field.target.id] = text
    return found


def _text(node: ast.stmt) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return " ".join(node.value.value.split())
    return ""


if __name__ == "__main__":
    sys.stdout.write(policy_schema_text())
