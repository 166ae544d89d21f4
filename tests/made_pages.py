"""Pages of `docs/` that are made from the code, so that they cannot say something else.

Written anew by `python -m tests.check_tree --write`, and compared by `make check`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from classyard.commands.openapi import written
from runtime.metrics import Metrics
from runtime.settings import Settings
from schemas.lifecycle import drawing
from schemas.scopes import Scope
from tests.routes import all_routes

SETTINGS_PAGE = "docs/settings.md"
API_PAGE = "docs/api.md"
METRICS_PAGE = "docs/metrics.md"
ARCHITECTURE_PAGE = "docs/architecture.md"
OPENAPI_PAGE = "docs/openapi.json"

_SETTINGS_HEAD = """# Settings

*Made from `runtime/settings.py` by `python -m tests.check_tree --write`; change it there.*

Every setting is a variable of the environment. What the environment does not say is looked for in `/run/secrets`, one
file a setting, named like the variable in lower case: that is how containers get `classyard_database_url` and
`classyard_redis_url`. A running role keeps what it read at its start.

| variable | default | meaning |
|---|---|---|
"""


def made(root: Path) -> dict[str, str]:
    """What each made page should be, by its path; a page with marks keeps what stands around them."""
    pages = {
        SETTINGS_PAGE: _SETTINGS_HEAD + "".join(setting_rows((root / "runtime" / "settings.py").read_text())),
    }
    for path, mark, inside in (
        (METRICS_PAGE, "metrics", _METRICS_HEAD + "".join(metric_rows())),
        (API_PAGE, "scopes", _SCOPES_HEAD + "".join(scope_rows())),
        (ARCHITECTURE_PAGE, "lifecycle", f"```mermaid\n{drawing()}```\n"),
    ):
        text = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
        if f"<!-- {mark}" in text:
            pages[path] = between(text, mark, inside)
    if (root / OPENAPI_PAGE).exists():
        pages[OPENAPI_PAGE] = written()
    return pages


def between(text: str, mark: str, inside: str) -> str:
    """The text with what stands between `<!-- mark… -->` and `<!-- /mark -->` replaced."""
    pattern = re.compile(rf"(<!-- {mark}\b[^>]*-->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    return pattern.sub(lambda found: found.group(1) + inside + found.group(2), text)


def setting_rows(source: str) -> Iterator[str]:
    told = field_docstrings(source)
    for name, field in Settings.model_fields.items():
        variables = [f"CLASSYARD_{name.upper()}"]
        if field.validation_alias is not None:
            variables = [str(choice) for choice in field.validation_alias.choices]  # type: ignore[union-attr]
        shown = " or ".join(f"`{variable}`" for variable in variables)
        default = "" if field.default in (None, "", PydanticUndefined) else f"`{str(field.default).lower()}`"
        if isinstance(field.default, str) and field.default:
            default = f"`{field.default}`"
        yield f"| {shown} | {default} | {told.get(name, '').replace('|', chr(92) + '|')} |\n"


def field_docstrings(source: str) -> dict[str, str]:
    """The string beneath each field of the class `Settings`, on one line."""
    tree = ast.parse(source)
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    told = {}
    for field, below in zip(found.body, found.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                told[field.target.id] = " ".join(text.value.split())
    return told


_METRICS_HEAD = "| name | kind | labels | the question that it answers |\n|---|---|---|---|\n"


def metric_rows() -> Iterator[str]:
    metrics = Metrics()
    declared = sorted(vars(metrics).values(), key=lambda metric: str(getattr(metric, "_name", "")))
    for metric in declared:
        if not hasattr(metric, "_labelnames"):
            continue  # the registry
        (family,) = metric.describe()
        shown = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        yield f"| `{shown}` | {family.type} | {labels} | {family.documentation} |\n"


_SCOPES_HEAD = "| route | scopes |\n|---|---|\n"


def scope_rows() -> Iterator[str]:
    for route in all_routes():
        scopes = [scope.value for scope in Scope if scope in route.scopes]
        opens = "every key" if len(scopes) == len(Scope) else ", ".join(scopes)
        yield f"| `{route.method} {route.path}` | {opens} |\n"
