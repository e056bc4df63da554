import math

import pytest

from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.numerics.exclusion import MEASURES, PRESETS, broken

STILL = {
    "mean_fd_jenkinson": 0.1,
    "max_fd_jenkinson": 1.0,
    "fd_jenkinson_above_0p2": 0.05,
    "mean_fd_power": 0.2,
    "fd_power_above_0p2": 0.15,
}


@pytest.mark.parametrize("name", [name for name in PRESETS if PRESETS[name].limits])
def test_a_run_on_each_limit_passes_and_one_beyond_any_of_them_does_not(name):
    limits = PRESETS[name].limits
    assert not [*broken(STILL, limits)]
    assert not [*broken(STILL | limits, limits)]
    for measure, limit in limits.items():
        (reason,) = broken(STILL | {measure: limit * 1.01}, limits)
        assert reason.startswith(MEASURES[measure].what)
        assert reason.endswith(f"above {limit:g}")


def test_what_is_not_known_does_not_pass():
    limits = {"mean_fd_jenkinson": 0.5, "minutes_kept": 4.0}
    assert [*broken({"mean_fd_jenkinson": math.nan}, limits)] == [
        "mean framewise displacement of Jenkinson: not known",
        "time kept: not known",
    ]
    assert [*broken({"mean_fd_jenkinson": 0.5, "minutes_kept": 3.5}, limits)] == [
        "time kept: 3.5 min, below 4"
    ]


def test_limits_are_of_columns_of_the_table_of_quality():
    assert set(MEASURES) <= set(QUALITY_COLUMNS)
    for preset in PRESETS.values():
        assert set(preset.limits) <= set(MEASURES)
        assert "doi:" in preset.source or not preset.limits


def test_rules_of_one_displacement_are_never_held_against_the_other():
    for name, preset in PRESETS.items():
        kind = {"parkes2018": "jenkinson", "wang2024": "power"}.get(name.partition("-")[0], "")
        assert all(kind in measure for measure in preset.limits)
