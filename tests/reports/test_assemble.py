import base64
import hashlib
import re
from dataclasses import replace

import pytest
from worlds.html import HOSTILE, Page

from bidsmask.reports.assemble import HEADINGS, _number, _percent, assemble_subject
from bidsmask.reports.summaries import SubjectReport


@pytest.fixture
def page(make_report, figures_dir):
    return lambda *args, **kwargs: Page(
        assemble_subject(make_report(*args, **kwargs), figures_dir)
    )


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_texts_appear_only_as_text(word, page, make_report, figures_dir):
    harmless, hostile = page("words"), page(word)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    for (_, attributes), (_, expected) in zip(hostile.elements, harmless.elements, strict=True):
        assert attributes.keys() == expected.keys()
    html = assemble_subject(make_report(word), figures_dir)
    assert not set(html) & set("\u2028\u2029\u202e\x00")
    visible = re.sub("[\u2028\u2029\u202e\x00]", "\N{REPLACEMENT CHARACTER}", word)
    assert visible in "".join(hostile.texts)


def test_a_page_runs_nothing_and_loads_nothing(make_report, figures_dir):
    html = assemble_subject(make_report(), figures_dir)
    page = Page(html)
    assert "http" not in re.sub(r"http-equiv", "", re.sub(r'src="data:[^"]*"', "", html))
    assert not {"script", "link", "object", "iframe", "form", "base"} & {
        tag for tag, _ in page.elements
    }
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert attributes.get("href", "#").startswith("#")


def test_the_policy_admits_our_style_and_nothing_else(make_report, figures_dir):
    html = assemble_subject(make_report(), figures_dir)
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [
        attributes["content"]
        for attributes in Page(html).all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    ]
    assert "url(" not in style
    assert "@import" not in style


def test_the_same_values_give_the_same_bytes(make_report, figures_dir):
    first = assemble_subject(make_report(), figures_dir)
    assert assemble_subject(make_report(), figures_dir) == first


def test_a_report_read_back_from_json_gives_the_same_page(make_report, figures_dir):
    report = make_report()
    again = SubjectReport.from_json(report.to_json())
    assert assemble_subject(again, figures_dir) == assemble_subject(report, figures_dir)


def test_every_link_leads_somewhere_and_no_place_is_named_twice(page):
    found = page()
    targets = {attributes["href"][1:] for attributes in found.all("a")}
    assert targets <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    labels = {attributes.get("aria-labelledby") for _, attributes in found.elements} - {None}
    assert labels <= set(found.ids)


def test_pictures_have_alternatives_and_tables_have_headers(page):
    found = page()
    assert all(attributes["alt"].strip() for attributes in found.all("img"))
    assert all(attributes.get("scope") for attributes in found.all("th"))
    assert len(found.all("table")) == len(found.all("thead"))
    assert found.all("html") == [{"lang": "en"}]


def test_figures_are_embedded_byte_for_byte(page, figures_dir):
    source = page().all("img")[0]["src"]
    content = base64.b64decode(source.removeprefix("data:image/svg+xml;base64,"))
    assert content == (figures_dir / "motion.svg").read_bytes()


@pytest.mark.parametrize(
    ("n_sections", "n_failures", "banner"),
    [
        (1, 0, "The run is complete."),
        (3, 0, "All 3 runs are complete."),
        (2, 1, "1 of 3 runs failed. The other 2 are complete."),
        (1, 1, "1 of 2 runs failed. The other one is complete."),
        (0, 2, "2 of 2 runs failed."),
        (0, 1, "1 of 1 run failed."),
        (0, 0, "No run."),
    ],
)
def test_the_banner_says_how_it_went(n_sections, n_failures, banner, page):
    assert banner in page(n_sections=n_sections, n_failures=n_failures).text


def test_failures_are_letters_before_everything_else(page):
    text = page().text
    letter = text.index("Stopped at load_confounds")
    assert text.index("The table has 241 rows") > letter
    assert letter < text.index("At a glance")


def test_the_table_at_a_glance_has_the_numbers_of_each_run(page):
    text = page(n_sections=1).text
    row = text[text.index("At a glance") : text.index("Input files")]
    for number in ("0.15 mm", "61.8", "1 of 400", "288 of 300", "159.5", "failed at"):
        assert number in row


def test_unknown_numbers_are_dashes(make_report, make_section, figures_dir):
    bare = replace(
        make_section(), mean_fd_mm=None, median_tsnr=None, atlases=(), strategies=(), figures=()
    )
    report = replace(make_report(n_failures=0), sections=(bare,))
    assert "– – – – – –" in Page(assemble_subject(report, figures_dir)).text


def test_every_known_figure_has_a_note_on_how_to_read_it(make_report, make_section, figures_dir):
    from bidsmask.reports import figures

    notes = {kind: note for heading in HEADINGS for kind, note in heading.notes.items()}
    assert notes.keys() == set(figures.__all__)
    drawn = make_section().figures[0]
    section = replace(
        make_section(), figures=tuple(replace(drawn, key=f"{kind}.x") for kind in notes)
    )
    page = Page(assemble_subject(replace(make_report(), sections=(section,)), figures_dir))
    assert all(note in page.text for note in notes.values())
    assert page.text.count("How to read this") == len(notes)


def test_a_figure_of_an_unknown_kind_is_shown_all_the_same(page):
    found = page(n_sections=1)
    assert "Other figures" in found.text
    assert len(found.all("img")) == 2


def test_a_missing_figure_is_an_error(make_report, figures_dir):
    (figures_dir / "motion.svg").unlink()
    with pytest.raises(FileNotFoundError):
        assemble_subject(make_report(), figures_dir)


@pytest.mark.parametrize("image", ["../secret.svg", "/etc/passwd", "motion.html", "sub/a.svg"])
def test_figures_come_from_their_folder_and_are_pictures(
    image, make_report, make_section, figures_dir
):
    figure = replace(make_section().figures[0], image=image)
    section = replace(make_section(), figures=(figure,))
    with pytest.raises(ValueError, match="The figure"):
        assemble_subject(replace(make_report(), sections=(section,)), figures_dir)


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [(0, 1, "0 %"), (0.004, 1, "<1 %"), (0.5, 1, "50 %"), (0.995, 1, ">99 %"), (1, 1, "100 %"),
     (0, 0, "–")],
)  # fmt: skip
def test_only_nothing_reads_zero_and_only_all_reads_100(part, whole, written):
    assert _percent(part, whole) == written


def test_numbers_are_written_as_people_do():
    assert _number(None) == "–"
    assert _number(160.0) == "160"
    assert _number(159.52) == "159.5"
    assert _number(0.1, 2) == "0.10"
