"""The catalogue is complete: no promise without a check, no check without a promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.contract.catalogue import (
    ALL_CLIENTS,
    CatalogueError,
    load_catalogue,
    read_catalogue,
)
from conformance.contract.documented import load_index
from conformance.contract.operations import OPERATIONS
from conformance.contract.published import load_published
from conformance.deployment.settings import Settings
from conformance.runner.session import collect_checks

CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def of_all(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        url="http://127.0.0.1:1",
        run_id="8c0ffee0-0000-4000-8000-00000000000a",
        started_at="2025-05-12T12:00:00+00:00",
        run_dir=str(tmp_path_factory.mktemp("run")),
        profile="full",
        effort="thorough",
        scale=20,
        clients=ALL_CLIENTS,
    )


@pytest.fixture(scope="module")
def checks_by_id(of_all: Settings) -> dict[str, tuple[str, ...]]:
    return collect_checks(of_all)


@pytest.fixture(scope="module")
def of_read_only_runs(of_all: Settings) -> dict[str, tuple[str, ...]]:
    return collect_checks(replace(of_all, read_only=True))


def test_every_requirement_has_a_check(checks_by_id: dict[str, tuple[str, ...]]) -> None:
    checked = {each for requirements in checks_by_id.values() for each in requirements}
    assert CATALOGUE.requirements.keys() - checked == set()


def test_every_check_names_only_requirements(
    checks_by_id: dict[str, tuple[str, ...]], of_read_only_runs: dict[str, tuple[str, ...]]
) -> None:
    checks = {**checks_by_id, **of_read_only_runs}
    unnamed = {check for check, requirements in checks.items() if not requirements}
    named = {each for requirements in checks.values() for each in requirements}
    assert unnamed == set()
    assert named - CATALOGUE.requirements.keys() == set()


def test_every_test_of_the_suite_is_a_check(
    checks_by_id: dict[str, tuple[str, ...]], of_read_only_runs: dict[str, tuple[str, ...]]
) -> None:
    suite = Path(__file__).parents[1] / "conformance" / "suite"
    written = {
        f"{file.name}::{name}"
        for file in suite.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert written == {check.partition("[")[0] for check in (*checks_by_id, *of_read_only_runs)}


def test_ids_of_checks_are_the_same_in_every_run_of_a_process(
    of_all: Settings, checks_by_id: dict[str, tuple[str, ...]]
) -> None:
    assert collect_checks(of_all) == checks_by_id


@pytest.mark.slow
def test_ids_of_checks_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Workers of pytest-xdist hash texts differently: a set in a parameter has another order."""
    program = (
        "import json, sys\n"
        "from conformance.runner.session import collect_checks\n"
        "from conformance.runner.settings import new_settings\n"
        "from pathlib import Path\n"
        "settings = new_settings('http://127.0.0.1:1', Path(sys.argv[1]), profile='full')\n"
        "print(json.dumps(sorted(collect_checks(settings))))\n"
    )
    collected = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(json.loads(collected[0])) > 1000
    assert collected[0] == collected[1]


def test_the_index_names_only_requirements() -> None:
    named = {
        requirement
        for document in load_index()["documents"]
        for kind in ("blocks", "outputs", "sentences")
        for entry in document[kind]
        for requirement in entry.get("requirements", ())
    }
    assert named
    assert named - CATALOGUE.requirements.keys() == set()


def test_every_published_operation_on_threads_and_runs_is_accounted_for() -> None:
    published = load_published()
    on_threads = [
        each
        for each in (*published["operations"], *published["other_operations"])
        if each.partition(" ")[2].startswith(("/threads", "/runs"))
    ]
    left_out = " ".join(f"{each.what} {each.source}" for each in CATALOGUE.left_out)
    sources = " ".join(
        source for each in CATALOGUE.requirements.values() for source in each.sources
    )
    covered = {f"{each.method} {each.path}" for each in OPERATIONS}
    open_ones = [
        each
        for each in on_threads
        if not (_names(left_out, each) or (each in covered and _names(sources, each)))
    ]
    assert open_ones == []


def test_what_the_documents_show_cites_no_operation_that_they_do_not_show() -> None:
    """A documented requirement that is not supported is undecided, and the run incomplete."""
    documented = {
        f"{each.method} {each.path}" for each in OPERATIONS if each.profile == "documented"
    }
    others = {f"{each.method} {each.path}" for each in OPERATIONS} - documented
    cited = {
        (each.id, operation)
        for each in CATALOGUE.requirements.values()
        if each.profile == "documented"
        for source in each.sources
        for operation in others
        if source.startswith("published OpenAPI") and _names(source, operation)
    }
    assert cited == set()


def _names(text: str, operation: str) -> bool:
    """Whether the text names the operation, and not just one whose path goes on."""
    return re.search(re.escape(operation) + r"(?![\w/{])", text) is not None


def test_every_left_out_entry_has_a_reason() -> None:
    assert all(each.what and each.source and each.reason for each in CATALOGUE.left_out)


GOOD = """
[[requirement]]
id = "COPY-03"
title = "t"
statement = "A copy MUST be whole."
level = "MUST"
profile = "documented"
capability = "copy"
sources = ["s"]
"""


@pytest.fixture
def reading(tmp_path: Path) -> Callable[..., None]:
    def read(*texts: str) -> None:
        files = [tmp_path / f"{number}.toml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        read_catalogue(files)

    return read


def test_a_good_catalogue_is_read(reading: Callable[..., None]) -> None:
    reading(GOOD, GOOD.replace("COPY-03", "ERROR-ANY-01"))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('level = "MUST"', 'level = "must"', "level is one of MUST, SHOULD, MAY"),
        ('level = "MUST"', 'level = "MAY"', "does not use the verb MAY"),
        ("documented", "basic", "profile is one of documented, extended, full"),
        ("COPY-03", "copy-3", "an id looks like COPY-03"),
        ('["s"]', "[]", "names its sources"),
        ('title = "t"\n', "", "title"),
        ('id = "COPY-03"\n', "", "a requirement without id"),
        ('title = "t"', 'titel = "t"', "titel is not known here: use capability"),
    ],
)
def test_a_slip_is_refused(
    old: str, new: str, complaint: str, reading: Callable[..., None]
) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        reading(GOOD.replace(old, new))


def test_an_id_stands_once(reading: Callable[..., None]) -> None:
    with pytest.raises(CatalogueError, match=r"1\.toml: COPY-03 is defined twice"):
        reading(GOOD, GOOD)


def test_the_digest_tells_contents_apart(tmp_path: Path) -> None:
    file = tmp_path / "one.toml"
    digests = set()
    for text in (GOOD, GOOD.replace("whole", "full"), f"# comment\n{GOOD}"):
        file.write_text(text)
        digests.add(read_catalogue([file]).digest)
    assert len(digests) == 2
