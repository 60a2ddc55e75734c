"""Ways in which a server lies about whose a thread, run or cron is, or takes too much.

A lie stands in rules of the HTTP layer (`conformance.reference.wire`), told to the suite
only, never to others. What the server really has is in its `RecordingStore`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from benchmarks.hostile.harm_to_others import RecordingStore, as_others, by_others
from conformance.model.entities import Thread
from conformance.reference.wire import Wire, WireAnswer, WireRequest

#: By this member of their metadata runs of the suite find their threads again.
RUN_TAG = "threads_conformance_run"
#: Stands in everything that is others': what of it comes to light in a report is a leak.
CANARY = "private-words-of-somebody-else"
_SUPERSTEPS = [
    {
        "updates": [
            {"as_node": "__start__", "values": {"messages": [{"type": "human", "content": CANARY}]}}
        ]
    }
]
_CLOCK = timedelta(minutes=5)
_RUNS = ("run_background", "run_wait", "run_stream")
_STATELESS = ("stateless_background", "stateless_wait", "stateless_stream", "stateless_batch")


@dataclass
class World:
    """A deployment that lies with some of its answers: `rate` is their share."""

    store: RecordingStore
    wire: Wire
    rate: float
    random: random.Random
    #: How often each lie was told.
    told: dict[str, int] = field(default_factory=dict)
    #: The tag that the suite's run gives its threads, as soon as it was seen.
    tag: Any = None

    def __post_init__(self) -> None:
        self._began_at = self.store.wall()

    def should_lie(self, lie: str, *, always: bool = False) -> bool:
        """Whether to lie this time; counted."""
        if by_others() or not (always or self.random.random() < self.rate):
            return False
        self.told[lie] = self.told.get(lie, 0) + 1
        return True

    def any(self) -> Thread:
        """A thread of others, of any age."""
        return self.random.choice(self.store.records.foreign_threads())

    def old(self) -> Thread:
        """A thread that others had before this world began, so seconds before any run."""
        threads = self.store.records.foreign_threads()
        moments = map(datetime.fromisoformat, (each.created_at for each in threads))
        older = [
            each for each, made_at in zip(threads, moments, strict=True) if made_at < self._began_at
        ]
        return self.random.choice(older)

    def new(self) -> Thread:
        """A thread that others made a moment ago."""
        with as_others():
            made = self.store.threads.create(**others_thread())
        return next(
            each
            for each in self.store.records.foreign_threads()
            if each.thread_id == made["thread_id"]
        )


def others_thread() -> dict[str, Any]:
    """What others ask for when they create a thread."""
    metadata = {"graph_id": "agent", "owner": CANARY}
    return {"metadata": metadata, "supersteps": _SUPERSTEPS}


@dataclass(frozen=True)
class Lie:
    """A way to lie. `ahead` is how far the clock of the deployment is ahead.

    One that is `beyond` what can be guarded against is not among all: it is tried where its
    limits are to be seen.
    """

    name: str
    says: str
    tell: Callable[[World], None]
    ahead: timedelta = timedelta()
    date_is_right: bool = False
    beyond: bool = False


LIES: dict[str, Lie] = {}


def lie(name: str, *, beyond: bool = False) -> Callable[[Callable[[World], None]], None]:
    """Register a lie; its docstring says what it is."""

    def register(tell: Callable[[World], None]) -> None:
        LIES[name] = Lie(name, (tell.__doc__ or "").strip(), tell, beyond=beyond)

    return register


def tell(names: list[str], world: World) -> None:
    """Let a world lie in these ways."""
    for name in names:
        LIES[name].tell(world)


# Ids in the answers to creations and copies


def _answers_with(operation: str, name: str, *, new: bool) -> Callable[[World], None]:
    def tell(world: World) -> None:
        @world.wire.after(operation, status=200)
        def name_another(_request: WireRequest, answer: WireAnswer) -> None:
            if isinstance(answer.body, dict) and world.should_lie(name):
                stranger = world.new() if new else world.old()
                # Named in what the suite asked for, or with all that is the stranger's.
                views = (answer.body, world.store.views.thread_view(stranger))
                shown = world.random.choice(views)
                answer.body = {**shown, "thread_id": stranger.thread_id}

    tell.__doc__ = (
        f"{operation} is answered with the id of a thread that others "
        f"{'made a moment ago' if new else 'had before the run'}"
    )
    return tell


for _operation in ("create", "copy", "update"):
    for _age in ("old", "new"):
        _name = f"{_operation}-answers-{_age}"
        lie(_name)(_answers_with(_operation, _name, new=_age == "new"))


@lie("another-id")
def _another_id(world: World) -> None:
    """some threads are made under another id than was asked for"""

    @world.wire.before("create")
    def forget_the_id(request: WireRequest) -> None:
        members = request.members
        if "thread_id" in members and world.should_lie("another-id"):
            request.body = {k: v for k, v in members.items() if k != "thread_id"}


@lie("server-ids")
def _server_ids(world: World) -> None:
    """the server chooses every id itself"""

    @world.wire.before("create")
    def forget_the_id(request: WireRequest) -> None:
        members = request.members
        if "thread_id" in members and world.should_lie("server-ids", always=True):
            request.body = {k: v for k, v in members.items() if k != "thread_id"}


# Ids in other answers


@lie("get-names-another")
def _get_names_another(world: World) -> None:
    """GET of a thread of the suite shows a stranger's id beside the suite's tag"""

    @world.wire.after("get", status=200)
    def name_another(request: WireRequest, answer: WireAnswer) -> None:
        if world.store.records.belongs_to_suite(request.thread_id) and world.should_lie(
            "get-names-another"
        ):
            answer.body = {**answer.body, "thread_id": world.any().thread_id}


@lie("get-forges-tag", beyond=True)
def _get_forges_tag(world: World) -> None:
    """GET of a stranger's thread shows the tag of the run (and its true created_at)"""

    @world.wire.after("get", status=200)
    def forge(request: WireRequest, answer: WireAnswer) -> None:
        if world.store.records.belongs_to_others(request.thread_id) and world.should_lie(
            "get-forges-tag"
        ):
            metadata = {**answer.body["metadata"], RUN_TAG: world.tag}
            answer.body = {**answer.body, "metadata": metadata}


