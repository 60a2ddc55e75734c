"""The tools of benchmarks/hostile: the bad network, and the servers that lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from benchmarks.hostile.harm_to_others import Harm
from benchmarks.hostile.lies import CLOCKS, LIES, rows
from benchmarks.hostile.lies_matrix import Lying, LyingDeployment, Seen, served
from benchmarks.hostile.matrix_jobs import run_concurrently
from benchmarks.hostile.network import MEANINGS, RATELESS, Counts, Mode, Proxy, Trouble
from benchmarks.hostile.network_matrix import TWELVE, Cell, Outcome
from benchmarks.hostile.others import Others
from benchmarks.hostile.restartable import Deployment
from benchmarks.hostile.running import Result
from benchmarks.hostile.strangers import plant_strangers
from benchmarks.hostile.truth import snapshot
from conformance.contract.catalogue import load_catalogue
from conformance.faults.registry import all_faults
from conformance.reference.app import create_app

REQUESTS = 20
GREETING = {"assistant_id": "agent", "input": {"messages": []}}


@asynccontextmanager
async def troubled(mode: Mode, rate: float = 1.0) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy of that mode, and the URL of the reference behind it."""
    trouble = Trouble(mode, rate, hold_s=0.01, outage_s=0.3)

    async def forget_nothing() -> None:
        return None

    async with served(create_app()) as url, Proxy(url, trouble, forget_nothing) as proxy:
        yield proxy, url


async def asked(http: httpx.AsyncClient, method: str, url: str, body: Any = None) -> int | str:
    """The status of an answer, or the name of what came instead."""
    try:
        return (await http.request(method, url, json=body)).status_code
    except httpx.TransportError as problem:
        return type(problem).__name__


def test_a_calm_proxy_passes_everything_on_one_connection() -> None:
    async def scenario() -> tuple[list[Any], Counts]:
        async with troubled(Mode.NONE) as (proxy, url), httpx.AsyncClient() as http:
            made = (await http.post(f"{proxy.url}/threads", json={})).json()
            path = f"/threads/{made['thread_id']}"
            answers = []
            for _ in range(REQUESTS - 2):
                answers.append((await http.get(proxy.url + path)).json())
            body = {**GREETING, "input": {"messages": [{"type": "human", "content": "x"}]}}
            stream = await http.post(f"{proxy.url}{path}/runs/stream", json=body)
            assert stream.headers["transfer-encoding"] == "chunked"
            assert "event: values" in stream.text
            direct = (await http.get(url + path)).json()
            assert direct["values"] != {}
            return [each == made for each in answers], proxy.counts

    same, counts = asyncio.run(scenario())
    assert all(same)
    assert (counts.requests, counts.forwarded, counts.troubled) == (REQUESTS, REQUESTS, 0)


#: What a client sees of a creation, and how many threads it made.
SEEN: dict[Mode, tuple[set[int | str], int]] = {
    Mode.RESET_BEFORE: ({"ReadError"}, 0),
    Mode.RESET_AFTER: ({"ReadError"}, 1),
    Mode.ANSWER_LOST: ({"RemoteProtocolError"}, 1),
    Mode.ANSWER_HELD: ({"ReadTimeout"}, 1),
    Mode.DELAY: ({200}, 1),
    Mode.GATEWAY_HTML: ({502, 503, 504}, 0),
    Mode.GATEWAY_HTML_AFTER: ({502, 503, 504}, 1),
    Mode.TOO_MANY: ({429}, 0),
    Mode.TRUNCATED_LENGTH: ({"RemoteProtocolError"}, 1),
    Mode.TRUNCATED_BODY: ({200}, 1),
    Mode.DUPLICATED: ({200}, 2),
    Mode.DUPLICATED_FIRST: ({200}, 2),
    Mode.LOGIN_REDIRECT: ({302}, 0),
    Mode.LOGIN_HTML: ({200}, 0),
    Mode.KEY_REFUSED: ({401, 403}, 0),
}
INTERRUPTIONS = {Mode.OUTAGE, Mode.RESTART}
#: Long enough for a slow machine; what is held costs so much.
PATIENT_S, IMPATIENT_S = 60.0, 0.3


