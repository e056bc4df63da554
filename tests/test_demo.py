import json
import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform, gaussian_filter

from bidsmask.demo import BOLD_GRID, RunPlan, cubic_grid, simulate_run, write_demo
from bidsmask.demo.atlas import NETWORK_CORRELATION, demo_parcellation, region_at, region_names
from bidsmask.demo.bold import UNREALIGNED, draw_scene, movement
from bidsmask.demo.brain import CENTRE_MM, SINUS_MM, draw_head, signal_left, voxel_centres
from bidsmask.demo.confounds import standardized_dvars
from bidsmask.demo.motion import head_motion
from bidsmask.demo.signals import T_R, coloured_noise, network_signals, region_signals
from bidsmask.images.grid import Grid
from bidsmask.numerics.motion import framewise_displacement, relative_rms, rigid_transforms
from bidsmask.numerics.resample import resample_nearest

REAL_CONFOUNDS = Path(__file__).parents[2] / "shared" / "data" / "confounds"

RECOVERED = 0.9
"""Correlation of cleaned with planted connectivity, over edges, that each run has to reach."""

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def head():
    return draw_head(BOLD_GRID)


@pytest.fixture(scope="module")
def parcellation():
    return demo_parcellation(BOLD_GRID)


def read_confounds(run):
    return pd.read_csv(run.confounds, sep="\t", na_values="n/a")


def read_relmat(path):
    return pd.read_csv(path, sep="\t", index_col="Node")


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edges(matrix):
    return np.asarray(matrix)[np.triu_indices(len(matrix), 1)]


def atlas_on_bold_grid(dataset):
    image = nib.load(dataset.atlas)
    return resample_nearest(
        np.asarray(image.dataobj), image.affine, BOLD_GRID.shape, BOLD_GRID.affine
    )


def coverage(dataset, run):
    labels, mask = atlas_on_bold_grid(dataset), np.asarray(nib.load(run.mask).dataobj) > 0
    return np.array([mask[labels == index].mean() for index in range(1, 61)])


def cleaned_connectivity(dataset, run):
    """Plain least squares on motion, white matter, CSF and cosines, in the good volumes."""
    bold, labels = np.asarray(nib.load(run.bold).dataobj), atlas_on_bold_grid(dataset)
    labels[np.asarray(nib.load(run.mask).dataobj) == 0] = 0
    found = np.unique(labels)[1:]
    signals = np.stack([bold[labels == index].mean(axis=0) for index in found], axis=1)
    table = read_confounds(run).fillna(0.0)
    good = table.filter(regex="outlier").sum(axis=1) == 0
    design = table.filter(regex=r"^(trans|rot)_|^(csf|white_matter)$|^cosine")[good]
    design = np.column_stack([np.ones(len(design)), (design - design.mean()) / design.std()])
    residuals = signals[good] - design @ np.linalg.lstsq(design, signals[good])[0]
    connectivity = np.full((60, 60), np.nan)
    connectivity[np.ix_(found - 1, found - 1)] = np.corrcoef(residuals.T)
    return connectivity


# --- laws ---


@given(seed=seeds, n_volumes=st.integers(40, 200))
def test_the_networks_have_the_planted_correlation_in_every_run(seed, n_volumes):
    signals = network_signals(np.random.default_rng(seed), n_volumes)
    np.testing.assert_allclose(np.corrcoef(signals.T), NETWORK_CORRELATION, atol=1e-10)


@given(seed=seeds)
def test_coloured_noise_has_mean_zero_and_unit_variance(seed):
    noise = coloured_noise(np.random.default_rng(seed), 80, 3, (0.01, 0.1))
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(noise.std(axis=0), 1)


@given(seed=seeds)
def test_poses_are_rigid(seed):
    motion = np.random.default_rng(seed).normal(size=(5, 6))
    turned = rigid_transforms(motion)[:, :3, :3]
    np.testing.assert_allclose(turned @ turned.transpose(0, 2, 1), [np.eye(3)] * 5, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turned), 1)


