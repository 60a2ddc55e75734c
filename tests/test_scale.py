"""`run --scale N`: when its checks are made, what they need, and how the growth of time is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.checks.scale import Growth, page_limit, sizes
from conformance.cli import cli
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.contract.catalogue import SCALE_CAPABILITY, load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import GraphSettings, Settings
from conformance.report.record import Report, load_report
from conformance.runner.selection import selected_requirements
from conformance.runner.session import run_suite
from tests.conftest import command, threads_of

MakeSettings = Callable[..., Settings]
SCALED = frozenset(
    each.id
    for each in load_catalogue().requirements.values()
    if each.capability == SCALE_CAPABILITY
)


def run(settings: Settings) -> Report:
    return run_suite(settings, identify_deployment(settings))


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ({"profile": "full"}, frozenset()),
        ({"profile": "full", "scale": 20}, SCALED),
        ({"profile": "extended", "scale": 20}, frozenset()),
        ({"profile": "full", "requirements": ("SCALE-01",)}, {"SCALE-01"}),
        ({"profile": "full", "capabilities": (SCALE_CAPABILITY,)}, SCALED),
        ({"profile": "full", "scale": 20, "capabilities": ("copy",)}, frozenset()),
    ],
)
def test_scale_is_judged_only_where_it_was_asked_for(
    options: dict[str, object], selected: frozenset[str], settings_for: MakeSettings
) -> None:
    settings = settings_for("http://deployment", **options)
    assert selected_requirements(settings, load_catalogue()) & SCALED == selected


@pytest.mark.slow
def test_without_the_option_it_is_not_run_and_the_option_is_named(
    reference: str, settings_for: MakeSettings
) -> None:
    report = run(settings_for(reference, profile="full", capabilities=(SCALE_CAPABILITY,)))
    assert {each.verdict for each in report.requirements} == {Verdict.NOT_RUN}
    assert all("--scale N" in each.reason for each in report.checks)
    assert report.run.requests == 0


@pytest.mark.slow
def test_the_reference_keeps_its_promises_at_any_number(tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "--scale", "44", "--requirement", "SCALE-*", "-n", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = load_report(tmp_path / "reports" / "selection" / "report.json")
    assert {each.id for each in report.requirements} == SCALED
    for check in report.checks:
        assert check.verdict is Verdict.PASS
        assert "at 11, 22, 44: " in check.reason
    assert report.cleanup.created == report.cleanup.removed > 3 * 44
    assert report.cleanup.left == ()


@pytest.mark.slow
def test_a_graph_without_a_channel_that_is_replaced_blocks(
    reference: str, settings_for: MakeSettings
) -> None:
    settings = settings_for(
        reference,
        profile="full",
        requirements=("SCALE-01", "SCALE-04"),
        scale=20,
        graph=GraphSettings(replacing=()),
    )
    report = run(settings)
    verdicts = {each.id: each.verdict for each in report.requirements}
    assert verdicts == {"SCALE-01": Verdict.BLOCKED, "SCALE-04": Verdict.PASS}
    assert any("`replacing`" in each.reason for each in report.checks)
    assert not threads_of(reference)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--profile", "full", "--scale", "19"), "19 is not in the range x>=20"),
        (("--scale", "20"), "add --profile full"),
        (("--profile", "full", "--capability", "copy", "--scale", "20"), "add --profile full"),
        (("--url", "http://127.0.0.1:1", "--read-only", "--scale", "20"), "exclude each other"),
    ],
)
def test_wrong_usage_says_what_to_do(
    options: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli, ["run", *options])
    assert ended.exit_code == 2
    assert told in " ".join(ended.output.split())


@pytest.mark.parametrize(
    ("scale", "at", "limit"),
    [(20, [5, 10, 20], 5), (1000, [250, 500, 1000], 250), (10**5, [25000, 50000, 10**5], 1000)],
)
def test_there_are_several_sizes_and_several_pages(scale: int, at: list[int], limit: int) -> None:
    assert sizes(scale) == at
    assert page_limit(scale) == limit <= LONGEST_PAGE


def test_time_is_told_for_each_state_and_whether_it_grows_with_their_number() -> None:
    growth = Growth("copying", "state")
    growth.add(1000, 1.5)
    growth.add(250, 0.5)
    assert str(growth) == "copying: 2, 1.5 ms per state at 250, 1,000: linear"
    growth.add(1000, 5.0)
    assert str(growth).endswith(
        "2, 5 ms per state at 250, 1,000: not linear, 2.5 times as long each"
    )


def test_what_is_measured_is_returned() -> None:
    growth = Growth("counting", "thread")
    assert growth.measured(7, lambda: "counted") == "counted"
    assert str(growth).startswith("counting: ")
    assert " ms per thread at 7: linear" in str(growth)