@pytest.mark.slow
@pytest.mark.parametrize("mode", SEEN, ids=str)
def test_a_mode_does_what_it_says(mode: Mode) -> None:
    statuses, made = SEEN[mode]
    held = mode is Mode.ANSWER_HELD
    number = 2 if held else REQUESTS

    async def scenario() -> tuple[list[int | str], int, Counts]:
        limit_s = IMPATIENT_S if held else PATIENT_S
        async with (
            troubled(mode) as (proxy, url),
            httpx.AsyncClient(timeout=limit_s) as http,
        ):
            threads = f"{proxy.url}/threads"
            seen = [await asked(http, "POST", threads, {}) for _ in range(number)]
            return seen, len((await snapshot(url)).threads), proxy.counts

    seen, threads, counts = asyncio.run(scenario())
    assert set(seen) <= statuses, seen
    assert threads == number * made
    assert (counts.requests, counts.troubled) == (number, number)
    assert counts.operations == {"create": number}
    assert counts.forwarded == number * made


def test_every_mode_is_described_and_tried() -> None:
    assert set(MEANINGS) == set(Mode)
    assert set(SEEN) | INTERRUPTIONS | set(RATELESS) == set(Mode)


@pytest.mark.slow
def test_in_an_outage_nobody_listens() -> None:
    async def scenario() -> tuple[list[int | str], int, Counts]:
        async with troubled(Mode.OUTAGE) as (proxy, url), httpx.AsyncClient() as http:
            threads = f"{proxy.url}/threads"
            first = await asked(http, "POST", threads, {})
            second = await asked(http, "POST", threads, {})
            await proxy.stop_disturbing()
            third = await asked(http, "POST", threads, {})
            seen = [first, second, third]
            return seen, len((await snapshot(url)).threads), proxy.counts

    seen, threads, counts = asyncio.run(scenario())
    assert seen == ["ReadError", "ConnectError", 200]
    assert (threads, counts.requests, counts.troubled) == (1, 2, 1)


@pytest.mark.slow
def test_one_outage_comes_in_a_run() -> None:
    async def scenario() -> tuple[list[int | str], Counts]:
        async with troubled(Mode.OUTAGE_ONCE) as (proxy, _), httpx.AsyncClient() as http:
            seen = []
            for _ in range(400):
                status = await asked(http, "GET", f"{proxy.url}/threads/x")
                if status != 422:
                    seen.append(status)
                    await proxy.settled()
            return seen, proxy.counts

    seen, counts = asyncio.run(scenario())
    assert seen == ["ReadError"]
    assert (counts.requests, counts.troubled) == (400, 1)