@given(seed=seeds)
def test_a_head_that_only_shifts_moves_by_the_length_of_the_shift(seed):
    motion = np.zeros((6, 6))
    motion[:, :3] = np.random.default_rng(seed).normal(size=(6, 3))
    shifts = np.linalg.norm(np.diff(motion[:, :3], axis=0), axis=1)
    np.testing.assert_allclose(relative_rms(motion)[1:], shifts)


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_the_signals_of_a_run_stray_little_from_the_target(parcellation, seed):
    signals = region_signals(np.random.default_rng(seed), parcellation, 150)
    planted = np.corrcoef(signals.T)
    agreement = np.corrcoef(edges(planted), edges(parcellation.target_correlation))[0, 1]
    assert agreement > 0.97


@settings(deadline=None)
@given(points=st.lists(st.tuples(*[st.floats(-90, 90)] * 3), min_size=1, max_size=30))
def test_the_atlas_is_mirror_symmetric(points):
    points = np.array(points)
    left, right = region_at(points * [-1, 1, 1]), region_at(points)
    np.testing.assert_array_equal(left > 0, right > 0)
    np.testing.assert_array_equal(np.abs(left - right)[right > 0], 30)


# --- brain, atlas, motion ---


def test_every_region_is_large_enough_to_be_seen_on_the_grid_of_the_bold(parcellation):
    sizes = np.bincount(parcellation.labels.ravel(), minlength=61)[1:]
    assert sizes.min() >= 10


def test_names_say_hemisphere_network_and_number(parcellation):
    assert len(set(region_names())) == 60
    assert all(re.fullmatch(r"[LR]H_[A-Za-z]+_[1-5]", name) for name in region_names())


def test_left_regions_lie_on_the_left(parcellation):
    x = voxel_centres(BOLD_GRID)[..., 0]
    left = (parcellation.labels >= 1) & (parcellation.labels <= 30)
    assert (x[left] < 0).all()


def test_the_target_is_a_correlation_matrix(parcellation):
    target = parcellation.target_correlation
    np.testing.assert_allclose(np.diag(target), 1)
    np.testing.assert_array_equal(target, target.T)
    assert np.linalg.eigvalsh(target).min() > 0


def test_shares_of_tissue_never_exceed_the_voxel(head):
    shares = np.stack([head.csf, head.grey, head.white, head.scalp])
    assert shares.min() >= 0
    assert shares.sum(axis=0).max() <= 1 + 1e-12


def test_fluid_is_brighter_than_grey_and_grey_than_white_matter(head):
    means = [head.brightness[share > 0.9].mean() for share in (head.csf, head.grey, head.white)]
    assert means == sorted(means, reverse=True)


def test_dropout_loses_half_of_the_signal_at_its_radius():
    forward = SINUS_MM + np.array([0, 20, 0])
    np.testing.assert_allclose(signal_left(forward, 20.0), 0.5)


def test_the_same_head_is_drawn_on_an_oblique_grid(head):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    oblique = draw_head(Grid(shape=BOLD_GRID.shape, affine=turn @ BOLD_GRID.affine))
    assert oblique.brain.sum() == pytest.approx(head.brain.sum(), rel=0.01)


def test_more_motion_means_more_displacement():
    calm, wild = (head_motion(np.random.default_rng(0), 150, amount=a) for a in (0.0, 2.0))
    assert np.nanmax(framewise_displacement(calm)) < 0.2
    assert np.nanmax(framewise_displacement(wild)) > 0.5


def test_std_dvars_of_white_noise_is_about_one():
    voxels = np.random.default_rng(0).normal(1000, 10, size=(200, 500))
    np.testing.assert_allclose(np.nanmedian(standardized_dvars(voxels)), 1, atol=0.05)


@pytest.mark.parametrize("k", range(6))
def test_movement_is_what_moving_the_image_does_to_first_order(head, parcellation, k):
    scene = draw_scene(head, parcellation, dropout_mm=12.0)
    smooth = gaussian_filter(scene.brightness, 1.2)
    scene = replace(scene, brightness=smooth)
    motion = np.zeros((2, 6))
    motion[1, k] = 0.5 if k < 3 else 0.01
    about_centre = np.eye(4)
    about_centre[:3, 3] = CENTRE_MM
    pose = about_centre @ rigid_transforms(motion)[1] @ np.linalg.inv(about_centre)
    to_source = np.linalg.inv(pose @ BOLD_GRID.affine) @ BOLD_GRID.affine
    moved = affine_transform(smooth, to_source, order=3, mode="nearest")
    truth = UNREALIGNED * (moved - smooth).ravel(order="F")[scene.voxels]
    change = np.diff(movement(scene, motion), axis=0)[0]
    assert np.corrcoef(change, truth)[0, 1] > 0.97
    assert change @ truth / (truth @ truth) == pytest.approx(1, abs=0.1)


