"""The app keeps what it promises of creating threads."""

from app import app

from conformance import RunVerdict, run


def test_threads_are_created_as_promised() -> None:
    report = run(app, requirements=["CREATE-01", "CREATE-02"])
    assert report.verdict is RunVerdict.CONFORMANT