@pytest.mark.slow
def test_the_rate_is_that_of_the_requests_and_the_seed_decides() -> None:
    async def scenario(seed: int) -> list[int | str]:
        trouble = Trouble(Mode.TOO_MANY, 0.2, seed)
        async with (
            served(create_app()) as url,
            Proxy(url, trouble) as proxy,
            httpx.AsyncClient() as http,
        ):
            return [await asked(http, "GET", f"{proxy.url}/ok") for _ in range(100)]

    first, again, other = (asyncio.run(scenario(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert 8 <= first.count(429) <= 35


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Mode.KEY_EXPIRES, Mode.GATEWAY_STAYS, Mode.LOGIN_STAYS])
def test_some_trouble_begins_once_and_stays(mode: Mode) -> None:
    async def scenario() -> tuple[list[int], int]:
        async with troubled(mode) as (proxy, _), httpx.AsyncClient() as http:
            asked = [(await http.get(f"{proxy.url}/threads/x")).status_code for _ in range(400)]
            return asked, (await http.get(f"{proxy.url}/info")).status_code

    asked, info = asyncio.run(scenario())
    begins = next(n for n, status in enumerate(asked) if status != 422)
    assert begins > 50
    assert set(asked[begins:]) <= {401, 503, 302}
    assert (info == 200) is (mode is Mode.LOGIN_STAYS)


@pytest.mark.slow
def test_a_restart_loses_the_threads_and_keeps_the_url() -> None:
    async def scenario() -> tuple[int, int, int | str]:
        async with (
            Deployment() as deployment,
            Proxy(deployment.url, Trouble(Mode.RESTART, 1.0), deployment.restart) as proxy,
            httpx.AsyncClient() as http,
        ):
            await plant_strangers(deployment.url, 2)
            before = len((await snapshot(deployment.url)).threads)
            await asked(http, "GET", f"{proxy.url}/ok")
            while (status := await asked(http, "GET", f"{deployment.url}/ok")) != 200:
                pass
            return before, len((await snapshot(deployment.url)).threads), status

    assert asyncio.run(scenario()) == (2, 0, 200)


def test_truth_tells_what_was_harmed() -> None:
    async def scenario() -> tuple[int, int, int]:
        async with served(create_app()) as url, httpx.AsyncClient(base_url=url) as http:
            await plant_strangers(url, 4)
            before = await snapshot(url)
            one, other, *_ = before.threads
            await http.post("/threads", json={})
            await http.delete(f"/threads/{one}")
            await http.patch(f"/threads/{other}", json={"metadata": {"x": 1}})
            after = await snapshot(url)
            return after.beyond(before), after.harmed(before), len(before.crons)

    created, harmed, crons = asyncio.run(scenario())
    # The second thread has a cron, the first has none.
    assert (created, harmed, crons) == (1, 2, 2)


def outcome(verdict: str, status: int, cell: Cell, **members: Any) -> Outcome:
    figures = {"standing": 0, "after_sweep": 0, "harmed": 0, "ledgers": 0}
    figures |= {"ledgers_after_sweep": 0, "restarts": 0, **members}
    return Outcome(cell, Result(status, verdict, 1.0), Counts(), **figures)


def test_the_rules_of_the_matrix() -> None:
    right = Cell(Mode.GATEWAY_HTML, 0.01, "documented", "none", 1)
    much = Cell(Mode.GATEWAY_HTML, 0.2, "documented", "none", 1)
    broken = Cell(Mode.GATEWAY_HTML, 0.2, "documented", TWELVE[0], 1)
    assert not outcome("conformant", 0, right).broken_rules
    assert outcome("incomplete", 3, right).broken_rules
    assert not outcome("incomplete", 3, much).broken_rules
    assert outcome("non_conformant", 1, much).broken_rules
    assert outcome("conformant", 0, broken).broken_rules
    assert not outcome("non_conformant", 1, broken).broken_rules
    assert outcome("conformant", 0, right, standing=1).broken_rules
    assert outcome("conformant", 0, right, harmed=1).broken_rules


def test_what_fails_keeps_nothing_from_being_tried() -> None:
    tried = []

    async def work(number: int) -> int:
        tried.append(number)
        if number == 1:
            raise LookupError("no")
        return number

    with pytest.raises(ExceptionGroup, match="1 of 3 could not be tried"):
        asyncio.run(run_concurrently(work, [1, 2, 3], 1))
    assert tried == [1, 2, 3]
    assert asyncio.run(run_concurrently(work, [2, 3], 2)) == [2, 3]


def test_each_of_the_twelve_breaks_a_documented_must() -> None:
    known = load_catalogue().requirements
    assert len(set(TWELVE)) == 12
    for name in TWELVE:
        broken = [known[each] for each in all_faults()[name].breaks if each in known]
        assert any((each.level, each.profile) == ("MUST", "documented") for each in broken), name


# Servers that lie


@asynccontextmanager
async def lying(*lies: str) -> AsyncIterator[tuple[LyingDeployment, httpx.AsyncClient]]:
    """A deployment that always lies in these ways, with strangers' threads, and a client."""
    deployment = LyingDeployment(lies, 1.0, seed=1)
    async with (
        served(deployment.watch) as url,
        Others(url, deployment.store, 1) as others,
        httpx.AsyncClient(base_url=url) as http,
    ):
        await others.plant(18)
        yield deployment, http


def test_nothing_is_harmed_where_the_suite_keeps_to_its_own() -> None:
    async def scenario() -> LyingDeployment:
        async with lying() as (deployment, http):
            own = (await http.post("/threads", json={})).json()["thread_id"]
            await http.patch(f"/threads/{own}", json={"metadata": {"a": 1}})
            await http.post("/threads/prune", json={"thread_ids": [own]})
            stranger = deployment.store.records.foreign_threads()[0].thread_id
            assert (await http.get(f"/threads/{stranger}")).status_code == 200
            return deployment

    deployment = asyncio.run(scenario())
    assert not deployment.store.records.harm()
    assert (deployment.store.records.hits, deployment.watch.named, deployment.watch.bulk) == (
        [],
        [],
        [],
    )
    assert deployment.store.records.standing_of_suite() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "harm", "operation"),
    [
        ("DELETE", "/threads/{thread}", None, {"threads_removed": 1}, "delete"),
        ("PATCH", "/threads/{thread}", {"metadata": {"a": 1}}, {"threads_changed": 1}, "update"),
        ("POST", "/threads/{thread}/state", {"values": {}}, {"threads_changed": 1}, "update_state"),
        ("POST", "/threads/prune", {"thread_ids": ["{thread}"]}, {"threads_removed": 1}, "prune"),
        ("DELETE", "/threads/{running}/runs/{run}", None, {"runs_removed": 1}, "run_delete"),
        ("DELETE", "/runs/crons/{cron}", None, {"crons_removed": 1}, "cron_delete"),
        ("PATCH", "/runs/crons/{cron}", {"enabled": False}, {"crons_changed": 1}, "cron_update"),
        ("POST", "/threads/{thread}/copy", None, {}, "copy"),
        ("POST", "/threads", {"thread_id": "{thread}", "if_exists": "do_nothing"}, {}, "create"),
    ],
)
def test_a_write_to_a_stranger_is_seen_at_the_server(
    method: str, path: str, body: Any, harm: dict[str, int], operation: str
) -> None:
    async def scenario() -> LyingDeployment:
        async with lying() as (deployment, http):
            store = deployment.store
            scheduled = {each.thread_id for each in store.records.foreign_crons()}
            threads = [
                each for each in store.records.foreign_threads() if each.thread_id not in scheduled
            ]
            running = next(
                e for e in store.records.foreign_threads() if any(r.active for r in e.runs)
            )
            names = {
                "{thread}": next(each.thread_id for each in threads if not each.runs),
                "{running}": running.thread_id,
                "{run}": running.runs[0].run_id,
                "{cron}": store.records.foreign_crons()[0].cron_id,
            }

            def named(value: Any) -> Any:
                if isinstance(value, dict):
                    return {key: named(each) for key, each in value.items()}
                if isinstance(value, list):
                    return [named(each) for each in value]
                for name, own_id in names.items():
                    value = value.replace(name, own_id) if isinstance(value, str) else value
                return value

            answer = await http.request(method, named(path), json=named(body))
            assert answer.is_success, answer.text
            return deployment

    deployment = asyncio.run(scenario())
    found = {
        name: number for name, number in vars(deployment.store.records.harm()).items() if number
    }
    if "runs_removed" in harm:
        harm = {**harm, "threads_changed": 1}
    assert found == harm
    assert bool(deployment.store.records.hits) is bool(harm)
    assert [each.operation for each in deployment.watch.named] == [operation]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b'{"thread_ids": 0}', b""])