# --- one run ---


def test_a_bigger_grid_shows_the_same_head():
    grid = cubic_grid((40, 48, 40), 4.0, (-78, -112, -72))
    plan = RunPlan(subject="01", n_volumes=40)
    run = simulate_run(plan, draw_head(grid), demo_parcellation(grid))
    assert run.bold.shape == (40, 48, 40, 40)
    assert run.bold[run.scene.mask].min() > 0


def test_unsteady_volumes_are_brighter_and_marked(head, parcellation):
    run = simulate_run(RunPlan(subject="01", n_volumes=40, n_unsteady=2), head, parcellation)
    means = run.bold[run.scene.mask].mean(axis=0)
    assert means[0] > means[1] > means[2:].max()
    marks = [run.confounds.columns[f"non_steady_state_outlier0{k}"] for k in range(2)]
    np.testing.assert_array_equal(np.argmax(marks, axis=1), [0, 1])
    np.testing.assert_array_equal(run.confounds.columns["cosine00"][:2], 0)
    np.testing.assert_array_equal(run.confounds.columns["a_comp_cor_00"][:2], 0)


@pytest.mark.parametrize("plan", [{"n_volumes": 39}, {"n_unsteady": 3}])
def test_a_run_that_cannot_be_drawn_cannot_be_planned(plan):
    with pytest.raises(ValueError, match="and not"):
        RunPlan(subject="01", **plan)


def test_bold_lies_in_memory_as_in_the_file(head, parcellation):
    run = simulate_run(RunPlan(subject="01", n_volumes=40), head, parcellation)
    assert run.bold.flags.f_contiguous
    assert run.bold.dtype == np.int16


# --- the dataset ---


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    write_demo(tmp_path / "first", seed=3, volumes=40)
    write_demo(tmp_path / "second", seed=3, volumes=40)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_another_seed_gives_other_data(tmp_path, make_dataset):
    first = make_dataset(tmp_path / "first", volumes=40, seed=1)
    second = make_dataset(tmp_path / "second", volumes=40, seed=2)
    assert first.runs[0].bold.read_bytes() != second.runs[0].bold.read_bytes()


def test_adding_a_subject_changes_no_other(tmp_path, make_dataset):
    alone = make_dataset(tmp_path / "alone", volumes=40)
    both = make_dataset(tmp_path / "both", subjects=("00", "01"), volumes=40)
    assert contents(alone.root / "sub-01") == contents(both.root / "sub-01")


def test_the_demo_is_small(demo_dataset):
    assert sum(map(len, contents(demo_dataset.root.parent).values())) < 30e6


def test_runs_have_the_names_that_fmriprep_gives(demo_dataset):
    names = [run.bold.relative_to(demo_dataset.root).as_posix() for run in demo_dataset.runs]
    end = "space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    assert names == [
        f"sub-01/ses-1/func/sub-01_ses-1_task-rest_{end}",
        f"sub-01/ses-2/func/sub-01_ses-2_task-rest_{end}",
        f"sub-02/func/sub-02_task-rest_dir-AP_{end}",
        f"sub-02/func/sub-02_task-rest_dir-PA_{end}",
        f"sub-03/func/sub-03_task-rest_{end}",
    ]


def test_all_paths_exist(demo_dataset):
    runs = [path for run in demo_dataset.runs for path in vars(run).values()]
    others = [demo_dataset.atlas, demo_dataset.atlas_table, demo_dataset.truth_relmat]
    paths = [*runs, *others, *demo_dataset.truth_timeseries]
    assert all(path.is_file() for path in paths)


def test_every_image_says_that_it_is_in_mni_space_in_mm_and_seconds(demo_dataset):
    for path in demo_dataset.root.parent.rglob("*.nii.gz"):
        header = nib.load(path).header
        assert (header["sform_code"], header["qform_code"]) == (4, 4)
        assert header.get_xyzt_units() == ("mm", "sec")


def test_the_repetition_time_is_in_the_header_and_in_the_sidecar_at_the_root(demo_dataset):
    sidecar = json.loads((demo_dataset.root / "task-rest_bold.json").read_text())
    header = nib.load(demo_dataset.runs[0].bold).header
    assert sidecar["RepetitionTime"] == header.get_zooms()[3] == T_R
    assert header.get_data_dtype() == np.int16
    assert header.get_data_shape()[3] == 150


