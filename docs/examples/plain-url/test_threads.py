"""The deployment at $URL keeps what it promises of copies."""

import os

from conformance import RunVerdict, Verdict, run


def test_copies_are_as_promised() -> None:
    report = run(os.environ["URL"], requirements=["COPY-0[1-3]"])
    broken = [
        f"{each.id} {each.title}"
        for each in report.requirements
        if each.level == "MUST" and each.verdict is not Verdict.PASS
    ]
    assert report.verdict is RunVerdict.CONFORMANT, broken
