"""Which matrices the page of a group shows, and what it says of the others."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bidsmask.analysis.group import mean_matrices
from bidsmask.analysis.group.connectivity import Connectivity
from bidsmask.analysis.group.mean_matrices import not_shown
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.derivatives.read import TableKey

STATS = ("covariance", "partialcorrelation", "pearsoncorrelation")
RUN = SimpleNamespace(strategies={"24P": "24P", "simple": "simple"})


@pytest.fixture
def connectivity():
    """Two atlases, three measures, two strategies."""
    keys = [
        TableKey(f"space-S_atlas-{atlas}", stat, desc)
        for atlas in "AB"
        for stat in STATS
        for desc in ("24P", "simple")
    ]
    stacks = [
        StackFile(path=Path("stack.h5"), key=key, has_matrices=True, runs=(RUN,), left_out=())
        for key in keys
    ]
    files = [mean_matrices._mean_name(stack) for stack in stacks]
    return Connectivity(stacks=tuple(stacks), files=tuple(files))


def test_all_are_shown_if_there_is_room(connectivity):
    assert list(not_shown(connectivity)) == []


def test_correlations_of_every_atlas_come_first_and_what_is_left_out_is_named(
    connectivity, monkeypatch
):
    monkeypatch.setattr(mean_matrices, "MOST_MATRICES", 7)
    left_out = [each.what for each in not_shown(connectivity)]
    assert len(left_out) == 3
    assert not any("A, in S: Pearson" in what or "B, in S: Pearson" in what for what in left_out)
    assert sum(what.startswith("Picture of B") for what in left_out) == 2
    why = next(iter(not_shown(connectivity))).why
    assert "_stat-covariance_desc-24P+mean_relmat.tsv" in why
    assert "simple+mean_relmat.tsv" in why
