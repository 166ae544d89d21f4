"""Logs are events with fields, and content never gets into one."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from runtime import logs
from runtime.logs import FORBIDDEN_FIELDS, logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The stream of a configured process; afterwards all is as it was."""
    root, target = logging.getLogger(), io.StringIO()
    handlers = list(root.handlers)
    root.handlers.clear()
    logs.configure("INFO", stream=target)
    yield target
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_fields_level_and_time(stream: io.StringIO) -> None:
    logger().info("job.routed", job="j-1", model="one", ms=12)

    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job.routed", "level": "info", "job": "j-1", "model": "one", "ms": 12}


@pytest.mark.parametrize("name", sorted(FORBIDDEN_FIELDS))
def test_a_field_that_would_carry_content_is_left_out_visibly(stream: io.StringIO, name: str) -> None:
    logger().warning("oops", **{name: "the secret text"})

    assert "the secret text" not in stream.getvalue()
    assert lines(stream)[0][name] == "[left out]"


def test_bound_and_contextual_fields_are_left_out_as_well(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(prompt="the secret text"):
        logger(document="the secret text").bind(answer="the secret text").info("oops")

    assert "the secret text" not in stream.getvalue()


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    logger().debug("too.fine")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("said", ['a "quoted" word', "two\nlines", "a \\ stroke"])
def test_lines_of_other_libraries_are_json_as_well(stream: io.StringIO, said: str) -> None:
    logging.getLogger("other").warning(said)

    (line,) = lines(stream)
    assert line["event"] == said
    assert line["logger"] == "other"
