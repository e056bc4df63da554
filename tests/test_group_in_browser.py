"""The page of a group as a reader has it: in a browser, offline, with and without its script."""

from dataclasses import replace

import numpy as np
import pytest
from worlds.group_page import STRATEGIES, group_page

from bidsmask.reports.group.assemble import assemble_group

N = 40


@pytest.fixture(scope="module")
def values():
    return group_page(N, n_regions=20)


@pytest.fixture(scope="module")
def file(values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("group page")
    (folder / "group.html").write_text(assemble_group(values), encoding="utf-8")
    for number in range(1, N + 1):
        (folder / f"sub-{number:04d}.html").write_text(f"<title>report {number}</title>")
    return folder / "group.html"


@pytest.fixture
def page(open_page, file):
    page = open_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(file.as_uri())
    yield page
    assert page.complaints == []
    page.context.close()


def column(page, place):
    """Texts of a column of the table, of the rows that are shown."""
    return page.locator(f"#table tbody tr > :nth-child({place + 1})").all_inner_texts()


def head(page, label):
    return page.locator("#table thead button", has_text=label)


def choose(page, label, word):
    page.locator(".filters label", has_text=label).locator("select").select_option(label=word)


def test_it_asks_for_nothing_but_itself_and_every_picture_is_there(page):
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in page.requests) == 1
    pictures = page.evaluate("[...document.images].map(i => i.naturalWidth && i.alt)")
    assert len(pictures) >= 6
    assert all(pictures)


