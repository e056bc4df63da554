import itertools
import re

import pytest

from bidsmask.numerics.connectivity import MEASURES
from bidsmask.reports.methods import (
    AtlasMethods,
    StrategyMethods,
    citation_bibtex,
    citation_markdown,
    methods_text,
)


def strategy(**changes):
    values = {
        "name": "36P",
        "description": "Thirty-six columns were regressed.",
        "reference": "Satterthwaite et al. (2013). An improved framework.",
        "reference_doi": "10.1016/j.neuroimage.2012.08.052",
        "detrend": True,
        "filter": "butterworth",
        "high_pass_hz": 0.01,
        "low_pass_hz": 0.08,
        "standardize": "zscore",
    }
    return StrategyMethods(**values | changes)


def described(*strategies, **changes):
    values = {
        "version": "1.0",
        "fmriprep_version": "24.1.0",
        "atlases": [AtlasMethods(name="Schaefer2018_scale-400", n_regions=400)],
        "strategies": strategies,
        "measures": ["correlation"],
        "statistic": "mean",
        "smoothing_fwhm_mm": 0.0,
        "min_coverage": 0.5,
        "censor_output": "na",
    }
    return methods_text(**values | changes)


def words(methods):
    return "\n".join(methods.paragraphs)


def keys(methods):
    return {work.key for work in methods.works}


@pytest.mark.parametrize(
    ("filter_", "detrend", "standardize", "fd", "has_confounds"),
    list(itertools.product(
        ["butterworth", "none"], [True, False], ["zscore", "psc", "none"], [None, 0.5],
        [True, False],
    )),
)  # fmt: skip
def test_only_what_was_done_is_said(filter_, detrend, standardize, fd, has_confounds):
    text = words(
        described(
            strategy(
                filter=filter_,
                detrend=detrend,
                standardize=standardize,
                fd_threshold_mm=fd,
                has_confounds=has_confounds,
            )
        )
    )
    assert ("Butterworth" in text) == (filter_ == "butterworth")
    assert ("straight line were removed" in text) == detrend
    assert ("sample standard deviation" in text) == (standardize == "zscore")
    assert ("percent change" in text) == (standardize == "psc")
    assert ("framewise displacement of 0.5 mm (Power et al., 2012)" in text) == (fd is not None)
    assert ("confounds were regressed" in text) == has_confounds


def test_what_is_cited_is_listed_and_what_is_listed_is_cited():
    methods = described(strategy(fd_threshold_mm=0.5, std_dvars_threshold=1.5))
    text = words(methods)
    assert "[@" not in text
    for work in methods.works:
        assert f"({work.citation})" in text
    assert len(re.findall(r"\([^()]+, (?:\d{4}|n\.d\.)\)", text)) >= len(methods.works)


def test_works_depend_on_what_was_done():
    plain = described(strategy(filter="none", high_pass_hz=None, low_pass_hz=None), measures=[])
    assert not keys(plain) & {"lindquist2019", "power2012", "power2014", "marrelec2006"}
    full = described(
        strategy(fd_threshold_mm=0.2, min_segment_volumes=5), measures=["partial-correlation"]
    )
    assert keys(full) >= {"lindquist2019", "power2012", "power2014", "marrelec2006"}


def test_steps_are_told_in_the_order_in_which_they_are_taken():
    text = words(described(strategy(fd_threshold_mm=0.5)))
    steps = ["cubic spline", "straight line", "Butterworth", "then taken out", "least squares",
             "standardized to"]  # fmt: skip
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_without_a_filter_censored_volumes_go_first():
    text = words(described(strategy(filter="none", fd_threshold_mm=0.5)))
    assert text.index("taken out first") < text.index("straight line")
    assert "spline" not in text


@pytest.mark.parametrize(
    ("high", "low", "band"),
    [
        (0.01, 0.08, "from 0.01 to 0.08 Hz"),
        (0.01, None, "above 0.01 Hz"),
        (None, 0.08, "below 0.08 Hz"),
    ],
)
def test_the_pass_band_is_named(high, low, band):
    assert band in words(described(strategy(high_pass_hz=high, low_pass_hz=low)))


def test_cosines_are_regressed_together_with_the_confounds():
    text = words(described(strategy(filter="cosine", high_pass_hz=0.008, low_pass_hz=None)))
    assert "Cosines with frequencies below 0.008 Hz were regressed" in text


@pytest.mark.parametrize(
    ("dummy_scans", "said"),
    [("auto", "steady state"), (4, "the first 4 of the run"), (1, "were the first of the run")],
)
def test_volumes_at_the_start_are_told(dummy_scans, said):
    assert said in words(described(strategy(dummy_scans=dummy_scans)))


def test_nothing_is_said_of_censoring_where_there_is_none():
    assert "censored)" not in words(described(strategy(dummy_scans=0)))
    assert "spline" not in words(described(strategy(dummy_scans=0)))


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_has_words_of_its_own(measure):
    text = words(described(measures=[measure]))
    assert "was computed over the kept volumes" in text
    assert "the " + measure not in text or measure in {"covariance", "precision"}


def test_atlases_name_their_source():
    both = [
        AtlasMethods(name="Schaefer2018_scale-400", n_regions=400, from_templateflow=True),
        AtlasMethods(name="mine", n_regions=1),
    ]
    methods = described(atlases=both)
    assert "with 400 regions from TemplateFlow (Ciric et al., 2022)" in words(methods)
    assert "the atlas mine with 1 region." in words(methods)
    assert keys(methods) >= {"schaefer2018", "templateflow"}


def test_a_strategy_of_ones_own_brings_its_own_reference():
    own = strategy(reference="Doe & Roe (2031). Silence.", reference_doi=None)
    methods = described(own)
    assert "(Doe & Roe, 2031)" in words(methods)
    assert "Doe & Roe (2031). Silence." in methods.references


def test_a_strategy_may_have_no_reference():
    assert "strategy 36P: Thirty-six" in words(described(strategy(reference=None)))


def test_a_users_text_is_not_taken_for_a_citation():
    methods = described(strategy(description="See [@power2012] and [@nobody]."))
    assert "power2012" not in keys(methods)
    assert "[ @nobody]" in words(methods)


def test_markdown_shows_users_text_as_it_is():
    own = strategy(name="a_*b*_<b>", reference=None, dummy_scans=0)
    assert r"a\_\*b\*\_\<b\>" in citation_markdown(described(own))


def test_bibtex_holds_every_work():
    methods = described(strategy())
    written = citation_bibtex(methods)
    assert all(f"{{{work.key}," in written for work in methods.works)


def test_the_same_values_give_the_same_text():
    assert citation_markdown(described(strategy())) == citation_markdown(described(strategy()))


def test_what_is_taken_of_a_region_is_said():
    plain, other = described(), described(statistic="median", smoothing_fwhm_mm=6.0)
    assert "the mean over its voxels" in words(plain)
    assert "smoothed" not in words(plain)
    assert "the median over its voxels" in words(other)
    assert "smoothed by a Gaussian of 6 mm full width at half maximum" in words(other)