def test_a_body_without_ids_means_all(body: bytes) -> None:
    async def scenario() -> LyingDeployment:
        async with lying("no-ids-mean-all") as (deployment, http):
            answer = await http.post("/threads/prune", content=body)
            assert answer.json() == {"pruned_count": 18}
            return deployment

    deployment = asyncio.run(scenario())
    harm = deployment.store.records.harm()
    assert (harm.threads_removed, harm.crons_removed) == (18, 5)
    assert [each.operation for each in deployment.watch.bulk] == ["prune"]


def test_cancelling_without_ids_ends_the_runs_of_strangers() -> None:
    async def scenario() -> Harm:
        async with lying("no-ids-mean-all") as (deployment, http):
            assert (await http.post("/runs/cancel", json={})).status_code == 204
            return deployment.store.records.harm()

    assert asyncio.run(scenario()).threads_changed == 2


def told(*lies: str) -> dict[str, Any]:
    """What a client is told by a deployment with these lies, and whose it is."""

    async def scenario() -> dict[str, Any]:
        async with lying(*lies) as (deployment, http):
            store = deployment.store
            asked = "00000000-0000-4000-8000-00000000000a"
            made = (await http.post("/threads", json={"thread_id": asked})).json()["thread_id"]
            body = {"thread_id": asked}
            cron = {"assistant_id": "agent", "schedule": "0 0 1 1 *"}
            path = f"/threads/{asked}/runs/crons"
            wanted = {"metadata": {"threads_conformance_run": "x"}, "limit": 100}
            return {
                "create": store.records.belongs_to_others(made),
                "asked": made == asked,
                "get": (await http.get(f"/threads/{asked}")).json().get("thread_id") == asked,
                "search": len((await http.post("/threads/search", json=wanted)).json()),
                "cron": store.records.belongs_to_others(
                    (await http.post(path, json=cron)).json().get("cron_id", "")
                ),
                "crons": len((await http.post("/runs/crons/search", json=body)).json()),
                "stateless": store.records.belongs_to_others(
                    (await http.post("/runs", json=GREETING)).json()["thread_id"]
                ),
                "gone": (await http.delete(f"/threads/{asked}")).status_code,
                "harm": bool(store.records.harm()),
            }

    return asyncio.run(scenario())