@pytest.mark.parametrize("width", [1280, 768, 375])
def test_nothing_hangs_over_the_edge(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_click_sorts_and_a_second_one_turns_it_round(page, values):
    fd = np.sort(values.runs.column("mean_fd").numbers)
    head(page, "mean FD").click()
    assert column(page, 3)[:4] == [f"{value:.3f}" for value in fd[:4]]
    head(page, "mean FD").click()
    assert column(page, 3)[:4] == [f"{value:.3f}" for value in fd[::-1][:4]]
    assert page.locator("#table th[aria-sort=descending]").inner_text().startswith("mean FD")


def test_what_is_not_known_is_last_whichever_way_it_is_sorted(page, values):
    n_known = int(np.isfinite(values.runs.column("dof_remaining").numbers).sum())
    assert n_known < len(values.runs)
    for _ in range(2):
        head(page, "ν").click()
        while page.locator("#after").is_enabled():
            page.locator("#after").click()
        assert column(page, 5)[-1] == "–"


def test_filters_narrow_the_table_and_are_taken_back(page, values):
    choose(page, "Strategy", "36P")
    choose(page, "Included", "no")
    n = int((~values.runs.included[1 :: len(STRATEGIES)]).sum())
    assert page.locator("#shown").inner_text() == f"{n} of {len(values.runs)} rows."
    assert set(column(page, 2)) == {"36P"}
    page.locator("#clear").click()
    assert page.locator("#shown").inner_text() == f"{len(values.runs)} rows."


def test_a_search_finds_a_run_by_parts_of_its_name(page):
    page.locator("#search").fill("0007 nback")
    assert set(column(page, 0)) == {"sub-0007"}
    assert len(column(page, 0)) == len(STRATEGIES)
    page.locator("#search").fill("nobody")
    assert column(page, 0) == []


def test_pages_hold_every_row_once(page, values):
    seen = []
    while True:
        seen += list(zip(column(page, 0), column(page, 1), column(page, 2), strict=True))
        if not page.locator("#after").is_enabled():
            break
        page.locator("#after").click()
    assert len(seen) == len(set(seen)) == len(values.runs)


def test_a_participant_leads_to_the_report(page):
    page.locator("#search").fill("sub-0007")
    page.locator("#table tbody a").first.click()
    assert page.title() == "report 7"


def test_a_dot_is_named_where_the_pointer_is_and_a_click_keeps_it(page, values):
    figure = page.locator(".strips[data-column=mean_fd]")
    figure.scroll_into_view_if_needed()
    highest = int(values.runs.column("mean_fd").numbers.argmax())
    page.mouse.move(*place_of(figure, highest))
    tip = page.locator("#tip")
    assert tip.locator("p").inner_text().splitlines() == [
        values.runs.names[highest],
        f"mean FD: {values.runs.column('mean_fd').numbers[highest]:.3f} mm",
    ]
    page.mouse.move(5, 5)
    assert tip.is_hidden()
    page.mouse.click(*place_of(figure, highest))
    page.mouse.move(5, 5)
    assert tip.is_visible()
    tip.locator("a").click()
    assert page.title() == f"report {highest // 2 // len(STRATEGIES) + 1}"


def place_of(figure, row):
    """Where on the screen the dot of a row is."""
    return figure.evaluate(
        """(figure, row) => {
            for (const path of figure.querySelectorAll(".dots")) {
                const n = path.dataset.rows.split(" ").indexOf(String(row));
                if (n < 0) continue;
                const [x, y] = path.getAttribute("d").split("M")[n + 1].split(/[ h]/).map(Number);
                const there = new DOMPoint(x, y)
                    .matrixTransform(figure.querySelector("svg").getScreenCTM());
                return [there.x, there.y];
            }
        }""",
        row,
    )


def test_the_keyboard_goes_from_the_lowest_dot_to_the_next_and_to_its_report(page, values):
    fd = values.runs.column("mean_fd").numbers
    order = np.argsort(fd[:: len(STRATEGIES)], kind="stable") * len(STRATEGIES)
    page.locator(".strips[data-column=mean_fd] .scroll").focus()
    for row in order[:3]:
        page.keyboard.press("ArrowRight")
        assert values.runs.names[row] in page.locator("#tip p").inner_text()
    page.keyboard.press("ArrowLeft")
    assert values.runs.names[order[1]] in page.locator("#tip p").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sub-*.html")
    assert page.url.endswith(values.runs.reports[order[1]])


def test_arrows_go_from_strategy_to_strategy_and_escape_leaves(page):
    page.locator(".strips[data-column=dof_remaining] .scroll").focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#tip p").inner_text()
    page.keyboard.press("ArrowDown")
    second = page.locator("#tip p").inner_text()
    assert first.splitlines()[0].split(", ")[1] != second.splitlines()[0].split(", ")[1]
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_what_is_chosen_in_the_table_is_marked_in_the_distributions(page):
    page.locator("#search").fill("sub-0007")
    figure = page.locator(".strips[data-column=dof_remaining]")
    marked = figure.evaluate(
        "f => [...f.querySelectorAll('.chosen')].map(p => p.getAttribute('d')).join('')"
    )
    assert marked.count("M") == 2 * len(STRATEGIES)
    page.locator("#clear").click()
    assert figure.locator(".chosen").count() == 0


def test_without_its_script_the_page_has_every_row_and_every_dot(browser, file, values):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("noscript tbody tr").count() == len(values.runs)
    assert page.locator("noscript tbody a").first.is_visible()
    assert page.locator("#table").is_hidden()
    assert page.locator(".scripted").first.is_hidden()
    assert page.locator(".strips svg").first.is_visible()
    context.close()


def test_words_can_be_told_from_their_ground(page):
    """At least 4.5 to 1, as WCAG 2.2 asks of text (1.4.3)."""
    page.locator("#search").fill("sub-0001")
    page.locator(".strips .scroll").first.focus()
    page.keyboard.press("ArrowRight")
    poor = page.evaluate(CONTRASTS)
    assert poor == []


CONTRASTS = """
(() => {
    const light = (colour) => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)") return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const said = (element) => [...element.childNodes]
        .some((node) => node.nodeType === 3 && node.textContent.trim());
    const words = "*:not(svg *, noscript, script, option, button:disabled)";
    return [...document.body.querySelectorAll(words)]
        .filter((element) => element.checkVisibility() && said(element))
        .map((element) => {
            const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            return [element.tagName, element.className, element.textContent.slice(0, 30), ratio];
        })
        .filter(([, , , ratio]) => ratio < 4.5);
})()
"""


def test_on_paper_there_are_no_controls_and_nothing_is_cut_off(page):
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert not page.locator(".pages").is_visible()
    assert page.locator("#table tbody tr").nth(40).is_visible()
    height = page.evaluate(
        "(() => { const t = document.querySelector('#table .tall');"
        " return t.scrollHeight - t.clientHeight })()"
    )
    assert height <= 1


def test_of_several_atlases_and_measures_one_is_shown_and_a_list_chooses(
    open_page, values, tmp_path
):
    coverage, means = values.coverage[0], values.connectivity[0]
    several = replace(
        values,
        coverage=(coverage, replace(coverage, atlas="Other atlas")),
        connectivity=(means, replace(means, of="Partial correlation " * 5)),
    )
    (tmp_path / "group.html").write_text(assemble_group(several), encoding="utf-8")
    page = open_page()
    page.goto((tmp_path / "group.html").as_uri())
    for section, title in (("coverage", "Other atlas"), ("connectivity", "Partial correlation")):
        figures = page.locator(f"#{section} figure")
        shown = [figure.is_visible() for figure in figures.all()]
        assert shown == [True] * (len(shown) // 2) + [False] * (len(shown) // 2)
        lists = page.locator(f"#{section} select")
        (label,) = (each for each in lists.locator("option").all_inner_texts() if title in each)
        lists.select_option(label=label)
        assert [not figure.is_visible() for figure in figures.all()] == shown
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.locator("#benchmarks select").count() == 0, "there is one only"
    assert page.complaints == []
    page.context.close()


def test_arrows_go_from_space_to_space(open_page, values, tmp_path):
    runs = values.runs
    places = ["fsLR" if "nback" in name else "MNI152NLin6Asym" for name in runs.names]
    several = replace(values, runs=replace(runs, places=places))
    (tmp_path / "group.html").write_text(assemble_group(several), encoding="utf-8")
    page = open_page()
    page.goto((tmp_path / "group.html").as_uri())
    assert "in 2 spaces" in page.locator(".lead").inner_text()
    page.locator(".strips[data-column=mean_fd] .scroll").focus()
    page.keyboard.press("ArrowRight")
    assert "rest" in page.locator("#tip p").inner_text()
    page.keyboard.press("ArrowDown")
    assert "nback" in page.locator("#tip p").inner_text()
    page.context.close()