def test_the_table_of_the_atlas_names_every_label(demo_dataset):
    table = pd.read_csv(demo_dataset.atlas_table, sep="\t")
    assert list(table) == ["index", "name", "network", "hemisphere"]
    labels = np.unique(np.asarray(nib.load(demo_dataset.atlas).dataobj))
    np.testing.assert_array_equal(labels, [0, *table["index"]])
    assert table.groupby(["network", "hemisphere"]).size().tolist() == [5] * 12


def test_dropout_empties_regions_of_one_subject_only(demo_dataset):
    complete, lacking = (coverage(demo_dataset, demo_dataset.runs[k]) for k in (0, 4))
    assert complete.min() > 0.5
    assert np.count_nonzero(lacking == 0) >= 1
    assert np.count_nonzero((lacking > 0) & (lacking < 0.5)) >= 1


# --- confounds ---


def test_all_36_parameters_are_there(demo_dataset):
    columns = set(read_confounds(demo_dataset.runs[0]))
    bases = ["global_signal", "csf", "white_matter"]
    bases += [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    ends = ["", "_derivative1", "_power2", "_derivative1_power2"]
    assert columns >= {base + end for base in bases for end in ends}


@pytest.mark.real
def test_columns_are_those_of_fmriprep_21(demo_dataset):
    path = REAL_CONFOUNDS / "test-v21_desc-confounds_timeseries.tsv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    kinds = [
        {re.sub(r"\d\d$", "", name) for name in pd.read_csv(table, sep="\t", nrows=0)}
        for table in (path, demo_dataset.runs[0].confounds)
    ]
    assert kinds[0] == kinds[1]


def test_only_the_first_row_lacks_values_and_only_where_it_has_no_predecessor(demo_dataset):
    for run in demo_dataset.runs:
        missing = read_confounds(run).isna()
        assert not missing[1:].to_numpy().any()
        absent = set(missing.columns[missing.iloc[0]])
        quality = {"framewise_displacement", "rmsd", "dvars", "std_dvars"}
        assert absent == quality | {name for name in missing if "_derivative1" in name}


def test_framewise_displacement_is_that_of_the_motion_columns(demo_dataset):
    table = read_confounds(demo_dataset.runs[2])
    motion = table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].to_numpy()
    expected = framewise_displacement(motion)
    np.testing.assert_allclose(table["framewise_displacement"], expected, atol=1e-6)


def test_every_run_has_a_few_volumes_with_much_motion(demo_dataset):
    shares = [
        (read_confounds(run)["framewise_displacement"] > 0.5).mean() for run in demo_dataset.runs
    ]
    assert min(shares) > 0.01
    assert max(shares) < 0.2


def test_motion_outliers_are_volumes_above_the_thresholds_of_fmriprep(demo_dataset):
    table = read_confounds(demo_dataset.runs[0])
    moved = (table["framewise_displacement"] > 0.5) | (table["std_dvars"] > 1.5)
    flagged = table.filter(regex="^motion_outlier").sum(axis=1)
    np.testing.assert_array_equal(flagged, moved)


def test_the_metadata_say_which_components_were_kept(demo_dataset):
    for run in demo_dataset.runs:
        metadata = json.loads(run.confounds_json.read_text())
        kept = {name for name, entry in metadata.items() if entry.get("Retained")}
        assert kept == set(read_confounds(run).filter(regex="_comp_cor_"))
        assert {metadata[f"{p}_comp_cor_04"].get("Mask") for p in "acwt"} == {
            "combined",
            "CSF",
            "WM",
            None,
        }


# --- the truth comes back ---


def test_cleaning_recovers_the_planted_connectivity_of_every_run(demo_dataset):
    target = edges(read_relmat(demo_dataset.truth_relmat))
    for run in demo_dataset.runs:
        found = edges(cleaned_connectivity(demo_dataset, run))
        known = np.isfinite(found)
        assert np.corrcoef(found[known], target[known])[0, 1] > RECOVERED


def test_the_planted_signals_are_kept_beside_the_data(demo_dataset):
    signals = pd.read_csv(demo_dataset.truth_timeseries[0], sep="\t")
    assert signals.shape == (150, 60)
    assert tuple(signals) == region_names()
