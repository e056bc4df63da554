"""What the methods text of a request says, and what it cites."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from bidsmask.analysis.methods import methods_of
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.analysis.words import connectivity_words, plain, strategy_words, text
from bidsmask.columns.table import LookUpTable
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.strategies import ColumnGroup, Reference, Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.images.grid import Grid
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.reports.methods import citation_bibtex, citation_markdown
from bidsmask.settings import (
    CleaningSettings,
    ConnectivitySettings,
    CoverageSettings,
    ExtractionSettings,
    Settings,
)
from bidsmask.vocabulary import MEASURES, STATISTICS

MOTION = (ColumnGroup(label="motion", pattern="(trans|rot)_[xyz]"),)
IMPROVED = Reference(
    text="Satterthwaite et al. (2013). An improved framework.",
    doi="10.1016/j.neuroimage.2012.08.052",
)
NONE = Reference(text="")


def strategy(
    *,
    name="36P",
    description="Thirty-six columns were regressed.",
    reference=IMPROVED,
    has_confounds=True,
    fd_threshold_mm=None,
    std_dvars_threshold=None,
    min_segment_volumes=0,
    dummy_scans="auto",
    **cleaning,
):
    butterworth = {"filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.08}
    return Strategy(
        name=name,
        description=description,
        reference=reference,
        groups=MOTION if has_confounds else (),
        censoring=CensoringParameters(
            fd_threshold_mm=fd_threshold_mm,
            std_dvars_threshold=std_dvars_threshold,
            min_segment_volumes=min_segment_volumes,
            dummy_scans=dummy_scans,
        ),
        cleaning=CleaningParameters(**butterworth | cleaning),
    )


def unfiltered(**changes):
    return strategy(filter="none", high_pass_hz=None, low_pass_hz=None, **changes)


def atlas(name="Schaefer2018_scale-400", n_regions=400, source="atlas.nii.gz"):
    ids = tuple(range(1, n_regions + 1))
    return Atlas(
        name=name,
        entities=(("atlas", name),),
        files=(Path("atlas.nii.gz"),),
        lut=LookUpTable(ids=ids, names=tuple(map(str, ids))),
        space=None,
        sources=(source,),
        sha256=("",),
    )


def described(*strategies, atlases=None, measures=("correlation",), fisher_z=False, **extraction):
    settings = Settings(
        bids_dir=Path("in"),
        output_dir=Path("out"),
        analysis_level="participant",
        extraction=ExtractionSettings(**extraction),
        coverage=CoverageSettings(min_coverage=0.5),
        cleaning=CleaningSettings(),
        connectivity=ConnectivitySettings(measures=measures, fisher_z=fisher_z),
    )
    run = RunPlan(
        run=BoldRun(entities=Entities({"sub": "01"}), files=(Path("bold.nii.gz"),)),
        t_r=2.0,
        n_volumes=100,
        grid=Grid(shape=(1, 1, 1), affine=np.eye(4)),
        voxel_bytes=2,
        sources=atlases or (atlas(),),
        strategies=strategies,
        extraction=settings.extraction,
        coverage=settings.coverage,
        cleaning=settings.cleaning,
        connectivity=settings.connectivity,
        output=settings.output,
    )
    plan = Plan(runs=(run,), failures=(), strategies=strategies, warnings=())
    return methods_of(settings, plan, fmriprep_version="24.1.0")


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
    make = strategy if filter_ == "butterworth" else unfiltered
    done = make(
        detrend=detrend, standardize=standardize, fd_threshold_mm=fd, has_confounds=has_confounds
    )
    text = words(described(done))
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
    plain = described(unfiltered(), measures=())
    assert not keys(plain) & {"lindquist2019", "power2014", "marrelec2006"}
    full = described(
        strategy(fd_threshold_mm=0.2, min_segment_volumes=5), measures=("partial-correlation",)
    )
    assert keys(full) >= {"lindquist2019", "power2012", "power2014", "marrelec2006"}


def test_steps_are_told_in_the_order_in_which_they_are_taken():
    text = words(described(strategy(fd_threshold_mm=0.5)))
    steps = ["straight lines between", "straight line were", "Butterworth",
             "then taken out", "least squares", "standardized to"]  # fmt: skip
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_without_a_filter_censored_volumes_go_first():
    text = words(described(unfiltered(fd_threshold_mm=0.5)))
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


@pytest.mark.parametrize("name", strategy_names())
def test_that_the_global_signal_is_regressed_is_said_with_what_to_think_of_it(name):
    regressed = load_strategy(name)
    methods = described(regressed)
    expected = any(name in regressed.name for name in ("gsr", "27P", "36P"))
    assert ("Regressing the global signal" in words(methods)) == expected
    assert ("murphy2017" in keys(methods)) == expected


@pytest.mark.parametrize("name", strategy_names())
def test_where_a_filter_is_the_high_pass_the_cosines_are_said_to_be_left_out(name):
    regressed = load_strategy(name)
    assert ("left out of the regression" in words(described(regressed))) == (
        name in ("acompcor", "acompcor_gsr")
    )
    without = regressed.with_overrides(filter="none")
    assert "left out of the regression" not in words(described(without))


def test_where_cosines_were_all_nothing_is_said_to_be_regressed():
    filtered = load_strategy("baseline").with_overrides(filter="butterworth", high_pass_hz=0.01)
    said = words(described(filtered))
    assert "left out of the regression" in said
    assert "by least squares" not in said
    assert "signals and confounds alike" not in said


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_has_words_of_its_own(measure):
    text = words(described(measures=(measure,)))
    assert "was computed over the kept volumes" in text
    assert "Fisher" not in text


@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_statistic_has_words_of_its_own(statistic):
    text = words(described(statistics=(statistic,)))
    assert f"the {STATISTICS[statistic].replace('_', ' ')} over its covered voxels" in text


def test_several_statistics_are_listed_and_the_first_is_related():
    text = words(described(statistics=("median", "std")))
    assert "the median and standard deviation over its covered voxels" in text
    assert "over the kept volumes, of the median." in text


def test_fishers_z_is_of_correlations():
    text = words(described(measures=("correlation", "covariance"), fisher_z=True))
    assert "Fisher's z of Pearson's correlation and the sample covariance" in text


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_the_penalty_of_a_graphical_lasso_is_told(alpha):
    measures = ("graphical-lasso-precision",)
    said = connectivity_words(
        ConnectivitySettings(measures=measures, graphical_lasso_alpha=alpha), ["mean"]
    )
    expected = "penalty 0.3" if alpha else "penalty by cross-validation"
    assert expected in text([said])


@pytest.mark.parametrize(("how", "each"), [("rss", False), ("all", True)])
def test_means_of_networks_and_edges_are_told(how, each):
    asked = ConnectivitySettings(network_means=True, edge_timeseries=how)
    said = text([connectivity_words(asked, ["mean"])])
    assert "within each network, and between each two" in said
    assert "root sum of squares over all pairs" in said
    assert ("and each of them" in said) is each


def test_a_table_of_settings_says_the_same_in_short():
    said = {each.label: each.value for each in strategy_words(strategy(fd_threshold_mm=0.5))}
    assert said["Temporal filter"] == "butterworth, 0.01 Hz to 0.08 Hz"
    assert said["Censored above"] == "FD 0.5 mm"
    assert said["Standardisation"] == "z-score (sample SD)"
    assert "[@" not in plain(text(strategy_words(strategy(fd_threshold_mm=0.5))))


def test_atlases_name_their_source():
    both = (atlas(source="bids:templateflow:tpl-X"), atlas("mine", n_regions=1))
    methods = described(atlases=both)
    assert "with 400 regions from TemplateFlow (Ciric et al., 2022)" in words(methods)
    assert "the atlas mine with 1 region." in words(methods)
    assert keys(methods) >= {"schaefer2018", "templateflow"}


def test_a_strategy_of_ones_own_brings_its_own_reference():
    own = strategy(reference=Reference(text="Doe & Roe (2031). Silence."))
    methods = described(own)
    assert "(Doe & Roe, 2031)" in words(methods)
    assert "Doe & Roe (2031). Silence." in methods.references


def test_a_strategy_may_have_no_reference():
    assert "strategy 36P: Thirty-six" in words(described(strategy(reference=NONE)))


def test_a_users_text_is_not_taken_for_a_citation():
    methods = described(strategy(description="See [@power2014] and [@nobody]."))
    assert "power2014" not in keys(methods)
    assert "[ @nobody]" in words(methods)


def test_the_limits_of_the_verdict_are_told():
    assert "mean framewise displacement above 0.25 and 0.55 mm" in words(described(strategy()))


def test_markdown_shows_users_text_as_it_is():
    own = strategy(name="a_*b*_<b>", reference=NONE, dummy_scans=0)
    assert r"a\_\*b\*\_\<b\>" in citation_markdown(described(own))


def test_bibtex_holds_every_work():
    methods = described(strategy())
    written = citation_bibtex(methods)
    assert all(f"{{{work.key}," in written for work in methods.works)


def test_the_same_values_give_the_same_text():
    assert citation_markdown(described(strategy())) == citation_markdown(described(strategy()))


def test_what_is_taken_of_a_region_is_said():
    plain, other = described(), described(statistics=("median",), smoothing_fwhm_mm=6.0)
    assert "the mean over its covered voxels" in words(plain)
    assert "smoothed" not in words(plain)
    assert "the median over its covered voxels" in words(other)
    assert "smoothed by a Gaussian of 6 mm full width at half maximum" in words(other)
