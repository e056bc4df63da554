"""Laws of the predicted cost; that it comes true is for ``python -m benchmarks``."""

from dataclasses import replace
from itertools import pairwise

import pytest
from worlds import surface_dataset as surfaces

from bidsmask.analysis.cost import (
    Pace,
    measure_pace,
    memory_for_steps_gb,
    request_cost,
    step_costs,
)
from bidsmask.analysis.plan import make_plan
from bidsmask.cli.parser import parse
from bidsmask.columns.table import LookUpTable
from bidsmask.demo.dataset import write_root
from bidsmask.images.grid import Grid
from bidsmask.settings import ConnectivitySettings, ExtractionSettings, VoxelwiseSettings
from bidsmask.workflows.run import init_run_wf


@pytest.fixture(scope="module")
def plan(small_dataset):
    arguments = [str(small_dataset.root), "out", "participant", "--strategies", "simple"]
    settings = parse([*arguments, "--atlases", str(small_dataset.atlas)]).settings
    return make_plan(settings).runs[0]


@pytest.fixture(scope="module")
def on_surfaces(tmp_path_factory):
    """The plan of a run in grayordinates."""
    where = tmp_path_factory.mktemp("surfaces")
    root = write_root(where / "fmriprep")
    surfaces.write_subject(root, "01")
    atlas = str(surfaces.write_dlabel(where))
    arguments = [str(root), "out", "participant", "--space", "fsLR", "--no-download"]
    settings = parse([*arguments, "--atlases", atlas, "--strategies", "none"]).settings
    return make_plan(settings).runs[0]


def longer(plan):
    return replace(plan, n_volumes=10 * plan.n_volumes)


def finer(plan):
    shape = tuple(2 * n for n in plan.grid.shape)
    return replace(plan, grid=Grid(shape=shape, affine=plan.grid.affine))


def with_more_regions(plan):
    ids = tuple(range(1, 401))
    lut = LookUpTable(ids=ids, names=tuple(map(str, ids)))
    return replace(plan, sources=(replace(plan.sources[0], lut=lut),))


def with_more_atlases(plan):
    return replace(plan, sources=plan.sources * 5)


def with_more_strategies(plan):
    return replace(plan, strategies=plan.strategies * 4)


def with_more_measures(plan):
    more = ConnectivitySettings(measures=("correlation", "covariance"))
    return replace(plan, connectivity=more)


def with_more_statistics(plan):
    return replace(plan, extraction=ExtractionSettings(statistics=("mean", "median")))


def with_voxels(plan):
    return replace(plan, voxelwise=VoxelwiseSettings(voxelwise=True))


def with_a_smoothed_copy(plan):
    more = VoxelwiseSettings(voxelwise=True, voxelwise_smoothing_fwhm_mm=6.0)
    return replace(plan, voxelwise=more)


def with_measures_of_voxels(plan):
    return replace(plan, voxelwise=VoxelwiseSettings(alff=True, reho=True))


def with_scaled_voxels(plan):
    return replace(plan, extraction=ExtractionSettings(voxel_scaling="zscore"))


WAITS_ON_THE_DISK = [
    with_voxels,
    with_a_smoothed_copy,
    with_measures_of_voxels,
    with_scaled_voxels,
]
"""More of these takes no more memory, unless the run is so large that its blocks do; voxels that
are scaled take it in a step that is not the largest."""

MORE = [
    *WAITS_ON_THE_DISK,
    longer,
    finer,
    with_more_regions,
    with_more_atlases,
    with_more_strategies,
    with_more_measures,
    with_more_statistics,
]


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("n_procs", [1, 2])
def test_more_of_anything_takes_more_time_and_more_memory(plan, more, n_procs):
    before, after = (request_cost([each], n_procs) for each in (plan, more(plan)))
    assert after.seconds > before.seconds
    assert after.memory_mb >= before.memory_mb
    assert after.memory_mb > before.memory_mb or more in WAITS_ON_THE_DISK


@pytest.mark.parametrize("more", MORE)
def test_no_step_takes_less_for_more(plan, more):
    before, after = step_costs(plan), step_costs(more(plan))
    for name in before:
        assert after[name].seconds >= before[name].seconds
        assert after[name].memory_mb >= before[name].memory_mb


@pytest.mark.parametrize("change", [{"smoothing_fwhm_mm": 6.0}, {"statistics": ("median",)}])
def test_smoothing_and_medians_take_longer_while_the_run_is_read(plan, change):
    other = replace(plan, extraction=ExtractionSettings(**change))
    before, after = step_costs(plan), step_costs(other)
    assert after["extract"].seconds > before["extract"].seconds
    assert after["extract"].memory_mb >= before["extract"].memory_mb
    assert all(after[name] == before[name] for name in before if name != "extract")


def test_smoothing_along_a_surface_takes_longer_the_farther_it_reaches(on_surfaces):
    """Means take what finds out who is near; medians and voxels smooth the values, too."""
    plans = [on_surfaces]
    for fwhm_mm, statistic, voxelwise in (
        (4.0, "mean", False),
        (8.0, "mean", False),
        (8.0, "median", False),
        (8.0, "median", True),
    ):
        asked = ExtractionSettings(smoothing_fwhm_mm=fwhm_mm, statistics=(statistic,))
        more = replace(on_surfaces, extraction=asked)
        plans.append(replace(more, voxelwise=VoxelwiseSettings(voxelwise=voxelwise)))
    costs = [step_costs(each)["extract"] for each in plans]
    for before, after in pairwise(costs):
        assert after.seconds > before.seconds
        assert after.memory_mb > before.memory_mb


def test_more_processes_take_less_time_and_more_memory(plan):
    costs = [request_cost([plan] * 8, n_procs) for n_procs in (1, 2, 4)]
    assert costs[0].seconds > costs[1].seconds > costs[2].seconds
    assert costs[0].memory_mb < costs[1].memory_mb < costs[2].memory_mb


def test_one_run_does_not_end_sooner_with_more_processes_than_it_has_steps_for(plan):
    assert request_cost([plan], 2) == request_cost([plan], 16)


def test_a_machine_half_as_fast_takes_twice_as_long_and_the_same_memory(plan):
    usual = Pace()
    twice = {name: 2 * seconds for name, seconds in usual.read_s_per_voxel.items()}
    slow = Pace(relative=2 * usual.relative, read_s_per_voxel=twice)
    before, after = request_cost([plan], 2, usual), request_cost([plan], 2, slow)
    assert after.seconds == pytest.approx(2 * before.seconds)
    assert after.memory_mb == before.memory_mb


def test_the_pace_of_a_machine_is_measured_on_the_run(plan):
    pace = measure_pace([plan])
    assert pace.relative > 0
    assert pace.read_s_per_voxel["nifti"] > 0


def test_nodes_claim_the_memory_that_is_predicted(plan, tmp_path):
    workflow = init_run_wf(plan, output_dir=tmp_path, links={})
    costs = step_costs(plan)
    assert set(workflow.list_node_names()) == set(costs)
    for name, cost in costs.items():
        assert workflow.get_node(name).mem_gb == pytest.approx(cost.memory_mb / 1e3)


def test_what_is_no_part_of_the_numbers_is_no_part_of_the_plan(plan):
    wider = replace(plan, voxel_bytes=8)
    assert wider == plan
    assert repr(wider) == repr(plan)


def test_steps_may_claim_what_the_command_itself_leaves_over():
    assert memory_for_steps_gb(4) == pytest.approx(memory_for_steps_gb(8) - 4)
    assert 0 < memory_for_steps_gb(0.1) < 0.01
