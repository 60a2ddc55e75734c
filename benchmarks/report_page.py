"""How long report.html takes: to be made, and to be opened in a browser.

    python benchmarks/report_page.py

The report has 500 requirements, each broken in 10 exchanges with long answers. The browser is
Debian's chromium; opening ends when the page has run its script and drawn its beginning.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from conformance.report.run.html import html_report
from tests.report_examples import large_report

_TIMES = 5
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
#: Milliseconds from the start of the navigation to the first paint, and to the end of the load.
_OPENED = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done([
    performance.getEntriesByName("first-contentful-paint")[0].startTime,
    performance.getEntriesByType("navigation")[0].loadEventEnd]))))"""


def main() -> None:
    """Print the figures."""
    report, requirements = large_report()
    made, page = [], ""
    for _ in range(_TIMES):
        started = time.process_time()
        page = html_report(report, requirements)
        made.append(time.process_time() - started)
    print(f"made in {median(made):.2f} s of one core; {len(page.encode()) / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        opened = []
        for _ in range(_TIMES):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            devtools = tab.context.new_cdp_session(tab)
            devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab.goto(file.as_uri())
            times = tab.evaluate(_OPENED)
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            spent = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
            opened.append((*(each / 1000 for each in times), spent))
            tab.close()
        browser.close()
    painted, loaded, spent = (median(each) for each in zip(*opened, strict=True))
    print(f"opened: first paint after {painted:.2f} s, loaded after {loaded:.2f} s")
    print(f"of which the page's own thread worked {spent:.2f} s")


if __name__ == "__main__":
    main()
