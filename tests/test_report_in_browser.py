"""Reports as a reader has them: in a browser, offline, on a laptop and on a telephone."""

import re

import nibabel as nib
import numpy as np
import pytest

import bidsmask
from bidsmask.cli.main import main
from bidsmask.maskers.report.kept import seen_of_run


@pytest.fixture(scope="module")
def page(open_page, small_dataset, tmp_path_factory):
    """Report of a subject."""
    folder = tmp_path_factory.mktemp("browser")
    request = [str(small_dataset.root), str(folder / "out"), "participant"]
    what = [
        "--atlases",
        str(small_dataset.atlas),
        "--strategies",
        "simple",
        "24P",
        "--min-dof",
        "0",
    ]
    assert main([*request, *what, "--participant-label", "01"]) == 0
    page = open_page()
    page.goto((folder / "out" / "sub-01.html").as_uri())
    return page


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


# Reports of maskers


SHAPE = (12, 14, 12)
KINDS = ("mask", "labels", "maps", "spheres", "runs")


def image(array):
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -24
    return nib.Nifti1Image(array, affine, dtype=array.dtype)


def balls():
    """Three balls (3, X, Y, Z) of weights that fall off from 1 at their centres."""
    places = np.indices(SHAPE)[None]
    centres = np.array([(4, 4, 4), (8, 8, 6), (5, 10, 7)])[:, :, None, None, None]
    return np.exp(-((places - centres) ** 2).sum(axis=1) / 6).astype(np.float32)


def series(seed=0):
    return image(np.random.default_rng(seed).normal(100, 5, size=(*SHAPE, 30)).astype(np.float32))


def labels_masker(kind):
    weights = balls()
    labels = np.where(weights.max(axis=0) > 0.3, 1 + weights.argmax(axis=0), 0).astype(np.int16)
    mask = np.ones(SHAPE, np.uint8)
    mask[:, 8:] = 0
    names = ["at the back", "in the middle", "in front"]
    return kind(image(labels), labels=names, mask_img=image(mask), keep_empty=True)


def masker_of(kind):
    """Fit and transform a masker of each kind."""
    if kind == "mask":
        masker = bidsmask.NiftiMasker(image((balls().max(axis=0) > 0.1).astype(np.uint8)))
    elif kind == "labels":
        masker = labels_masker(bidsmask.NiftiLabelsMasker)
    elif kind == "maps":
        masker = bidsmask.NiftiMapsMasker(image(np.moveaxis(balls(), 0, -1)))
    elif kind == "spheres":
        masker = bidsmask.NiftiSpheresMasker([(-8, -8, -8), (8, 8, 0), (-4, 16, 4)], radius=8)
    else:
        return masker_of_runs()
    masker.fit().transform(series(), sample_mask=np.arange(4, 30))
    return masker


def masker_of_runs():
    masker = labels_masker(bidsmask.MultiNiftiLabelsMasker).fit()
    seen = []
    for seed in range(3):
        masker.transform([series(seed)], sample_mask=[np.arange(seed, 30)])
        seen.append(seen_of_run(masker))
    masker._seen_runs_ = tuple(seen)
    return masker


@pytest.fixture(scope="module", params=KINDS)
def any_report(request):
    return masker_of(request.param).generate_report()


@pytest.fixture(scope="module")
def show(open_page, tmp_path_factory):
    """Show a report as a file."""

    def shown(report):
        path = tmp_path_factory.mktemp("masker") / "report.html"
        report.save_as_html(path)
        page = open_page()
        page.goto(path.as_uri())
        return page

    return shown


@pytest.fixture
def embed(open_page):
    """Show a report in a page of its own, as Jupyter does."""

    def shown(report):
        page = open_page()
        output = f"<div>{report._repr_html_()}</div>"
        page.set_content(f"<!DOCTYPE html><title>Notebook</title><p>In [1]:</p>{output}")
        return page

    return shown


