"""How many bells should lie on each queue, from the counts of the table."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.keeper import wanted_bells

counts = st.dictionaries(st.sampled_from(["alpha", "beta", "gamma"]), st.integers(0, 2_000))


@given(counts, st.booleans())
@settings(max_examples=100)
def test_a_provider_gets_a_bell_for_each_slot_that_could_work_and_the_router_one(
    ready: dict[str, int], waits: bool
) -> None:
    wants = wanted_bells(ready, waits)

    assert wants.pop("classifier") == (1 if waits else 0)
    assert wants == {f"provider.{name}": count for name, count in ready.items()}


def test_where_nothing_waits_no_bell_is_wanted() -> None:
    assert wanted_bells({"alpha": 0}, False) == {"provider.alpha": 0, "classifier": 0}