TRUTH = {
    **{"create": False, "asked": True, "get": True, "search": 0, "cron": False, "crons": 1},
    **{"stateless": False, "gone": 204, "harm": False},
}


@pytest.mark.parametrize(
    ("lie", "differs"),
    [
        ("create-answers-old", {"create": True, "asked": False}),
        ("create-answers-new", {"create": True, "asked": False}),
        ("get-names-another", {"get": False}),
        ("search-forges-tag", {"search": 2}),
        ("search-ignores-metadata", {"search": 20}),
        ("stateless-names-another", {"stateless": True}),
        ("crons-name-another", {"cron": True}),
        ("cron-search-forges-thread", {"crons": 2}),
    ],
)
def test_a_lie_is_told_and_harms_nobody(lie: str, differs: dict[str, Any]) -> None:
    seen = told(lie)
    if lie == "search-ignores-metadata":
        assert seen.pop("search") >= 19  # the stateless run's own may stand among them
        assert seen == {name: each for name, each in TRUTH.items() if name != "search"}
    else:
        assert seen == {**TRUTH, **differs}


def test_the_threads_of_strangers_are_as_old_as_they_were_planted() -> None:
    async def scenario() -> list[timedelta]:
        async with lying() as (deployment, _):
            now = deployment.store.wall()
            return [
                now - datetime.fromisoformat(each.created_at)
                for each in deployment.store.records.foreign_threads()
            ]

    ages = asyncio.run(scenario())
    assert len({each // timedelta(seconds=10) for each in ages}) == 9
    assert timedelta(days=30) <= ages[0] < timedelta(days=30, minutes=1)
    assert timedelta() <= ages[-1] < timedelta(seconds=10)


def test_the_threads_called_old_were_there_before_any_run() -> None:
    async def scenario() -> tuple[set[str], set[str]]:
        async with lying("create-answers-old") as (deployment, http):
            records = deployment.store.records
            planted = records.foreign_threads()
            for _ in range(30):
                deployment.world.new()
            named = [(await http.post("/threads", json={})).json()["thread_id"] for _ in range(60)]
            # The youngest two are of no age: such could as well be made during a run.
            return set(named), {each.thread_id for each in planted[:-2]}

    named, old = asyncio.run(scenario())
    assert named <= old
    assert len(named) > 8


@pytest.mark.slow
def test_the_clock_of_a_deployment_is_shifted_with_its_dates() -> None:
    async def scenario(lie: str) -> tuple[bool, bool]:
        async with lying(lie) as (_, http):
            right = (await http.get("/ok")).headers["date"]
            created = (await http.post("/threads", json={})).json()["created_at"]
            now = datetime.now(UTC)
            off = abs((datetime.fromisoformat(created) - now).total_seconds())
            date_off = abs((parsedate_to_datetime(right) - now).total_seconds())
            return off > 200, date_off > 200

    assert {lie: asyncio.run(scenario(lie)) for lie in CLOCKS} == {
        "clock-ahead": (True, True),
        "clock-behind": (True, True),
        "created-at-ahead": (True, False),
        "created-at-behind": (True, False),
    }


def test_modes_are_read_as_they_are_typed() -> None:
    modes = dict(rows("none,all,server-ids+clock-ahead"))
    assert modes["none"] == []
    assert modes["server-ids+clock-ahead"] == ["server-ids", "clock-ahead"]
    assert "no-ids-mean-all" in modes["all"]
    assert not {"get-forges-tag", *CLOCKS} & set(modes["all"])
    with pytest.raises(ValueError, match="no lie 'nonsense'"):
        dict(rows("nonsense"))
    assert all(each.says for each in LIES.values())


def test_the_rules_of_the_lying_servers() -> None:
    tried = Lying("none", (), 0.2, 1, "documented", "quick", 1)
    harmless = Harm(0, 0, 0, 0, 0)
    result = Result(0, "conformant", 1.0)
    seen = Seen(
        tried,
        result,
        harmless,
        hits={},
        named={},
        bulk={"prune": 1},
        standing=0,
        words={},
        told={},
        requests=1,
    )
    leak = replace(seen, words={"report.json": 2})
    lost = replace(seen, standing=2)
    assert seen.broken_rules == ()
    assert lost.broken_rules == ("2 stand, 0 told",)
    assert leak.broken_rules == ("leaked into 2 report.json",)
