"""The routes of the application, found in it, with the scopes that open each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from unittest.mock import MagicMock

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from producer.api.app import create_app
from producer.api.auth import Needs, every_route
from schemas.scopes import Scope


class Route(NamedTuple):
    method: str
    path: str
    """As the application has it."""
    scopes: frozenset[Scope]
    """With any of these it is open."""

    @property
    def plain(self) -> tuple[str, str]:
        return self.method, re.sub(r"{[^}]*}", "{}", self.path)

    @property
    def names(self) -> list[str]:
        return [name.partition(":")[0] for name in re.findall(r"{([^}]*)}", self.path)]

    def at(self, *ids: str) -> str:
        given = iter(ids)
        return re.sub(r"{[^}]*}", lambda _: next(given), self.path)


def routes_of(app: FastAPI) -> Iterator[Route]:
    for route in every_route(app.routes):
        assert isinstance(route, APIRoute), route
        needs = list(_needs(route.dependant))
        for method in sorted(route.methods):
            yield Route(method, route.path_format, frozenset.intersection(*needs))


def all_routes() -> list[Route]:
    """Of an application that is never served."""
    return sorted(routes_of(create_app(MagicMock(), with_desk=False)), key=lambda one: (one.path, one.method))


def _needs(dependant: Dependant) -> Iterator[frozenset[Scope]]:
    for one in dependant.dependencies:
        if isinstance(one.call, Needs):
            yield one.call.scopes
        yield from _needs(one)