def titles(section):
    """Titles of the pages of a pager that can be seen."""
    return section.locator(".pager > figure:visible h4").all_inner_texts()


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("maps", ["Map 0", "Map 1", "Map 2"]),
        ("spheres", ["All spheres", "Sphere 0", "Sphere 1", "Sphere 2"]),
    ],
)
def test_a_click_turns_the_page_forth_and_back_and_round(show, kind, pages):
    where = show(masker_of(kind).generate_report()).locator("#where")
    assert titles(where) == pages[:1]
    for title in [*pages[1:], pages[0]]:
        where.locator("label:visible", has_text="next").click()
        assert titles(where) == [title]
    where.locator("label:visible", has_text="previous").click()
    assert titles(where) == pages[-1:]


def test_each_page_shows_another_picture(show):
    where = show(masker_of("maps").generate_report()).locator("#where")
    pictures = set()
    for number in (1, 2, 3):
        where.locator(f"#page-{number}").click()
        pictures.add(where.locator(".pager figure:visible img").get_attribute("src"))
    assert len(pictures) == 3


def test_what_turns_the_page_stays_where_it_is(show):
    page = show(masker_of("spheres").generate_report())
    turn = page.locator("#where label:visible", has_text="next")
    turn.scroll_into_view_if_needed()
    before = turn.bounding_box()
    turn.click()
    assert turn.bounding_box() == before


def test_the_keyboard_turns_the_page(show):
    page = show(masker_of("maps").generate_report())
    where = page.locator("#where")
    while page.evaluate("document.activeElement.id") != "page-1":
        page.keyboard.press("Tab")
    for key, title in (("ArrowRight", "Map 1"), ("ArrowDown", "Map 2"), ("ArrowLeft", "Map 1")):
        page.keyboard.press(key)
        assert titles(where) == [title]


def test_runs_are_paged_through_apart_from_the_rest(show):
    page = show(masker_of("runs").generate_report())
    runs = page.locator("#signals")
    assert "28 of 30" in runs.locator("table").inner_text()
    runs.locator("#run-3").click()
    assert titles(runs)[0].startswith("Run 3")
    runs.locator("label:visible", has_text="next").click()
    assert titles(runs)[0].startswith("Run 1")
    assert re.search(r"in front.* lies inside the mask", runs.inner_text())


def test_the_table_is_sorted_by_a_click(show):
    regions = show(masker_of("labels").generate_report()).locator("#regions")
    rows = regions.locator("figure:visible tbody th")
    assert rows.first.inner_text() == "at the back"
    regions.locator("input[data-page='by coverage']").click()
    assert rows.first.inner_text().startswith("in front")


def test_a_masker_s_report_asks_for_nothing_and_complains_of_nothing(show, any_report):
    page = show(any_report)
    for button in page.locator("input[type=radio]").all():
        button.click()
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    pictures = page.evaluate("[...document.images].map(i => i.naturalWidth && i.alt)")
    assert pictures
    assert all(pictures)


def test_a_masker_s_report_works_in_a_notebook(embed):
    page = embed(masker_of("maps").generate_report())
    report = page.frame_locator("iframe")
    where = report.locator("#where")
    where.locator("label:visible", has_text="next").click()
    assert titles(where) == ["Map 1"]
    assert where.locator(".pager figure:visible img").evaluate("image => image.naturalWidth") > 0
    report.locator("nav a", has_text="Parameters").click()
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(report.locator("#parameters-title")).to_be_in_viewport()
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("about:", "data:"))] == []


@pytest.mark.parametrize("width", [400, 1400])
def test_a_masker_s_report_can_be_read_at_any_width(show, any_report, width):
    page = show(any_report)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SMALLEST_TEXT) >= 11
    for picture in page.locator("img:visible").all():
        assert picture.bounding_box()["width"] >= 600  # what is wider than the page is scrolled


SMALLEST_TEXT = """
Math.min(...[...document.body.querySelectorAll("*")]
    .filter(element => element.checkVisibility() && element.innerText)
    .map(element => parseFloat(getComputedStyle(element).fontSize)))
"""
