"""Each file of a report, parsed as its readers parse it."""

import base64
import copy
import dataclasses
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.contract.quotations import quotation
from conformance.data import schemas_dir
from conformance.deployment.record.exchange import Exchange
from conformance.report.record import LARGEST_REPORT, Cleanup, Report, ReportError, load_report
from conformance.report.run.har import BODY_LIMIT
from conformance.report.run.html import html_report
from conformance.report.run.junit import junit_report
from conformance.report.run.markdown import markdown_report
from conformance.report.run.reference_answers import ReferenceAnswer, ReferenceAnswers
from conformance.report.run.write import read_exchanges, report_json, write_all
from tests.report_examples import (
    CHECKS,
    CONFORMANT,
    REQUIREMENTS,
    RICH,
    THREAD,
    TIMED,
    check,
    exchange,
    failure,
    large_report,
    report_of,
)
from tests.snapshot import assert_snapshot

SCHEMA = json.loads((schemas_dir() / "report.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(
    SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)
#: The hosts of the public pages that a report links to.
PUBLIC = {"docs.langchain.com", "github.com", "langchain-ai.github.io", "reference.langchain.com"}
HOSTILE = st.one_of(
    st.text(st.characters(), max_size=40),
    st.sampled_from(
        [
            "]]>",
            "<script>alert(1)</script>",
            "</pre><img src=x onerror=alert(1)>",
            "[/bold][red]",
            "\x1b[31mred\x1b[0m",
            "a\x00b\ud800",
            "```\n# heading\n````",
            "```\n# ``",
            "a | b\n| c",
            "{{ 7 * 7 }}",
        ]
    ),
)


def hostile_report(text: str) -> Report:
    """A report in which a server's text stands wherever it may."""
    answered = exchange(response_body=text, request_body=text, error=text or None)
    broken = failure(text, answered, expected=text, actual=text, diff=(text,), curl=text)
    return report_of(
        [
            check("test_a[" + text + "]", "COPY-01", "fail", reason=text, failure=broken),
            check("test_b", "COPY-03", "error", reason=text),
            check("test_c", "COPY-04", "blocked", reason=text),
        ],
        cleanup=Cleanup(1, 0, (text,)),
    )


class Tags(HTMLParser):
    """Collects what a browser would make elements of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def tags_of(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    parser.close()
    return parser


class TestReportJson:
    @pytest.mark.parametrize(
        "report", [RICH, CONFORMANT, TIMED], ids=["rich", "conformant", "timed"]
    )
    def test_it_is_valid_and_reads_back_as_it_was(self, report: Report) -> None:
        data = json.loads(report_json(report))
        assert [error.message for error in VALIDATOR.iter_errors(data)] == []
        assert Report.from_json(data) == report

    def test_the_schema_is_one(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    @pytest.mark.parametrize(
        "slip",
        [
            lambda data: data.pop("cleanup"),
            lambda data: data.update(verdict="passed"),
            lambda data: data["totals"]["MUST"].pop("not_run"),
            lambda data: data["totals"].update(WISH={}),
            lambda data: data["requirements"][0].update(level="must"),
            lambda data: data["requirements"][0].update(id="copy"),
            lambda data: data["checks"][0].update(verdict="skipped"),
            lambda data: data["checks"][0].pop("failure"),
            lambda data: data["checks"][0].update(failure=data["checks"][4]["failure"]),
            lambda data: data["checks"][4]["failure"].pop("curl"),
            lambda data: data["run"].update(started_at="yesterday"),
            lambda data: data["run"].update(profile="all"),
        ],
    )
    def test_the_schema_catches_a_slip(self, slip: Callable[[dict[str, Any]], object]) -> None:
        data = copy.deepcopy(json.loads(report_json(RICH)))
        slip(data)
        assert not VALIDATOR.is_valid(data)

    def test_the_schema_lets_a_later_version_add_members(self) -> None:
        data = json.loads(report_json(RICH))
        for place in (data, data["run"], data["checks"][0], data["requirements"][0]):
            place["added_later"] = 1
        assert VALIDATOR.is_valid(data)


class TestJunit:
    def test_every_check_is_a_testcase_with_its_requirements(self) -> None:
        root = ET.fromstring(junit_report(RICH, REQUIREMENTS))
        cases = {case.get("name"): case for case in root.iter("testcase")}
        assert list(cases) == [f"{each.requirements[0]} {each.id}" for each in CHECKS]
        assert [suite.get("name") for suite in root] == ["create", "copy", "search", "prune"]
        told = cases["COPY-03 test_copy.py::test_history"].findtext("system-out", "")
        assert told.startswith("requirement: COPY-03 (MUST)\nclient: http\nreproduce:\ncurl ")

    @pytest.mark.parametrize(
        ("name", "tag", "says"),
        [
            ("COPY-03 test_copy.py::test_history", "failure", "the copy has 3 states"),
            ("SEARCH-01 test_search.py::test_by_metadata", "error", "closed the connection"),
            ("COPY-09 test_copy.py::test_recipe", "skipped", "optional or disputed (MAY), failed"),
            ("SEARCH-02 test_search.py::test_no_match", "skipped", "blocked: SEARCH-01"),
            ("PRUNE-01 test_prune.py::test_prune", "skipped", "unsupported: POST /threads/prune"),
        ],
    )
    def test_verdicts_become_what_ci_systems_know(self, name: str, tag: str, says: str) -> None:
        root = ET.fromstring(junit_report(RICH, REQUIREMENTS))
        outcome = root.find(f".//testcase[@name='{name}']/{tag}")
        assert outcome is not None
        assert says in outcome.get("message", "")
        # GitLab shows the text, and loses the message.
        assert (outcome.text or "").startswith(outcome.get("message", "-"))

    def test_the_counts_agree_with_the_cases(self) -> None:
        root = ET.fromstring(junit_report(RICH, REQUIREMENTS))
        for element in (root, *root):
            for name, tag in (
                ("tests", "testcase"),
                ("failures", "failure"),
                ("errors", "error"),
                ("skipped", "skipped"),
            ):
                if element is root and name == "skipped":
                    continue
                assert int(element.get(name, "")) == len(list(element.iter(tag)))
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("12", "5", "1")

    @pytest.mark.parametrize("ended", ["interrupted", "given_up"])
    def test_a_run_that_ended_early_says_so(self, ended: str) -> None:
        run = dataclasses.replace(
            RICH.run,
            partial=True,
            interrupted=ended == "interrupted",
            given_up=ended == "given_up",
        )
        root = ET.fromstring(junit_report(dataclasses.replace(RICH, run=run), REQUIREMENTS))
        for suite in root:
            said = [each.get("value") for each in suite.findall("properties/property[@name='run']")]
            assert said == [ended.replace("_", " "), "partial"]

    def test_an_accepted_failure_turns_nothing_red(self) -> None:
        report = report_of(CHECKS, baselined=frozenset({"COPY-03"}))
        root = ET.fromstring(junit_report(report, REQUIREMENTS))
        (case,) = root.iterfind(".//testcase[@name='COPY-03 test_copy.py::test_history']")
        assert case.find("failure") is None
        (skipped,) = case.iterfind("skipped")
        assert skipped.get("message", "").startswith("accepted by the baseline")

    def test_a_requirement_without_result_shows_as_not_run(self) -> None:
        report = report_of([check("test_own_id", "COPY-01")])
        root = ET.fromstring(junit_report(report, REQUIREMENTS))
        (skipped,) = root.iterfind(".//testcase[@name='COPY-03']/skipped")
        assert skipped.get("message", "").startswith("not run")


class TestMarkdown:
    def test_it_reads_as_it_did_when_it_was_looked_at(self) -> None:
        assert_snapshot(markdown_report(RICH, REQUIREMENTS), "report.md.txt")

    def test_it_says_where_time_went_if_that_was_counted(self) -> None:
        assert "## Time" not in markdown_report(RICH, REQUIREMENTS)
        shown = markdown_report(TIMED, REQUIREMENTS)
        assert "Where the time of 2 processes went." in shown
        assert "| waiting | 6.25 | 52% |" in shown
        assert "| in all | 12.00 | 100% |" in shown

    def test_it_fits_a_comment_however_much_failed(self) -> None:
        long = "x" * 5_000
        checks = [
            check(
                f"test_{number}",
                "COPY-03",
                "fail",
                failure=failure(long, expected=long, actual=long, fingerprint=str(number)),
            )
            for number in range(200)
        ]
        text = markdown_report(report_of(checks), REQUIREMENTS)
        assert len(text) < 65_536
        assert "more causes, shown in report.html" in text
        assert "Created 412, removed 412." in text


class TestHtml:
    def test_it_needs_nothing_but_itself(self) -> None:
        page = html_report(RICH, REQUIREMENTS)
        found = tags_of(page).found
        assert not {"img", "iframe", "object"}.intersection(tag for tag, _ in found)
        for tag, attributes in found:
            assert attributes.get("src") is None
            # A person may follow a link; nothing else leads out of the page.
            href = attributes.get("href") or "#"
            allowed = {"a": ("#", "https://"), "link": ("data:",)}.get(tag, ("#",))
            assert href.startswith(allowed)
        assert "url(" not in page

    def test_it_runs_its_own_script_and_no_other(self) -> None:
        page = html_report(RICH, REQUIREMENTS)
        (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert "default-src 'none'" in page
        assert f"script-src 'sha256-{digest}'" in page

    def test_it_says_where_time_went_if_that_was_counted(self) -> None:
        assert 'id="time"' not in html_report(RICH, REQUIREMENTS)
        shown = html_report(TIMED, REQUIREMENTS)
        assert '<th scope="row">waiting</th><td>6.25</td><td>52%</td>' in shown

    def test_it_can_be_read_without_seeing_it(self) -> None:
        found = tags_of(html_report(RICH, REQUIREMENTS)).found
        tags = [tag for tag, _ in found]
        assert ("html", {"lang": "en"}) in found
        assert tags.count("h1") == 1
        assert tags.count("caption") == tags.count("table")
        assert all("scope" in attributes for tag, attributes in found if tag == "th")

    def test_every_link_and_id_is_sound(self) -> None:
        found = tags_of(html_report(RICH, REQUIREMENTS)).found
        ids = [attributes["id"] for _, attributes in found if "id" in attributes]
        links = {attributes["href"] or "" for tag, attributes in found if tag == "a"}
        within = {each for each in links if each.startswith("#")}
        assert len(ids) == len(set(ids))
        assert {"#COPY-03", "#failure-COPY-03", "#capability-copy"} <= within
        assert within <= {f"#{each}" for each in ids}
        public = links - within
        assert public
        assert all(urlsplit(each).hostname in PUBLIC for each in public)

    def test_a_source_that_several_promises_share_is_named_once(self) -> None:
        page = html_report(report_of(CHECKS[4:7]), REQUIREMENTS)
        (article,) = re.findall(r'<article .*?id="failure-COPY-03".*?</article>', page, re.S)
        assert article.count("003_a519280589421030.txt: Copy thread") == 1

    def test_each_requirement_stands_with_its_promise_and_the_words_of_its_source(self) -> None:
        page = html_report(RICH, REQUIREMENTS)
        for each in REQUIREMENTS.values():
            (entry,) = re.findall(rf'<div id="{each.id}">.*?</details>', page, re.DOTALL)
            assert each.statement in entry
            (words,) = re.findall("<q>(.*?)</q>", entry)
            assert words == quotation(each.id, each.sources[0])
            assert 'href="https://docs.langchain.com/langsmith/use-threads' in entry

    def test_a_requirement_that_is_not_in_the_catalogue_is_told_by_the_report(self) -> None:
        text = tags_of(html_report(RICH, {})).text
        assert "A copy has the whole history" in text
        assert "Not in this version's catalogue." in text

    def test_it_says_what_there_is_to_say(self) -> None:
        text = tags_of(html_report(RICH, REQUIREMENTS)).text
        for said in (
            "NON-CONFORMANT: langgraph-api 0.16.7",
            "3 kept · 3 broken · 2 undecided of 9 MUST requirements (1 error, 1 blocked); "
            "1 of 9 unsupported.",
            "created 412, removed 411, left 1",
            THREAD,
            "$[3]: removed",
            "<script>alert(1)</script>",
            "POST /threads/prune answers 404",
            "Use threads, Create a thread: Copy thread",
        ):
            assert said in text

    def test_the_address_of_a_failure_is_the_same_in_every_run(self) -> None:
        one = html_report(RICH, REQUIREMENTS)
        # Another run fails in fewer ways, in another order.
        other = html_report(report_of(reversed(CHECKS[3:7])), REQUIREMENTS)
        for each in ("COPY-03", "COPY-05"):
            assert f'id="failure-{each}"' in one
            assert f'id="failure-{each}"' in other

    def test_every_cause_and_requirement_has_an_address_of_its_own(self) -> None:
        two_causes = [
            check("test_a", ("COPY-01", "COPY-03"), "fail", failure=failure("a")),
            check("test_b", "COPY-01", "fail", failure=failure("b")),
            check("test_c", "COPY-01", "fail", failure=failure("c")),
        ]
        found = tags_of(html_report(report_of(two_causes), REQUIREMENTS)).found
        ids = [one["id"] or "" for _, one in found if (one.get("id") or "").startswith("failure-")]
        assert len(ids) == len(set(ids)) == 4
        assert {"failure-COPY-01", "failure-COPY-03"} <= set(ids)

    def test_what_differs_is_marked_in_both_values(self) -> None:
        broken = failure(
            "other",
            expected='values to be {"a": 1, "b": [1, 2]}',
            actual='{"a": 1, "b": [1, 3]}',
            diff=("$.b[1]: expected 2, got 3",),
        )
        page = html_report(
            report_of([check("test_a", "COPY-01", "fail", failure=broken)]), REQUIREMENTS
        )
        assert re.findall("<mark>(.*?)</mark>", page) == ["2", "3"]

    def test_the_answers_of_the_reference_stand_beside(self) -> None:
        name = "test_copy.py::test_history"
        theirs = ReferenceAnswers({0: ReferenceAnswer(422, '{"n": 4}', False, ("$.n",))})
        page = html_report(RICH, REQUIREMENTS, reference={name: theirs})
        assert "The reference was asked the same" in page
        assert "≠ reference 422" in page
        assert '<mark>"n": 4</mark>' in page
        told = ReferenceAnswers(problem="it was interrupted")
        page = html_report(RICH, REQUIREMENTS, reference={name: told})
        assert "The reference was not asked all of it: it was interrupted." in page

    @pytest.mark.slow
    def test_a_page_stays_small_however_long_the_answers_are(self) -> None:
        page = html_report(*large_report())
        assert page.count('<article class="failure"') == 500
        assert page.count("<li><details") == 5_000
        assert len(page.encode()) < 5_000_000


class TestHar:
    def entries(self, tmp_path: Path, *exchanges: Exchange, torn: str = "") -> list[dict[str, Any]]:
        file = tmp_path / "exchanges.jsonl"
        file.write_text("".join(f"{each.to_json()}\n" for each in exchanges) + torn)
        write_all(RICH, REQUIREMENTS, file, tmp_path)
        log = json.loads((tmp_path / "exchanges.har").read_text(encoding="utf-8"))["log"]
        assert log["version"] == "1.2"
        assert log["creator"]["name"] == "threads-conformance"
        entries: list[dict[str, Any]] = log["entries"]
        return entries

    def test_an_exchange_becomes_an_entry(self, tmp_path: Path) -> None:
        sent = exchange(
            method="POST",
            url="http://127.0.0.1:2024/threads/search?a=1&b=",
            request_body="{}",
            http_version="HTTP/2",
        )
        (entry,) = self.entries(tmp_path, sent)
        assert entry["request"]["httpVersion"] == entry["response"]["httpVersion"] == "HTTP/2"
        assert entry["startedDateTime"] == sent.started_at
        assert entry["request"]["postData"] == {"mimeType": "application/json", "text": "{}"}
        assert entry["request"]["queryString"] == [
            {"name": "a", "value": "1"},
            {"name": "b", "value": ""},
        ]
        assert entry["response"]["status"] == 200
        assert entry["response"]["content"]["text"] == sent.response_body
        assert entry["comment"] == "copy in test_copy.py::test_copy"

    @pytest.mark.parametrize("text", ["\ud800", "a\u2028b\n", '"\\'])
    def test_an_exchange_is_read_as_it_was_written(self, text: str) -> None:
        sent = exchange(response_body=text, request_headers=((text, "ü"),), error=text)
        line = sent.to_json()
        assert "\n" not in line
        assert Exchange.from_json(line) == sent
        assert Exchange.from_json(line.encode()) == sent

    def test_an_incomplete_line_is_left_out(self, tmp_path: Path) -> None:
        sent = exchange(response_body="ünï")
        file = tmp_path / "exchanges.jsonl"
        whole = sent.to_json().encode()
        file.write_bytes(whole + b"\n" + whole[: whole.index("ï".encode()) + 1] + b"\n" + whole)
        assert list(read_exchanges(file)) == [sent, sent]

    def test_the_members_that_har_requires_are_there(self, tmp_path: Path) -> None:
        (entry,) = self.entries(tmp_path, exchange(request_body="{}"))
        required = {
            "": "startedDateTime time request response cache timings",
            "request": "method url httpVersion cookies headers queryString headersSize bodySize",
            "response": "status statusText httpVersion cookies headers content redirectURL "
            "headersSize bodySize",
            "timings": "send wait receive",
        }
        for place, members in required.items():
            assert set(members.split()) <= set(entry[place] if place else entry)

    def test_no_answer_is_status_0_with_the_error(self, tmp_path: Path) -> None:
        silent = exchange(status=None, response_body=None, response_headers=(), error="reset")
        (entry,) = self.entries(tmp_path, silent)
        assert entry["response"]["status"] == 0
        assert entry["response"]["comment"] == "reset"

    def test_long_bodies_are_cut_and_it_says_so(self, tmp_path: Path) -> None:
        body = "é" * BODY_LIMIT
        (entry,) = self.entries(tmp_path, exchange(response_body=body, request_body=body))
        content = entry["response"]["content"]
        assert content["text"] == "é" * (BODY_LIMIT // 2)
        assert content["size"] == 2 * BODY_LIMIT
        assert "cut to the first 65536 of 131072 bytes" in content["comment"]
        assert "cut" in entry["request"]["postData"]["comment"]

    def test_a_line_that_a_killed_worker_cut_is_left_out(self, tmp_path: Path) -> None:
        whole = exchange()
        assert len(self.entries(tmp_path, whole, whole, torn=whole.to_json()[:40])) == 2

    def test_a_run_without_exchanges_has_an_archive_too(self, tmp_path: Path) -> None:
        assert self.entries(tmp_path) == []


class TestWriteAll:
    NAMES = ("report.json", "junit.xml", "report.md", "report.html", "exchanges.har")

    def test_it_writes_five_files_and_nothing_else(self, tmp_path: Path) -> None:
        directory = tmp_path / "reports" / "latest"
        files = write_all(RICH, REQUIREMENTS, None, directory)
        assert files == tuple(directory / name for name in self.NAMES)
        assert {file.name for file in directory.iterdir()} == set(self.NAMES)
        assert load_report(directory / "report.json") == RICH

    def test_a_compressed_report_is_read_as_it_was(self, tmp_path: Path) -> None:
        (plain,) = (
            each
            for each in write_all(RICH, REQUIREMENTS, None, tmp_path / "plain")
            if each.name == "report.json"
        )
        packed = tmp_path / "packed" / "report.json.gz"
        packed.parent.mkdir()
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert load_report(packed) == load_report(packed.parent) == RICH
        # In a folder that has both, the plain one is the newer: runs write none that is packed.
        newer = dataclasses.replace(RICH, suite_version="newer")
        packed.with_suffix("").write_text(report_json(newer), encoding="utf-8")
        assert load_report(packed.parent) == newer

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (gzip.compress(b"{}")[:-9], "cannot read"),
            (b"\x1f\x8bno gzip", "cannot read"),
            (gzip.compress(bytes(LARGEST_REPORT + 1)), "larger than any report"),
        ],
        ids=["cut off", "damaged", "endless"],
    )
    def test_a_compressed_report_that_cannot_be_used(
        self, content: bytes, told: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "report.json.gz"
        file.write_bytes(content)
        with pytest.raises(ReportError, match=told):
            load_report(file)

    def test_the_same_report_gives_the_same_files(self, tmp_path: Path) -> None:
        one = write_all(RICH, REQUIREMENTS, None, tmp_path / "one")
        other = write_all(RICH, REQUIREMENTS, None, tmp_path / "other")
        assert [file.read_bytes() for file in one] == [file.read_bytes() for file in other]

    def test_an_earlier_report_stays_whole_when_writing_breaks(self, tmp_path: Path) -> None:
        write_all(CONFORMANT, REQUIREMENTS, None, tmp_path)
        before = (tmp_path / "exchanges.har").read_bytes()
        exchanges = tmp_path / "exchanges.jsonl"
        exchanges.write_text(exchange().to_json() + "\n[]\n")
        with pytest.raises(TypeError):
            write_all(RICH, REQUIREMENTS, exchanges, tmp_path)
        assert (tmp_path / "exchanges.har").read_bytes() == before
        assert not list(tmp_path.glob(".*.partial"))

    def test_who_is_reading_a_report_keeps_the_one_that_was_there(self, tmp_path: Path) -> None:
        write_all(CONFORMANT, REQUIREMENTS, None, tmp_path)
        with (tmp_path / "report.json").open(encoding="utf-8") as reader:
            write_all(RICH, REQUIREMENTS, None, tmp_path)
            assert reader.read() == report_json(CONFORMANT)

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file")
        with pytest.raises(ReportError, match=r"cannot write the report to .*taken.*--report-dir"):
            write_all(RICH, REQUIREMENTS, None, tmp_path / "taken")


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(HOSTILE)
def test_whatever_a_server_says_the_files_stay_sound(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    report = hostile_report(text)
    plain = hostile_report("plain")
    directory = tmp_path_factory.mktemp("hostile")
    exchanges = directory / "exchanges.jsonl"
    exchanges.write_text(exchange(response_body=text, request_body=text).to_json() + "\n")
    for file in write_all(report, REQUIREMENTS, exchanges, directory):
        content = file.read_text(encoding="utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", content)
        if file.suffix == ".xml":
            ET.fromstring(content)
        elif file.suffix == ".html":
            shape = shape_of(content)
            expected = shape_of(html_report(plain, REQUIREMENTS))
            # An empty text leaves out the parts that would hold it.
            assert shape == expected or not text
        elif file.suffix == ".md":
            assert_no_fence_is_open(content)
        else:
            json.loads(content)
    assert load_report(directory / "report.json") == report


def shape_of(page: str) -> list[str]:
    """Return the elements of a page; what looks like JSON may stand in another one."""
    return [tag for tag, _ in tags_of(page).found if tag not in ("p", "pre")]


def assert_no_fence_is_open(text: str) -> None:
    fence = ""
    for line in text.splitlines():
        # Ticks that come again on the line are inline code, not a fence.
        opened = re.fullmatch("(`{3,})[^`]*", line)
        if not fence and opened:
            fence = opened[1]
        elif fence and re.fullmatch(f"{fence}`*", line):
            fence = ""
        elif not fence:
            # Outside of code only our own words may begin a heading.
            assert not line.startswith("# ") or "NON-CONFORMANT" in line
    assert not fence


def page_of(*curls: str) -> str:
    failed = [
        check(f"test_{n}", "COPY-03", "fail", failure=failure(f"broken {n}", curl=curl))
        for n, curl in enumerate(curls)
    ]
    # Each is a cause of its own.
    told = [
        dataclasses.replace(each, failure=dataclasses.replace(each.failure, fingerprint=f"f{n}"))
        for n, each in enumerate(failed)
        if each.failure
    ]
    return html_report(report_of(told), REQUIREMENTS)


def test_commands_are_shown_whole_or_not_at_all() -> None:
    """Half a command does nothing, or something else."""
    long = f"curl '{'x' * 30_000}'"
    page = page_of("curl 'short'", long)
    assert page.count('id="curl-') == 1
    assert "xxxx" not in page
    assert "<code>threads-conformance explain COPY-03</code> prints them" in page
    # Where there are many, those that take most room are left out.
    page = page_of(*(f"curl '{n:03} {'y' * 1_000}'" for n in range(400)), "curl 'the short one'")
    assert 200 < page.count('id="curl-') < 300
    assert "the short one" in page
    for block in re.findall(r'<pre[^>]*id="curl-\d+"[^>]*>(.*?)</pre>', page, re.DOTALL):
        assert block.count("&#39;") + block.count("'") == 2, block


def test_other_formats_name_what_prints_commands_that_are_long() -> None:
    long = f"curl '{'x' * 30_000}'"
    text = junit_report(
        report_of([check("test_0", "COPY-03", "fail", failure=failure("broken", curl=long))]),
        REQUIREMENTS,
    )
    assert "xxxx" not in text
    assert "threads-conformance explain" in text
