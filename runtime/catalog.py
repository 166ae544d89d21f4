"""The catalog from its files: several become one, with `${NAME}` in addresses filled in from the environment.

A variable may stand in `base_url`, `key` and `query` only. Its name is upper-case and must not be that of a secret: a
key belongs behind `key: env:NAME`, where only the provider's workers read it, and not into a value that is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from runtime.yaml_files import Place, YamlFile, read_yaml
from schemas.catalog import Catalog
from schemas.errors import BadConfiguration

MAX_FILES = 200

_VARIABLE = re.compile(r"\$\{([^{}]*)(\}?)")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)(?!.*_(FILE|PATH|DIR)$)")
_FIELDS = frozenset({"base_url", "key", "query"})


def load_catalog(paths: Sequence[Path], environ: Mapping[str, str]) -> Catalog:
    """One catalog of all the files; a folder stands for the `*.yaml` files right in it, by name.

    Raises `BadConfiguration`, with file and line, for a file that is wrong, for a variable that is not set and for a
    provider that is named twice, in one file or in two.
    """
    files = [_filled(read_yaml(path), environ) for path in _files(paths)]
    loaded = [(file, file.validated(Catalog)) for file in files]
    _check_names(loaded)
    return Catalog(providers=tuple(each for _, catalog in loaded for each in catalog.providers))


def _files(paths: Sequence[Path]) -> list[Path]:
    files = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not files:
        searched = ", ".join(map(str, paths)) or "no place was named"
        raise BadConfiguration(f"No catalog file was found ({searched}).")
    if len(files) > MAX_FILES:
        raise BadConfiguration(f"{len(files)} catalog files are too many; {MAX_FILES} is the most.")
    return files


def _check_names(loaded: Sequence[tuple[YamlFile, Catalog]]) -> None:
    first: dict[str, str] = {}
    for file, catalog in loaded:
        for index, provider in enumerate(catalog.providers):
            place = ("providers", index, "name")
            if provider.name in first:
                raise file.fault(place, f"{provider.name!r} is named in {first[provider.name]} already")
            first[provider.name] = file.where(place)


def _filled(file: YamlFile, environ: Mapping[str, str]) -> YamlFile:
    def rewrite(place: Place, text: str) -> str:
        if "${" not in text:
            return text
        if not _FIELDS.intersection(place):
            raise file.fault(place, f"a variable may stand in {', '.join(sorted(_FIELDS))} only")
        return _VARIABLE.sub(lambda found: _value(found, place), text)

    def _value(found: re.Match[str], place: Place) -> str:
        name, end = found.groups()
        if not end or not _NAME.fullmatch(name):
            raise file.fault(
                place, f"{found.group()!r} is not a variable; they look like '${{CLASSYARD_HOME}}'"
            )
        if _SECRET.search(name):
            raise file.fault(place, f"{name} sounds like a secret; name it as 'key: env:{name}' instead")
        if not environ.get(name):
            raise file.fault(place, f"the variable {name} is not set in the environment")
        return environ[name]

    return file.rewritten(rewrite)
