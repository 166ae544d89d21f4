"""Whether an answer keeps the JSON schema of its review; a breach is told by place and keyword, not by value."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from schemas.canonical import canonical
from schemas.remembered import remembered


def first_breach(value: dict[str, Any], schema: dict[str, Any]) -> str | None:
    """The first thing in which the answer breaks its contract, as a sentence; None where it keeps it.

    Raises `ValueError` for a schema that is none: that is our mistake and not the model's.
    """
    try:
        error = next(_validator(schema).iter_errors(value), None)
    except ValueError:
        return "The answer is nested more deeply than can be checked."
    return _sentence(error) if error else None


@remembered
def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(canonical(schema).decode(), offline=True)


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    """Names that the schema does not hold come from the model, and stand as `*`."""
    known = set(error.schema_path)
    places = [str(step) if isinstance(step, int) or step in known else "*" for step in error.instance_path]
    return f"The answer breaks its contract at /{'/'.join(places)} ({error.kind.name})."