@lie("search-forges-tag")
def _search_forges_tag(world: World) -> None:
    """a search by the run's tag shows strangers' threads of any age with that tag"""

    @world.wire.after("search", status=200)
    def forge(request: WireRequest, answer: WireAnswer) -> None:
        wanted = request.members.get("metadata")
        hits = answer.body
        if isinstance(wanted, dict) and isinstance(hits, list) and wanted:
            for find in (world.any, world.new):
                if world.should_lie("search-forges-tag"):
                    view = world.store.views.thread_view(find())
                    hits = [*hits, {**view, "metadata": {**view["metadata"], **wanted}}]
            answer.body = hits


@lie("search-ignores-metadata")
def _search_ignores_metadata(world: World) -> None:
    """search and count ignore the filter by metadata"""

    @world.wire.before("search", "count")
    def forget_the_filter(request: WireRequest) -> None:
        members = request.members
        if "metadata" in members and world.should_lie("search-ignores-metadata"):
            request.body = {k: v for k, v in members.items() if k != "metadata"}


@lie("stateless-names-another")
def _stateless_names_another(world: World) -> None:
    """stateless runs are said to be on strangers' threads, in body and Content-Location"""

    @world.wire.after(*_STATELESS, status=200)
    def name_another(_request: WireRequest, answer: WireAnswer) -> None:
        if world.should_lie("stateless-names-another"):
            stranger = world.random.choice((world.new, world.any))().thread_id
            answer.headers = [
                (name, _on_thread(value, stranger) if name == b"content-location" else value)
                for name, value in answer.headers
            ]
            body = answer.body
            if isinstance(body, dict) and "thread_id" in body:
                answer.body = {**body, "thread_id": stranger}
            elif isinstance(body, list):
                answer.body = [{**each, "thread_id": stranger} for each in body]


