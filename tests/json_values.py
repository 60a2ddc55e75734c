"""Strategies for any small JSON value, in which the id of a thread may stand anywhere."""

from __future__ import annotations

from hypothesis import strategies as st

ID = "8c0ffee0-0000-4000-8000-00000000000a"
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.sampled_from(["", "a", "1", ID, ID.upper()]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "a key", ID]), inner, max_size=3),
    ),
    max_leaves=8,
)
