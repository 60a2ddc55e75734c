"""Many states in one thread, and many threads: made only with the option --scale."""

from collections import Counter
from functools import partial
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import assert_equal, assert_identical_history, assert_that
from conformance.checks.history_pages import HistoryPages
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.scale import Growth, LongThread, ManyThreads, page_limit, sizes
from conformance.checks.views import State, Thread
from conformance.json_differences import same_json

_ORDER = {"sort_by": "thread_id", "sort_order": "asc"}


@requires("SCALE-01")
def test_a_long_history_is_whole(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, scale: int
) -> None:
    made, growth = LongThread(given), Growth("reading", "state")
    for size in sizes(scale):
        thread = made.grow(size)
        _require_shown(given, made, thread)
        pages = HistoryPages(threads, thread, size, page_limit(scale))
        with growth.at(size):
            _assert_holds(made, pages)
    context.note(str(growth))


@requires("SCALE-02")
def test_a_copy_of_a_long_history_is_identical(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, scale: int
) -> None:
    made = LongThread(given)
    copying, comparing = Growth("copying", "state"), Growth("comparing", "state")
    for size in sizes(scale):
        source = made.grow(size)
        copy = copying.measured(size, partial(threads.copy, source))
        pages = [
            HistoryPages(api, thread, size, page_limit(scale))
            for api, thread in ((threads, copy), (given, source))
        ]
        with comparing.at(size):
            assert_identical_history(*pages)
    context.note(f"{copying}; {comparing}")


@requires("SCALE-03")
def test_pages_of_many_threads_are_complete(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, scale: int
) -> None:
    made, growth = ManyThreads(given), Growth("paging", "thread")
    for size in sizes(scale):
        made.grow(size)
        wanted = Counter(made.ids.values())
        found = context.eventually(
            partial(growth.measured, size, partial(_all_pages, threads, page_limit(scale), size)),
            wanted.__eq__,
        )
        assert_that(
            found == wanted, f"each of {size} threads once in all pages", _told(found, wanted)
        )
    context.note(str(growth))


@requires("SCALE-04")
def test_many_threads_are_counted_exactly(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, scale: int
) -> None:
    made, growth = ManyThreads(given), Growth("counting", "thread")
    for size in sizes(scale):
        made.grow(size)
        count = context.eventually(partial(growth.measured, size, threads.count), size.__eq__)
        assert_equal(count, size, "the count")
    context.note(str(growth))


@requires("SCALE-05")
def test_one_of_many_threads_is_found(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, scale: int
) -> None:
    made, growth = ManyThreads(given), Growth("finding one among", "thread")
    for size in sizes(scale):
        made.grow(size)
        for number in (0, size // 2, size - 1):
            wanted = [made.ids[number]]
            metadata = made.metadata(number)
            found = context.eventually(
                partial(growth.measured, size, partial(threads.search_ids, metadata=metadata)),
                wanted.__eq__,
            )
            assert_equal(found, wanted, f"the threads with the metadata of number {number}")
    context.note(str(growth))


def _require_shown(given: ThreadsApi, made: LongThread, thread: Thread) -> None:
    """Require that the state of the thread shows the last value that was written.

    The graph of the deployment may lack the channel: then nothing can be said of the history.
    """
    shown, written = _value_of(given.state(thread), made.channel), next(made.values_made())
    if not same_json(shown, written):
        raise Blocked(f"the state does not show what was written to {made.channel}")


def _assert_holds(made: LongThread, pages: HistoryPages) -> None:
    """Assert that a history holds every state that was made, newest first, and no other."""
    expected = made.values_made()
    states = 0
    for page in pages.pages():
        for state in page:
            if states < made.updates:
                what = f"{made.channel} in the state number {states}"
                assert_equal(_value_of(state, made.channel), next(expected), what)
            states += 1
    assert_equal(states, made.updates + made.begun, "the number of states")


def _value_of(state: State, channel: str) -> Any:
    values = state.get("values")
    return values.get(channel) if isinstance(values, dict) else values


def _all_pages(threads: ThreadsApi, limit: int, made: int) -> Counter[str]:
    """Return how often a thread is in the pages of the search for all threads of the check."""
    found: Counter[str] = Counter()
    while page := threads.search_ids(**_ORDER, limit=limit, offset=found.total()):
        found.update(page)
        threads.context.forget()
        if found.total() > 2 * made:  # pages without an end
            break
    return found


def _told(found: Counter[str], wanted: Counter[str]) -> str:
    repeated = sum(times > 1 for times in found.values())
    return (
        f"{found.total()} in all pages: {(wanted - found).total()} missing, {repeated} repeated, "
        f"{len(found.keys() - wanted.keys())} others"
    )
