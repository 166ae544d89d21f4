"""What importing the client costs, in modules and in time: a program that only calls a yard brings nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import classyard

HEAVY = (
    "pydantic", "sqlalchemy", "sqlmodel", "psycopg", "celery", "kombu", "redis", "fastapi", "starlette", "numpy",
    "aiohttp", "typer", "structlog", "platformdirs", "psutil",
    "runtime", "producer", "router_worker", "provider_workers", "governance", "simulator",
)  # fmt: skip

MOST_S = 0.2
RUNS = 6

_TELL = """
import sys, time
before, began = set(sys.modules), time.process_time()
{statement}
took = time.process_time() - began
import json
print(json.dumps([took, sorted(set(sys.modules) - before)]))
"""


def told(statement: str) -> tuple[float, set[str]]:
    ran = subprocess.run(
        [sys.executable, "-c", _TELL.format(statement=statement)], capture_output=True, text=True, check=True
    )
    took, names = json.loads(ran.stdout)
    return took, set(names)


def test_the_package_alone_costs_nothing() -> None:
    took, names = told("import classyard")

    assert names <= {
        "classyard",
        "__future__",
        "typing",
        "importlib",
        "collections.abc",
        "re",
        *_own_of(names),
    }
    assert not {"httpx", "classyard.client"} & names
    assert took < MOST_S / 4


def _own_of(names: set[str]) -> set[str]:
    """Parts of the standard library."""
    return {name for name in names if name.partition(".")[0] in sys.stdlib_module_names}


@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_a_client_brings_httpx_and_nothing_of_the_yard(name: str) -> None:
    _, names = told(f"from classyard import {name}")
    roots = {one.partition(".")[0] for one in names}

    assert "httpx" in roots
    assert not roots & set(HEAVY)
    assert {one for one in names if one.startswith("schemas")} == {"schemas", "schemas.errors"}


def test_a_client_is_there_in_a_fifth_of_a_second() -> None:
    """The processor's time and the best of some: what else the machine does is not the client's."""
    assert min(told("from classyard import Client")[0] for _ in range(RUNS)) < MOST_S


def test_a_webhook_is_verified_without_a_client() -> None:
    _, names = told("from classyard import verify_webhook")

    assert not {one.partition(".")[0] for one in names} & {"httpx", "orjson", *HEAVY}


def test_every_public_name_is_there_and_no_other() -> None:
    for name in classyard.__all__:
        found: Any = getattr(classyard, name)
        assert found.__module__.startswith("classyard.client.")
        assert name in dir(classyard)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = classyard.nothing
