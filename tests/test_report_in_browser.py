"""The report as a reader has it: in a browser, offline, on a laptop and on a telephone."""

import os

import pytest

from bidsmask.cli.main import main


@pytest.fixture(scope="module")
def page(small_dataset, tmp_path_factory):
    """A report opened offline, with all that it asked for and complained about."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser_path = os.environ.get("BIDSMASK_BROWSER")
    if not browser_path:
        pytest.skip("no browser: set BIDSMASK_BROWSER to the path of Chromium")
    folder = tmp_path_factory.mktemp("browser")
    request = [str(small_dataset.root), str(folder / "out"), "participant"]
    what = ["--atlases", str(small_dataset.atlas), "--strategies", "simple", "24P"]
    assert main([*request, *what, "--participant-label", "01"]) == 0
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        page = browser.new_context(offline=True).new_page()
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((folder / "out" / "sub-01.html").as_uri())
        yield page
        browser.close()


def test_the_report_asks_for_nothing_but_itself(page):
    outside = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert sum(url.startswith("file:") for url in page.requests) == 1


def test_the_browser_has_nothing_to_complain_about(page):
    assert page.complaints == []


def test_every_picture_is_there_and_has_words(page):
    pictures = page.evaluate(
        "[...document.images].map(i => ({width: i.naturalWidth, alt: i.alt}))"
    )
    assert len(pictures) >= 9
    assert all(picture["width"] > 0 and picture["alt"] for picture in pictures)


@pytest.mark.parametrize("width", [1280, 768, 375])
def test_nothing_hangs_over_the_edge(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_link_leads_to_a_place_on_the_page(page):
    broken = page.evaluate(
        "[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"
        ".filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"
    )
    assert broken == []
