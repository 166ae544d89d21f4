"""From which classes of waiting jobs the router claims: never one that is only blocked, always one that could move."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.classes import formed_by, open_classes
from router_worker.rules import Rules
from runtime.db.stores.waiting import UNSEEN
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot, ProviderStatus
from tests.engine_values import a_load, a_provider, a_snapshot

PROVIDERS = ("alpha", "beta", "gamma")
MOST = 200
RULES = "sha256:now"

Known = dict[str, tuple[str, tuple[str, ...]]]


def snapshot(**loads: tuple[ProviderStatus, int]) -> ProviderSnapshot:
    """By provider: its status, and how many more jobs may be bound to it."""
    told = tuple(a_load(name, status=status, headroom_jobs=room) for name, (status, room) in loads.items())
    return a_snapshot(*(a_provider(name) for name in loads), loads=told)


snapshots = st.fixed_dictionaries(
    {name: st.tuples(st.sampled_from(ProviderStatus), st.integers(0, 5)) for name in PROVIDERS}
).map(lambda loads: snapshot(**loads))
classes: st.SearchStrategy[Known] = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.tuples(
        st.sampled_from([RULES, "sha256:old"]),
        st.lists(st.sampled_from(PROVIDERS), max_size=3, unique=True).map(lambda names: tuple(sorted(names))),
    ),
)


@given(classes, snapshots)
@settings(max_examples=200)
def test_what_nobody_has_looked_at_under_these_rules_is_always_open(
    known: Known, at: ProviderSnapshot
) -> None:
    limits = open_classes(known, RULES, at, most=MOST)

    assert limits[UNSEEN] == MOST
    assert all(limits[name] == MOST for name, (rules, _) in known.items() if rules != RULES)


@given(classes, snapshots)
@settings(max_examples=200)
def test_another_class_is_open_exactly_while_one_of_its_providers_has_room(
    known: Known, at: ProviderSnapshot
) -> None:
    limits = open_classes(known, RULES, at, most=MOST)

    for name, (rules, providers) in known.items():
        loads = [load for load in at.loads if load.provider in providers]
        ready = any(load.status is ProviderStatus.READY and load.headroom_jobs for load in loads)
        if rules == RULES:
            assert (name in limits) == ready


@given(classes, snapshots)
@settings(max_examples=100)
def test_every_limit_asks_for_something(known: Known, at: ProviderSnapshot) -> None:
    assert all(limit > 0 for limit in open_classes(known, RULES, at, most=MOST).values())


def test_a_class_is_asked_for_no_more_than_its_providers_can_take() -> None:
    known: Known = {"ab": (RULES, ("alpha", "beta")), "b": (RULES, ("beta",)), "c": (RULES, ("gamma",))}
    at = snapshot(
        alpha=(ProviderStatus.READY, 3), beta=(ProviderStatus.READY, 4), gamma=(ProviderStatus.DOWN, 9)
    )

    assert open_classes(known, RULES, at, most=MOST) == {UNSEEN: MOST, "ab": 7, "b": 4}


def test_a_full_provider_closes_its_own_class_only() -> None:
    known: Known = {"a": (RULES, ("alpha",)), "b": (RULES, ("beta",))}
    at = snapshot(alpha=(ProviderStatus.READY, 0), beta=(ProviderStatus.READY, 2))

    assert open_classes(known, RULES, at, most=MOST) == {UNSEEN: MOST, "b": 2}


def test_a_key_that_comes_or_goes_forms_classes_anew() -> None:
    """Jobs that wait in a class without a provider are looked at again when its key is found, and the other way."""
    catalog = a_snapshot(a_provider("alpha"), a_provider("beta")).catalog
    rules = Rules(catalog, RoutingPolicy(policy="p", version=1), "sha256:c", "sha256:p")

    with_key = formed_by(rules, snapshot(alpha=(ProviderStatus.READY, 1)))
    without = formed_by(rules, snapshot(alpha=(ProviderStatus.NO_KEY, 0)))
    down = formed_by(rules, snapshot(alpha=(ProviderStatus.DOWN, 0)))

    assert with_key == down != without