def _on_thread(location: bytes, thread_id: str) -> bytes:
    parts = location.decode().split("/")  # "", "threads", its id, "runs", ...
    return "/".join([*parts[:2], thread_id, *parts[3:]]).encode()


@lie("runs-name-another")
def _runs_name_another(world: World) -> None:
    """runs on the suite's threads are said to have the id of a stranger's; runs are found by
    their id alone, on whatever thread"""

    @world.wire.after("run_background", "run_list", "run_get", status=200)
    def name_another(_request: WireRequest, answer: WireAnswer) -> None:
        runs = [run for each in world.store.records.foreign_threads() for run in each.runs]
        if runs and world.should_lie("runs-name-another"):
            run_id = world.random.choice(runs).run_id
            if isinstance(answer.body, dict):
                answer.body = {**answer.body, "run_id": run_id}
            elif isinstance(answer.body, list):
                answer.body = [{**each, "run_id": run_id} for each in answer.body]

    @world.wire.before("run_delete", "run_cancel", "run_get", "run_join")
    def find_anywhere(request: WireRequest) -> None:
        parts = request.path.split("/")
        thread_id = world.store.records.thread_of_run(parts[4])
        if thread_id is not None:
            request.path = "/".join([*parts[:2], thread_id, *parts[3:]])


@lie("states-name-another")
def _states_name_another(world: World) -> None:
    """checkpoints in answers name strangers' threads, and what names one is done there"""

    @world.wire.after("state", "update_state", "state_at_checkpoint", "history", status=200)
    def name_another(_request: WireRequest, answer: WireAnswer) -> None:
        if world.should_lie("states-name-another"):
            stranger = world.any().thread_id
            shown = answer.body if isinstance(answer.body, list) else [answer.body]
            named = [_with_thread(each, stranger) for each in shown]
            answer.body = named if isinstance(answer.body, list) else named[0]

    @world.wire.before("update_state", *_RUNS)
    def follow(request: WireRequest) -> None:
        checkpoint = request.members.get("checkpoint")
        named = checkpoint.get("thread_id") if isinstance(checkpoint, dict) else None
        if isinstance(named, str) and named != request.thread_id:
            request.path = request.path.replace(request.thread_id, named)
            request.body = {k: v for k, v in request.members.items() if k != "checkpoint"}


def _with_thread(state: Any, thread_id: str) -> Any:
    checkpoint = state.get("checkpoint") if isinstance(state, dict) else None
    if not isinstance(checkpoint, dict):
        return state
    return {**state, "checkpoint": {**checkpoint, "thread_id": thread_id}}


@lie("crons-name-another")
def _crons_name_another(world: World) -> None:
    """a new cron is said to have the id of a stranger's"""

    @world.wire.after("cron_create", status=200)
    def name_another(_request: WireRequest, answer: WireAnswer) -> None:
        crons = world.store.records.foreign_crons()
        if crons and world.should_lie("crons-name-another"):
            answer.body = {**answer.body, "cron_id": world.random.choice(crons).cron_id}


@lie("cron-search-forges-thread")
def _cron_search_forges_thread(world: World) -> None:
    """a search for the crons of a thread shows strangers' crons as if they were on it"""

    @world.wire.after("cron_search", status=200)
    def forge(request: WireRequest, answer: WireAnswer) -> None:
        wanted = request.members.get("thread_id")
        crons = world.store.records.foreign_crons()
        if isinstance(wanted, str) and crons and world.should_lie("cron-search-forges-thread"):
            shown = world.store.views.cron_view(world.random.choice(crons))
            answer.body = [*answer.body, {**shown, "thread_id": wanted}]


