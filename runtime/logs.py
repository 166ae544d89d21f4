"""Logs are events with fields, one JSON object a line: ids, names, numbers; never a document's text or a key."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

FORBIDDEN_FIELDS = frozenset(
    {"text", "body", "document", "prompt", "answer", "output", "quote", "key", "secret"}
)
"""Field names that would carry content. They are dropped, and the drop is visible."""


def configure(level: str = "INFO", *, stream: TextIO | None = None) -> None:
    """Sets up structlog and the standard library's logging for a role process. Called once, at the roof."""
    target = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_content,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(_JsonLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _JsonLine(logging.Formatter):
    """What other libraries log, in the same form."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def _without_content(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in FORBIDDEN_FIELDS & event.keys():
        event[name] = "[left out]"
    return event


_Silent: Any = structlog.make_filtering_bound_logger(logging.CRITICAL)
_SILENT = _Silent(None, (), {})


def logger(**fields: Any) -> Any:
    """A silent one where nobody called `configure`: a command says in sentences what there is to say."""
    return structlog.get_logger(**fields) if structlog.is_configured() else _SILENT
