"""Access to streams of threads for checks: joined concurrently with the runs that they report.

Such a stream does not end by itself. Another thread of this process reads it until the check has
seen the events that it waits for, or the deadline for visible changes has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.events import Event, parse_events
from conformance.checks.expect import assert_equal
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.runs import Runs
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import Answer
from conformance.deployment.wire.deadline_connections import CutError
from conformance.deployment.wire.stream_reading import Reader, is_event_stream
from conformance.json_differences import same_json
from conformance.parallel import start, wait_for
from conformance.waiting import wait_until

#: The requirement that a stream stays open: where it does not, no other can be judged.
STAYS_OPEN = "THREAD-STREAM-04"
#: The Last-Event-ID of a stream that is read from its beginning.
FROM_THE_BEGINNING = "-"
#: The stream modes of the runs whose events are compared: each step has an event of each.
COMPARED_MODES = ("values", "updates")
#: A stream is read for at most this many times the time limit of a run.
_RUNS_PER_STREAM = 5
#: Seconds between two reads of what has arrived of a stream.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.1
#: How often, at most, an action on a thread is repeated until the thread's stream shows an event.
_TRIES = 3


class Joined:
    """A stream of a thread that is being read: what has arrived, and whether it has ended."""

    def __init__(self, api: ThreadsApi, thread: Thread, reader: Reader) -> None:
        self._api, self._thread, self._reader = api, thread, reader
        self._pending_answer: Future[Answer] | None = None

    def send(self, request: Callable[[Reader], Answer]) -> None:
        """Send the request that joins, in another thread."""
        self._pending_answer = start(lambda: request(self._reader))

    @property
    def opened(self) -> bool:
        """Whether the headers have arrived, or it is known that they will not."""
        return self._reader.opened or self._is_over

    @property
    def has_ended(self) -> bool:
        """Whether the deployment has ended the stream."""
        return self._is_over and not self._reader.is_set() and not self._reader.late

    @property
    def text(self) -> str:
        """The text of the events that have arrived; a last event that is incomplete is left out."""
        lines = self._reader.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        whole, end, _ = lines.rpartition(b"\n\n")
        return (whole + end).decode("utf-8", errors="replace")

    @property
    def events(self) -> list[Event]:
        """The events that have arrived.

        If the request was refused, the outcome that ends the check is raised. `Blocked` if the
        stream is malformed or no stream of events, which THREAD-STREAM-31 and THREAD-STREAM-01
        judge.
        """
        if self.has_ended and not is_event_stream(
            kind := self.answer().headers.get("content-type", "")
        ):
            raise Blocked(f"the stream is answered as {kind!r}", by="THREAD-STREAM-01")
        try:
            return parse_events(self.text)
        except PromiseBroken as malformed:
            raise Blocked(str(malformed), by="THREAD-STREAM-31") from None

    def answer(self) -> Answer:
        """Return the answer of a stream that has ended or was left, whatever its content type.

        If the request was refused, raise the outcome that ends the check.
        """
        assert self._pending_answer is not None
        return self._api.ensure_success(self._pending_answer.result(), self._thread)

    def leave(self) -> None:
        """Leave the stream, unless it has ended, and wait until that is done."""
        if self._pending_answer is not None:
            if not self._is_over:
                self._reader.leave()
            wait_for([self._pending_answer])

    @property
    def _is_over(self) -> bool:
        return self._pending_answer is not None and self._pending_answer.done()


class ThreadStreams:
    """The streams of threads that a check joins."""

    def __init__(self, api: ThreadsApi) -> None:
        self._api = api
        self._client, self._context = api.client, api.context
        self._longest_s = api.client.run_timeout_s * _RUNS_PER_STREAM

    @contextmanager
    def joined(
        self, thread: Thread, last_event_id: str | None = None, **params: Any
    ) -> Iterator[Joined]:
        """Join the stream of a thread, from the beginning or after an event if named.

        The stream is left at the end of the block. Without `last_event_id` use `joined_with_event`
        instead: the stream may miss what happens on the thread before the deployment has subscribed
        to it.
        """
        with self._reading(
            thread,
            lambda reader: self._client.thread_stream(
                id_of(thread), reader, last_event_id, timeout_s=self._longest_s, **params
            ),
        ) as joined:
            yield joined

    @contextmanager
    def subscribed(self, thread: Thread, channels: Sequence[str], **more: Any) -> Iterator[Joined]:
        """Subscribe to channels of the protocol events of a thread, as `joined` joins its stream.

        `more` are further members of the request, such as `since`.
        """
        body = {"channels": [*channels], **more}
        with self._reading(
            thread,
            lambda reader: self._client.thread_events(
                id_of(thread), reader, body, timeout_s=self._longest_s
            ),
        ) as joined:
            yield joined

    @contextmanager
    def _reading(self, thread: Thread, send: Callable[[Reader], Answer]) -> Iterator[Joined]:
        joined = Joined(self._api, thread, Reader())
        joined.send(send)
        try:
            self._wait_until(lambda: joined.opened)
            yield joined
        finally:
            with suppress(CutError):
                joined.leave()

    @contextmanager
    def joined_after(
        self, thread: Thread, event_ids: Sequence[str], **params: Any
    ) -> Iterator[list[Joined]]:
        """Join the stream of a thread once after each of these events, all at the same time."""
        with ExitStack() as all_joined:
            yield [
                all_joined.enter_context(self.joined(thread, each, **params)) for each in event_ids
            ]

    @contextmanager
    def joined_with_event(
        self, thread: Thread, cause_event: Callable[[], object], **params: Any
    ) -> Iterator[Joined]:
        """Join the stream of a thread, and wait until it has shown an event of the thread.

        `cause_event` does something on the thread that causes an event, and is called again, up to
        `_TRIES` times, until the stream shows an event. If it shows none, raise the outcome that
        ends the check.
        """
        with self.joined(thread, **params) as joined:
            self._cause_event(joined, cause_event, by="THREAD-STREAM-02")
            yield joined

    @contextmanager
    def subscribed_with_event(
        self, thread: Thread, channels: Sequence[str], cause_event: Callable[[], object]
    ) -> Iterator[Joined]:
        """Subscribe to channels of the protocol events of a thread, and wait for an event."""
        with self.subscribed(thread, channels) as joined:
            self._cause_event(joined, cause_event, by="THREAD-STREAM-25")
            yield joined

    def _cause_event(self, joined: Joined, cause_event: Callable[[], object], by: str) -> None:
        for _ in range(_TRIES):
            cause_event()
            if self.wait(joined, bool):
                return
        answered = "no event in the stream of the thread that was joined before"
        if self._api.arranging:
            raise Blocked(answered, by=by)
        raise PromiseBroken("an event in the stream of the thread", answered)

    def wait(
        self,
        joined: Joined,
        holds: Callable[[list[Event]], bool],
        within_s: float | None = None,
    ) -> list[Event]:
        """Return the events that have arrived, once `holds` accepts them or the time is up.

        `Blocked` if the stream has ended before, since THREAD-STREAM-04 judges that.
        """

        def is_enough(events: list[Event]) -> bool:
            return holds(events) or joined.has_ended

        self._wait_until(lambda: is_enough(joined.events), within_s)
        if not holds(joined.events):
            self.require_open(joined)
        return joined.events

    def _wait_until(self, holds: Callable[[], bool], within_s: float | None = None) -> None:
        """Wait until `holds` is true, up to `within_s` seconds, without a note for the report."""
        settings = self._context.settings
        wait_until(
            holds,
            bool,
            within_s=settings.visible_within_s if within_s is None else within_s,
            pause_s=_FIRST_PAUSE_S,
            longest_pause_s=_LONGEST_PAUSE_S,
        )

    def require_open(self, joined: Joined) -> None:
        """Block the check if the deployment has ended the stream, which another check judges."""
        if joined.has_ended:
            raise Blocked("the stream of the thread has ended", by=STAYS_OPEN)


def of_modes(events: Sequence[Event], modes: Sequence[str]) -> list[Event]:
    """Return the events of these stream modes of a run, those of subgraphs included, in order."""
    return [each for each in events if mode_of(each) in modes]


def mode_of(event: Event) -> str:
    """Return the stream mode in the name of an event: `values`, or `values|…` of a subgraph."""
    return event.name.partition("|")[0].partition("/")[0]


def named_data(events: Sequence[Event]) -> list[Any]:
    """Return name and data of each event."""
    return [[each.name, each.data] for each in events]


class RunStreams:
    """Runs of graphs on a thread by stream, and the events of the runs' own streams in order.

    `members` are further members of each request, besides the stream modes.
    """

    def __init__(
        self, thread: Thread, runs: Runs, modes: Sequence[str] = COMPARED_MODES, **members: Any
    ) -> None:
        self._thread, self._runs = thread, runs
        self._modes = modes
        self._members = {"stream_mode": [*modes], **members}
        #: The events of the requested modes, of all runs so far.
        self.events: list[Event] = []
        self._of_last_run: list[Event] = []

    def run(self, graph: str, **members: Any) -> list[Event]:
        """Run a graph, and return the events of the requested modes."""
        if graph == "slow":
            members.setdefault("seconds", 0)
        return self._keep(self._runs.events(self._thread, graph, **self._members, **members))

    def resume(self, graph: str, answer: Any) -> list[Event]:
        """Resume a graph, and return the events of the requested modes."""
        body = self._runs.without_input(graph, command={"resume": answer}, **self._members)
        return self._keep(self._runs.events_of(self._thread, body))

    def _keep(self, events: list[Event]) -> list[Event]:
        own = of_modes(events, self._modes)
        if not own:
            raise Blocked("the stream of a run has no events of its modes", by="STREAM-07")
        self.events += own
        self._of_last_run = own
        return own

    def ends_with_last(self, events: Sequence[Event]) -> bool:
        """Return whether the last of these events are those of the last run.

        All events of the run are compared: its last one alone may equal that of an earlier run.
        """
        last = self._of_last_run
        shown = of_modes(events, self._modes)[-len(last) :] if last else []
        return same_json(named_data(shown), named_data(last))

    def wait_for_last(self, streams: ThreadStreams, joined: Joined) -> list[Event]:
        """Return the events of the requested modes, once those of all runs have arrived."""
        return of_modes(streams.wait(joined, self.ends_with_last), self._modes)

    def assert_shown(
        self, streams: ThreadStreams, joined: Joined, judged: Sequence[Event]
    ) -> list[Event]:
        """Assert that a stream ends with the events kept so far, or at least with the judged ones.

        Earlier events may be missing from the front: their run may have begun before the
        deployment had subscribed to the thread. Return the judged events as the stream shows them.
        """
        shown = self.wait_for_last(streams, joined)
        number = max(len(shown), len(judged))
        assert_equal(named_data(shown), named_data(self.events[-number:]), "the events")
        return shown[-len(judged) :]

    def shown_or_blocked(
        self, streams: ThreadStreams, joined: Joined, judged: Sequence[Event]
    ) -> list[Event]:
        """Return the judged events as a stream shows them; `Blocked` if it does not."""
        try:
            return self.assert_shown(streams, joined, judged)
        except PromiseBroken:
            raise Blocked(
                "the stream differs from those of the runs", by="THREAD-STREAM-03"
            ) from None
