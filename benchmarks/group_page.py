"""The page of a group at its largest: bytes, seconds to write it, milliseconds until it answers.

``python -m benchmarks.group_page`` makes the page of a simulated group (1,000 participants, 2
runs, 4 strategies, 400 regions by default) and opens it in Chromium (``BIDSMASK_BROWSER``),
offline, from a file: milliseconds until its script has run and a click would be answered, and of
one filter and one sort. Each is the median of five; seconds to write are of the processor.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from worlds.group_page import group_page

from bidsmask.reports.group.assemble import assemble_group

READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
FILTER = """() => { const from = performance.now();
    const list = document.querySelectorAll('.filters select')[2];
    list.value = '1'; list.dispatchEvent(new Event('change'));
    document.body.offsetHeight; return performance.now() - from; }"""
SORT = """() => { const from = performance.now();
    document.querySelectorAll('#table thead button')[3].click();
    document.body.offsetHeight; return performance.now() - from; }"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--participants", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=400)
    asked = parser.parse_args()
    values = group_page(asked.participants, n_regions=asked.regions)
    before = time.process_time()
    html = assemble_group(values)
    sys.stdout.write(f"{len(values.runs)} rows: {time.process_time() - before:.2f} s to write\n")
    sys.stdout.write(f"{len(html.encode()) / 1e6:.2f} MB\n")
    browser = os.environ.get("BIDSMASK_BROWSER") or shutil.which("chromium")
    if browser:
        in_browser(html, browser)


def in_browser(html: str, browser: str) -> None:
    """Print how long a reader waits."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "group.html"
        file.write_text(html, encoding="utf-8")
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        found: dict[str, list[float]] = {"until it answers": [], "filter": [], "sort": []}
        for _ in range(5):
            page = chromium.new_context(offline=True).new_page()
            page.goto(file.as_uri())
            for name, code in zip(found, (READY, FILTER, SORT), strict=True):
                found[name].append(page.evaluate(code))
            page.context.close()
        for name, times in found.items():
            sys.stdout.write(f"{name}: {statistics.median(times):.0f} ms\n")
        chromium.close()


if __name__ == "__main__":
    main()
