"""Words mean the same wherever they are used."""

import itertools
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from bidsmask.cli.parser import build_parser
from bidsmask.dataset.entities import is_label
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.connectivity import measures as connectivity
from bidsmask.numerics.projections import statistics
from bidsmask.numerics.projections.regions import RegionStatistic
from bidsmask.settings import ConnectivitySettings, ExtractionSettings
from bidsmask.vocabulary import (
    BOLD_SPACES,
    CORRELATIONS,
    MAPS_STATISTICS,
    MAPS_STATS,
    MEASURES,
    NATIVE_SPACES,
    STATISTICS,
    CensorOutput,
    Filter,
    MapsStatistic,
    Standardization,
    Statistic,
)


def choices(option):
    (action,) = [each for each in build_parser()._actions if option in each.option_strings]
    return tuple(action.choices)


@pytest.mark.parametrize("label", STATISTICS)
def test_a_statistic_is_the_same_in_parser_settings_and_projections(label):
    assert label in choices("--statistic")
    assert ExtractionSettings(statistics=(label,)).statistics == (label,)
    projection = RegionStatistic([np.array([0, 1])], STATISTICS[label])
    assert projection.project(np.array([[1.0, 2.0], [3.0, 5.0]])).shape == (2, 1)
    assert label == "mean" or hasattr(statistics, STATISTICS[label])


def test_there_are_no_other_statistics():
    assert tuple(STATISTICS.values()) == get_args(Statistic)
    assert choices("--statistic") == tuple(STATISTICS)


def test_measures_are_those_that_can_be_computed():
    assert tuple(connectivity.MEASURES) == MEASURES == choices("--connectivity")
    assert ConnectivitySettings(measures=MEASURES).measures == MEASURES
    with_z = [name for name, each in connectivity.MEASURES.items() if each.z_stat]
    assert tuple(with_z) == CORRELATIONS


def test_maps_have_a_label_for_each_statistic():
    assert tuple(MAPS_STATISTICS.values()) == get_args(MapsStatistic)
    assert list(MAPS_STATS) == list(MAPS_STATISTICS)


def test_no_two_files_would_share_a_label():
    of_measures = [
        label
        for each in connectivity.MEASURES.values()
        for label in (each.stat, each.z_stat)
        if label
    ]
    before = [f"{label}+" for label in STATISTICS if label != "mean"]
    of_matrices = [a + b for a, b in itertools.product(["", *before], of_measures)]
    labels = [*STATISTICS, *MAPS_STATS.values(), *of_matrices]
    assert len(set(labels)) == len(labels)
    assert all(map(is_label, labels))


def test_cleaning_takes_every_word_of_the_parser():
    assert choices("--filter") == get_args(Filter)
    assert choices("--standardize") == get_args(Standardization)
    assert choices("--censor-output") == get_args(CensorOutput)
    cutoffs = {"butterworth": {"low_pass_hz": 0.1}, "cosine": {"high_pass_hz": 0.01}, "none": {}}
    for filter_, standardize in itertools.product(get_args(Filter), get_args(Standardization)):
        CleaningParameters(filter=filter_, standardize=standardize, **cutoffs[filter_])


def test_spaces_of_the_bold_are_native_and_no_template_is():
    assert set(BOLD_SPACES) <= NATIVE_SPACES
    assert not NATIVE_SPACES & {"MNI152NLin2009cAsym", "MNI152NLin6Asym", "fsaverage", "fsLR"}


def test_vocabulary_imports_nothing():
    code = (
        "import sys; before = set(sys.modules); import bidsmask.vocabulary;"
        "new = set(sys.modules) - before - {'bidsmask', 'bidsmask.vocabulary'};"
        "ours = {name for name in new if name.startswith(('bidsmask', 'numpy'))};"
        "more = ours - {'bidsmask._names', 'bidsmask._version'};"
        "sys.exit(str(more) if more else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
