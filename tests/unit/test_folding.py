"""Adding up in place gives what the pure rules give."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from identity.attributes import Operation, fold
from identity.folding import Folding
from keystone.clock import from_ms

SCALARS = (
    st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, -0.0, 0.5, 1e300, 2**63, "", "1", "é"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
PATCHES = st.lists(st.dictionaries(st.sampled_from("kl"), VALUES, max_size=2), max_size=12)


@given(PATCHES)
def test_in_place_is_as_good_as_one_by_one(patches):
    folding = Folding()
    for patch in patches:
        for key, value in patch.items():
            folding.add(key, value)
    operations = [
        Operation(
            actor_key=UUID(int=1),
            event_id=UUID(int=n),
            occurred_at=from_ms(0) + timedelta(seconds=n),
            client_ms=0,
            strength=1,
            patch=patch,
        )
        for n, patch in enumerate(patches)
    ]
    assert repr(folding.attributes) == repr(fold(operations).attributes)


def test_a_list_of_many_is_not_searched_for_each():
    folding = Folding()
    for n in range(100_000):  # a second at most; copied and searched each time, minutes
        folding.add("key", {"deep": n if n else [0]})
    assert folding.attributes == {"key": {"deep": list(range(100_000))}}