@lie("redirects-to-another")
def _redirects_to_another(world: World) -> None:
    """writes to a thread of the suite are redirected (307) to a stranger's"""

    @world.wire.before("update", "delete", "update_state", *_RUNS)
    def redirect(request: WireRequest) -> WireAnswer | None:
        if not world.store.records.belongs_to_suite(request.thread_id):
            return None
        if not world.should_lie("redirects-to-another"):
            return None
        path = request.path.replace(request.thread_id, world.any().thread_id)
        return WireAnswer(307, b"", [(b"location", path.encode())])


# Taking too much


@lie("no-ids-mean-all")
def _no_ids_mean_all(world: World) -> None:
    """prune and cancel without usable ids, and writes to no id at all, are done to all"""
    name = "no-ids-mean-all"

    @world.wire.before("prune")
    def prune_all(request: WireRequest) -> None:
        ids = request.members.get("thread_ids")
        if not (isinstance(ids, list) and ids) and world.should_lie(name, always=True):
            request.body = {"thread_ids": world.store.records.all_ids()}

    @world.wire.before("runs_cancel")
    def cancel_all(request: WireRequest) -> None:
        ids = request.members.get("run_ids")
        named = request.members.get("thread_id") and isinstance(ids, list) and ids
        if not named and "status" not in request.members and world.should_lie(name, always=True):
            request.body = {"status": "all"}

    @world.wire.before(when=_names_nothing)
    def delete_all(request: WireRequest) -> None:
        if world.should_lie(name, always=True):
            request.method, request.path = "POST", "/threads/prune"
            request.body = {"thread_ids": world.store.records.all_ids()}


def _names_nothing(request: WireRequest) -> bool:
    nowhere = request.path.rstrip("/") in ("/threads", "/runs", "/runs/crons")
    return nowhere and request.method in ("DELETE", "PATCH", "PUT")


@lie("delete-always-succeeds")
def _delete_always_succeeds(world: World) -> None:
    """DELETE of a thread is 204 for any id, and some of the threads stay"""

    @world.wire.before("delete")
    def only_say_so(_request: WireRequest) -> WireAnswer | None:
        return WireAnswer(204, b"") if world.should_lie("delete-always-succeeds") else None

    @world.wire.after("delete")
    def never_refuse(_request: WireRequest, answer: WireAnswer) -> None:
        answer.status, answer.raw = 204, b""


# The clock


def _truthful(_world: World) -> None:
    """Nothing but the clock is wrong."""


for _name, _ahead, _date_is_right, _says in (
    ("clock-ahead", _CLOCK, False, "the clock of the deployment is 5 minutes ahead"),
    ("clock-behind", -_CLOCK, False, "the clock of the deployment is 5 minutes behind"),
    ("created-at-ahead", _CLOCK, True, "created_at is 5 minutes ahead, Date is right"),
    ("created-at-behind", -_CLOCK, True, "created_at is 5 minutes behind, Date is right"),
):
    LIES[_name] = replace(Lie(_name, _says, _truthful), ahead=_ahead, date_is_right=_date_is_right)

CLOCKS = tuple(name for name, each in LIES.items() if each.ahead)
#: What `all` stands for: every lie at once, but for the clocks and what is beyond.
TOGETHER = tuple(
    name
    for name, each in LIES.items()
    if not each.beyond and not each.ahead and name != "server-ids"
)


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Modes as they are typed: `a,b+c,all`; each with the lies that it tells.

    ValueError for a lie that is not known.
    """
    for row in text.split(","):
        names = [
            name
            for part in row.split("+")
            for name in (TOGETHER if part == "all" else () if part == "none" else (part,))
        ]
        for name in names:
            if name not in LIES:
                raise ValueError(f"there is no lie {name!r}: one of all, {', '.join(LIES)}")
        yield row, names


def watch_tag(world: World) -> None:
    """Learn the tag of the suite's run from its creations."""

    @world.wire.before("create")
    def learn(request: WireRequest) -> None:
        metadata = request.members.get("metadata")
        if not by_others() and isinstance(metadata, dict):
            world.tag = metadata.get(RUN_TAG, world.tag)
