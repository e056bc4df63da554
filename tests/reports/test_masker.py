import dataclasses
import re

import numpy as np
import pytest

from bidsmask.reports.masker import MaskerSummary, Parameter, Region, Signals, View, masker_html
from bidsmask.reports.summaries import Fact


def _codes():
    codes = np.zeros((8, 9, 7), dtype=int)
    codes[2:5, 2:5, 2:5], codes[5:7, 5:7, 3:5] = 1, 2
    return codes


@pytest.fixture
def summary():
    rng = np.random.default_rng(0)
    kept = np.ones(20, dtype=bool)
    kept[3:5] = False
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
            Region(label="3", name="V1", size_mm3=216, share=0.75, coverage=0.5),
            Region(label="5", name="V2", size_mm3=72, share=0.25, coverage=0, lost="hidden"),
        ),
        signals=Signals(
            values=rng.normal(size=(18, 2)).astype(np.float32),
            names=("V1", "V2"),
            kept=kept,
            t_r=2.0,
            n_columns=2,
        ),
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


def test_texts_from_outside_are_escaped(summary):
    assert "Something &lt;b&gt;odd&lt;/b&gt;." in masker_html(summary)


def test_every_view_has_a_button_and_the_first_is_shown(summary):
    page = masker_html(summary)
    buttons = re.findall(r'<input type="radio"[^>]*>', page)
    assert ["checked" in button for button in buttons] == [True, False]
    assert all(f'id="page-{number}"' in page for number in (1, 2))


def test_a_single_view_needs_no_buttons(summary):
    page = masker_html(dataclasses.replace(summary, views=summary.views[:1]))
    assert '<input type="radio"' not in page


def test_the_table_says_size_share_coverage_and_what_is_lost(summary):
    page = masker_html(summary)
    for text in ("V1", "216", "75.0 %", "50 %", "1 of 2 without a signal", "hidden"):
        assert text in page


def test_a_summary_of_nothing_has_its_notes_and_parameters_only(summary):
    bare = MaskerSummary(title="Bare", masker="NiftiMasker", unit="voxel", notes=("Not fitted.",))
    page = masker_html(bare)
    assert "Not fitted." in page
    assert "<figure>" not in page


def test_signals_of_a_single_volume_are_not_drawn(summary):
    one = dataclasses.replace(
        summary.signals, values=summary.signals.values[:1], kept=np.ones(1, dtype=bool)
    )
    assert 'id="signals"' not in masker_html(dataclasses.replace(summary, signals=one))
