"""YAML files to validated values, with errors that say file, line and field. For what operators write by hand.

Plain YAML only: strings, numbers, dates, lists and mappings. Refused, each with its line: a key given twice, a tag, a
merge key, `.nan` and `.inf`, more than one document, and files that are large, deep, or made large by aliases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import SafeConstructor

from schemas.errors import BadConfiguration

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000
"""Counted with aliases written out: a few lines of aliases of aliases would else become gigabytes."""

MOST_ERRORS = 5
"""So many errors of one file are told at once."""

Place = tuple[str | int, ...]
"""Keys and indexes that lead to a value."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The parsed content of one file, with the line of everything in it."""

    path: Path
    data: Any
    lines: dict[Place, int] = field(repr=False)

    def where(self, place: Place = ()) -> str:
        """`file, line N`: the line of the value, or of the nearest thing around it that stands in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}, line {self.lines.get(place, 1)}"

    def fault(self, place: Place, sentence: str) -> BadConfiguration:
        """The error to raise about the value at `place`."""
        named = _dotted(place)
        return BadConfiguration(f"{named}: {sentence}" if named else sentence, where=self.where(place))

    def rewritten(self, rewrite: Callable[[Place, str], str]) -> YamlFile:
        """The same file with every text in it replaced by what `rewrite` gives for it."""
        return replace(self, data=_rewritten(self.data, (), rewrite))

    def validated(self, model: type[M]) -> M:
        """Raises `BadConfiguration` with the first errors, in the order of the file."""
        if not isinstance(self.data, dict):
            raise self.fault((), f"the file must hold fields, 'name: value'; it holds {_kind(self.data)}")
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            raise self._faults(error) from None

    def _faults(self, error: ValidationError) -> BadConfiguration:
        errors = _causes(error)
        found = [self.fault(_place(each["loc"]), _sentence(each)) for each in errors]
        found.sort(key=lambda fault: int(fault.where.rpartition(" ")[2]))
        more = f"\nand {len(found) - MOST_ERRORS} more" if len(found) > MOST_ERRORS else ""
        first, *others = (str(fault) for fault in found[:MOST_ERRORS])
        where = found[0].where
        return BadConfiguration("\n".join((first.removeprefix(f"{where}: "), *others)) + more, where=where)


def read_yaml(path: Path) -> YamlFile:
    """Raises `BadConfiguration` for a file that is not there, cannot be read, or is not plain YAML."""
    return parsed_yaml(_bytes(path), path)


def parsed_yaml(raw: bytes, path: Path) -> YamlFile:
    """The same of what is in memory already; `path` is what errors call it."""
    text = _text(raw, path)
    try:
        _check_shape(path, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _not_yaml(path, error) from None
    if node is None:
        raise BadConfiguration("the file is empty", where=f"{path}, line 1")
    reader = _Reader(path)
    data = reader.value(node, ())
    return YamlFile(path, data, reader.lines)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadConfiguration(f"cannot be read: {error.strerror}", where=str(path)) from error


def _text(raw: bytes, path: Path) -> str:
    if len(raw) > MAX_BYTES:
        raise BadConfiguration(f"is larger than {MAX_BYTES:,} bytes", where=str(path))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadConfiguration("is not UTF-8 text", where=f"{path}, line {line}") from None


def _check_shape(path: Path, text: str) -> None:
    """Depth and number of documents, from the flat run of events: reading deep nesting as a tree would overflow."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise BadConfiguration("is nested too deep", where=_at(path, event.start_mark))
        if documents > 1:
            raise BadConfiguration("holds a second document", where=_at(path, event.start_mark))


def _not_yaml(path: Path, error: yaml.YAMLError) -> BadConfiguration:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it holds a character that YAML does not allow"
    return BadConfiguration(f"is not YAML: {problem}", where=_at(path, mark) if mark else str(path))


def _at(path: Path, mark: Any) -> str:
    return f"{path}, line {mark.line + 1}"


@dataclass
class _Reader:
    """From YAML nodes to plain values, noting lines on the way."""

    path: Path
    lines: dict[Place, int] = field(default_factory=dict)
    nodes: int = 0
    scalars: SafeConstructor = field(default_factory=SafeConstructor)

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(place) > MAX_DEPTH:
            raise BadConfiguration("its aliases make it too large", where=_at(self.path, node.start_mark))
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = _at(self.path, key_node.start_mark)
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise BadConfiguration("a field's name must be text; put it in quotes", where=where)
            if key in found:
                raise BadConfiguration(f"{_dotted((*place, key))}: is given twice", where=where)
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*place, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        where = _at(self.path, node.start_mark)
        if node.tag == "tag:yaml.org,2002:merge":
            raise BadConfiguration("'<<' is not used here; write the fields out", where=where)
        try:
            value = self.scalars.construct_object(node)
        except yaml.YAMLError:
            raise BadConfiguration(f"the tag {node.tag!r} is not plain YAML", where=where) from None
        except (ValueError, OverflowError):
            raise BadConfiguration(f"{node.value!r} is no date or number", where=where) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise BadConfiguration(f"{node.value!r} is not a number to reckon with", where=where)
        return value


def _rewritten(value: Any, place: Place, rewrite: Callable[[Place, str], str]) -> Any:
    if isinstance(value, str):
        return rewrite(place, value)
    if isinstance(value, list):
        return [_rewritten(item, (*place, index), rewrite) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _rewritten(item, (*place, key), rewrite) for key, item in value.items()}
    return value


def _causes(error: ValidationError) -> list[Any]:
    """Without the complaint that a list is too short when it is so because an entry of it is wrong."""
    errors: list[Any] = error.errors(include_url=False)
    places = [each["loc"] for each in errors]
    return [
        each
        for each in errors
        if each["type"] != "too_short"
        or not any(
            len(place) > len(each["loc"]) and place[: len(each["loc"])] == each["loc"] for place in places
        )
    ]


def _place(loc: tuple[str | int, ...]) -> Place:
    """Without the marker that pydantic adds for a wrong key of a mapping."""
    return tuple(part for part in loc if part != "[key]")


def _dotted(place: Place) -> str:
    return "".join(_parts(place)).lstrip(".")


def _parts(place: Place) -> Iterator[str]:
    return (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)


_UNSHOWN = frozenset({"key", "query"})
"""Fields where a key could stand by mistake: their values are never repeated in an error."""


def _sentence(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a field here"
    if isinstance(value, bool) and kind == "string_type":
        return f"YAML reads this as {value}; put it in quotes"
    shown = isinstance(value, (str, int, float)) and not _UNSHOWN.intersection(map(str, error["loc"]))
    if kind == "value_error" or not shown or len(str(value)) > 60:
        return message
    return f"{message}, not {value!r}"


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "nothing but a value"
