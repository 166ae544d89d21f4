"""Checks of what operators write: every catalog, policy and review file, and where each provider's key is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from classyard.commands import catalogs
from classyard.commands.checks import Check, failed, passed, warned
from classyard.commands.terminal import counted
from classyard.context import Context
from governance.policies.source import load_policy
from governance.reviews import find_review, known_reviews
from runtime.catalog import load_catalog
from runtime.credentials import resolve
from schemas.catalog import Catalog, CatalogProvider
from schemas.errors import BadConfiguration, ConfigurationError, MissingKey


def files(context: Context) -> Iterator[Check]:
    yield from _catalogs(catalogs.looking(context))
    yield from _policies(context)
    yield from _reviews(context)


def _catalogs(context: Context) -> Iterator[Check]:
    """Each file by itself, so that one mistake does not hide the next; then all together."""
    environ = {**context.environ, "CLASSYARD_HOME": str(context.home.path)}
    wrong = list(_wrong(context.catalog_files(), lambda path: load_catalog([path], environ)))
    yield from wrong
    if wrong:
        return
    try:
        yield _catalog(context.catalog(), is_demo=context.is_demo)
    except BadConfiguration as error:
        yield failed(str(error))


def _catalog(found: Catalog, *, is_demo: bool) -> Check:
    models = [model for provider in found.providers for model in provider.models]
    unpriced = [model.name for model in models if model.price is None]
    told = f"The catalog loads: {counted(len(found.providers), 'provider')}, {counted(len(models), 'model')}"
    if unpriced:
        return warned(f"{told}; without a price, and so refused: {', '.join(unpriced)}.")
    if is_demo:
        return warned(f"{told}. It is the demo's, for want of one of your own; some providers are simulated.")
    if found.simulated:
        return warned(f"{told}; some providers in it are simulated.")
    return passed(f"{told}.")


def _policies(context: Context) -> Iterator[Check]:
    folder = context.home.config / "policies"
    wrong = list(_wrong(sorted(folder.glob("*.yaml")), load_policy))
    yield from wrong
    try:
        policy = context.policy()
    except BadConfiguration as error:
        if not wrong:
            yield failed(str(error))
        return
    yield passed(f"The policy loads: {policy.policy}, version {policy.version}.")


def _reviews(context: Context) -> Iterator[Check]:
    known = known_reviews(context.review_folders())
    wrong = list(_wrong(sorted(known.values()), lambda path: find_review(path.stem, [path.parent])))
    yield from wrong
    if not known:
        yield failed("There is no review at all; `classyard submit` needs one.")
    elif not wrong:
        yield passed(f"The reviews load: {', '.join(known)}.")


def _wrong(paths: tuple[Path, ...] | list[Path], load: Callable[[Path], object]) -> Iterator[Check]:
    for path in paths:
        try:
            load(path)
        except ConfigurationError as error:
            yield failed(str(error))


def keys(context: Context, *, is_up: bool) -> Iterator[Check]:
    """Whether a key is found from here; a key that is not may still be in the surroundings of a worker elsewhere."""
    try:
        catalog = catalogs.of_files(context)
    except BadConfiguration:
        return  # said by `files`
    for provider in catalog.providers:
        yield key(provider, context, must_be_found=is_up and not context.settings.is_cluster)


def key(provider: CatalogProvider, context: Context, *, must_be_found: bool) -> Check:
    if provider.key == "none":
        return passed(f"Provider {provider.name!r} takes no key.")
    try:
        found = resolve(provider.key, context.environ, provider=provider.name)
    except MissingKey as error:
        sentence = f"{error} Until it is there, its workers take no jobs."
        return failed(sentence) if must_be_found else warned(sentence)
    if found is not None and found.note:
        return warned(found.note)
    return passed(f"The key of provider {provider.name!r} is found at {provider.key!r}.")
