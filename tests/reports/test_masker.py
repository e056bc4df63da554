import base64
import dataclasses
import re

import numpy as np
import pytest

from bidsmask.reports.masker import (
    Glass,
    MaskerSummary,
    Parameter,
    Region,
    Run,
    Signals,
    View,
    masker_html,
)
from bidsmask.reports.summaries import Fact


def _codes():
    codes = np.zeros((8, 9, 7), dtype=int)
    codes[2:5, 2:5, 2:5], codes[5:7, 5:7, 3:5] = 1, 2
    return codes


def _run(title="Signals of the last run", n_kept=18, **more):
    rng = np.random.default_rng(0)
    kept = np.arange(20) < n_kept
    signals = Signals(
        values=rng.normal(size=(n_kept, 2)).astype(np.float32),
        names=("V1", "V2"),
        kept=kept,
        t_r=2.0,
        n_columns=2,
    )
    return Run(title=title, signals=signals, **more)


@pytest.fixture
def summary():
    rng = np.random.default_rng(0)
    return MaskerSummary(
        title="A masker",
        masker="NiftiLabelsMasker",
        unit="region",
        warnings=("Something <b>odd</b>.",),
        reference=rng.uniform(size=(8, 9, 7)),
        affine=np.diag([2.0, 2, 2, 1]),
        views=(
            View(title="Map 0", caption="First.", codes=_codes(), mark="0"),
            View(title="Map 1", caption="Second.", codes=_codes(), mark="1"),
        ),
        regions=(
            Region(label="3", name="V1", size=216, share=0.75, coverage=0.5),
            Region(label="5", name="V2", size=72, share=0.25, coverage=0, lost="hidden"),
        ),
        beneath="Beneath the outlines: noise.",
        runs=(_run(),),
        parameters=(
            Parameter(name="mask_img", value="x.nii", details=(Fact(label="Type", value="int8"),)),
        ),
    )


def test_the_same_value_gives_the_same_page(summary):
    assert masker_html(summary) == masker_html(summary)


def test_a_page_runs_no_script_and_loads_nothing(summary):
    page = masker_html(summary)
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert set(re.findall(r'(?:src|href)="(data:|#|[^"]{0,8})', page)) <= {"data:", "#"}


def test_parameters_are_folded_away(summary):
    folded = masker_html(summary).split('id="parameters"')[1]
    assert folded.index("<details>") < folded.index("<table")
    assert "1 parameters of" in folded
    assert "of which 0 were set" in folded
    assert '<tr class="default">' in folded


def test_maps_and_spheres_have_an_overview(summary):
    glass = Glass(
        caption="From three sides.",
        strongest=summary.views[0].codes,
        strength=(summary.views[0].codes > 0).astype(float),
        names=("V1", "V2"),
        lost=(2,),
    )
    page = masker_html(dataclasses.replace(summary, unit="map", glass=glass))
    assert "<h4>Glass brain</h4>" in page
    assert "From three sides." in page
    assert "lost: V2" in svg_texts(page)


def test_an_overview_of_nothing_is_left_out(summary):
    nothing = np.zeros(summary.views[0].codes.shape, int)
    glass = Glass(caption="", strongest=nothing, strength=nothing.astype(float), names=())
    assert "Glass brain" not in masker_html(dataclasses.replace(summary, glass=glass))


def test_texts_from_outside_are_escaped(summary):
    assert "Something &lt;b&gt;odd&lt;/b&gt;." in masker_html(summary)


def buttons(page, group):
    return re.findall(rf'<input type="radio" name="{group}"[^>]*>', page)


def test_every_view_has_a_button_and_the_first_is_shown(summary):
    page = masker_html(summary)
    found = buttons(page, "page")
    assert ["checked" in button for button in found] == [True, False]
    assert all(f'id="page-{number}"' in page for number in (1, 2))


def test_every_page_leads_to_the_next_and_the_last_to_the_first(summary):
    page = masker_html(summary)
    assert re.findall(r'<label for="(page-\d)">', page) == ["page-2", "page-2", "page-1", "page-1"]


def test_a_single_view_needs_no_buttons(summary):
    assert not buttons(masker_html(dataclasses.replace(summary, views=summary.views[:1])), "page")


def test_the_table_can_be_read_in_several_orders(summary):
    page = masker_html(summary)
    assert len(buttons(page, "order")) == 3
    tables = page.split("<tbody>")[1:4]
    first = [re.search(r'<th scope="row">(\w+)', table)[1] for table in tables]
    assert first == ["V1", "V2", "V1"]  # by label, by coverage, by size


def test_a_table_of_one_region_has_one_order(summary):
    page = masker_html(dataclasses.replace(summary, regions=summary.regions[:1]))
    assert not buttons(page, "order")


def test_what_lies_beneath_the_outlines_is_said(summary):
    assert "Beneath the outlines: noise." in masker_html(summary)


def test_several_runs_have_a_page_each_and_a_table(summary):
    runs = (
        _run("Run 1: a.nii", lost=("V2: hidden here",)),
        _run("Run 2: b.nii", n_kept=20, warnings=("It was <loud>.",)),
        _run("Run 3: c.nii", n_kept=1),
    )
    page = masker_html(dataclasses.replace(summary, runs=runs))
    assert len(buttons(page, "run")) == 3
    for words in ("Run 1: a.nii", "18 of 20", "20 of 20", "1 of 20", "V2: hidden here"):
        assert words in page
    assert "It was &lt;loud&gt;." in page
    assert page.count("There is no signal to draw") == 1


def test_colours_of_regions_and_of_the_background_are_drawn(summary):
    plain = masker_html(summary)
    view = dataclasses.replace(
        summary.views[0],
        colours=np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8),
        key=(("the first", 1),),
    )
    painted = masker_html(dataclasses.replace(summary, views=(view,)))
    assert "the first" in svg_texts(painted)
    assert "region outline" in svg_texts(plain)
    assert "region outline" not in svg_texts(painted)
    shades = np.zeros((22, 3), np.uint8)
    assert masker_html(dataclasses.replace(summary, shades=shades)) != plain


def svg_texts(page):
    found = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    return "".join(base64.b64decode(each).decode() for each in found)


def test_the_table_says_size_share_coverage_and_what_is_lost(summary):
    page = masker_html(summary)
    for text in ("V1", "216", "75.0 %", "50 %", "1 of 2 without a signal", "hidden"):
        assert text in page


def test_a_summary_of_nothing_has_its_notes_and_parameters_only(summary):
    bare = MaskerSummary(title="Bare", masker="NiftiMasker", unit="voxel", notes=("Not fitted.",))
    page = masker_html(bare)
    assert "Not fitted." in page
    assert "<figure>" not in page


def test_few_rows_of_signals_have_their_names_and_many_have_none(summary):
    assert svg_texts(masker_html(summary)).count(">V1<") == 2  # beside its row, above its line
    many = dataclasses.replace(
        _run().signals, values=np.random.default_rng(0).normal(size=(18, 20)), names=("V1",) * 20
    )
    run = Run(title="A run", signals=many)
    page = masker_html(dataclasses.replace(summary, runs=(run,)))
    assert svg_texts(page).count(">V1<") == 3  # above lines


def test_signals_of_a_single_volume_are_not_drawn(summary):
    one = dataclasses.replace(summary, runs=(_run(n_kept=1),))
    assert "<figure>\n      <h4>Signals" in masker_html(summary)
    assert 'id="signals"' not in masker_html(one)
