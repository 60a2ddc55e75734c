"""Metadata of threads that hypothesis generates."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def metadata_values() -> st.SearchStrategy[Any]:
    """Return a strategy for metadata values, few enough that two threads often share one."""
    scalars = st.sampled_from(["red", "ünï", "", "1", 0, 1, -7, True, False, None, 0.5])
    return st.one_of(
        scalars,
        st.lists(scalars, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b"]), scalars, max_size=2),
    )


def metadata() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for metadata with few different keys."""
    return st.dictionaries(st.sampled_from(["k", "l", "ключ"]), metadata_values(), max_size=3)
