"""Cleaned volumes and maps of seeds through the command line, and what nilearn makes of them."""

import json
import os
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main

SPACE = "space-MNI152NLin2009cAsym"
RUN = f"sub-01_task-rest_{SPACE}"
SEEDS = {"left": (-30, -20, 10), "right": (30, -20, 10), "away": (300, 0, 0)}
JERKS = {10: 0.9, 11: 0.7, 40: 1.6}
FD_THRESHOLD_MM = 0.5

TOLERANCE = 1e-5
"""In standard deviations: signals wait on the disk in single precision."""


def bidsmask(*arguments):
    return main([str(argument) for argument in arguments])


AS_NILEARN = ("--filter-ends", "nilearn", "--bridge", "nilearn", "--min-dof", 0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    """A run of which no volume is left out unless a threshold says so."""
    found = make_dataset(tmp_path_factory.mktemp("voxels"), volumes=100, n_unsteady=0)
    table = pd.read_csv(found.runs[0].confounds, sep="\t", na_values="n/a")
    table["framewise_displacement"] = table["framewise_displacement"].clip(upper=0.2)
    for volume, fd_mm in JERKS.items():
        table.loc[volume, "framewise_displacement"] = fd_mm
    table.to_csv(found.runs[0].confounds, sep="\t", index=False, na_rep="n/a")
    return found


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Two spheres in the brain and one that is nowhere."""
    path = tmp_path_factory.mktemp("seeds") / "points.tsv"
    rows = [(name, *place, 6) for name, place in SEEDS.items()]
    pd.DataFrame(rows, columns=["name", "x", "y", "z", "radius"]).to_csv(
        path, sep="\t", index=False
    )
    return path


@pytest.fixture(scope="module")
def output_of(dataset, seeds, tmp_path_factory):
    """Ask for something of the run; the same request is carried out once."""
    known = {}

    def request(*options):
        if options not in known:
            out = tmp_path_factory.mktemp("out")
            every = (
                "--space",
                "MNI152NLin2009cAsym",
                "--strategies",
                "36P",
                "simple",
                *AS_NILEARN,
            )
            given = [seeds if option == "SEEDS" else option for option in options]
            assert bidsmask(dataset.root, out, "participant", *every, *given) == 0
            known[options] = out
        return known[options]

    return request


@pytest.fixture(scope="module")
def validators():
    """Commands of BIDS validators, from BIDSMASK_VALIDATORS."""
    named = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
    if not named:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    return named


def func(out, ending):
    return out / "sub-01" / "func" / f"{RUN}_{ending}"


def volumes(out, ending):
    return nib.load(func(out, f"{ending}.nii.gz")).get_fdata()


def sidecar(out, ending):
    return json.loads(func(out, f"{ending}.json").read_text(encoding="utf-8"))


def by_nilearn(dataset, about, **masker_parameters):
    """Clean as a careful user of nilearn would; an image."""
    from nilearn.maskers import NiftiMasker

    files, settings = dataset.runs[0], about["CleaningParameters"]
    table = pd.read_csv(files.confounds, sep="\t", na_values="n/a")
    image = nib.load(files.bold)
    masker = NiftiMasker(
        mask_img=str(files.mask),
        detrend=settings["detrend"],
        standardize="zscore_sample",
        standardize_confounds=True,
        high_pass=settings["high_pass_hz"],
        low_pass=settings["low_pass_hz"],
        t_r=about["RepetitionTime"],
        clean_args={
            "filter": settings["filter"] if settings["filter"] == "butterworth" else False
        },
        **masker_parameters,
    )
    signals = masker.fit_transform(
        nib.Nifti1Image(image.get_fdata(), image.affine, dtype=np.float64),
        confounds=table[about["ConfoundStrategy"]["Columns"]].bfill(),
    )
    return masker.inverse_transform(signals).get_fdata()


@pytest.mark.parametrize("strategy", ["36P", "simple"])
def test_cleaned_volumes_are_those_of_nilearn(dataset, output_of, strategy):
    out = output_of("--voxelwise")
    about = sidecar(out, f"desc-{strategy}_bold")
    expected = by_nilearn(dataset, about)
    found = volumes(out, f"desc-{strategy}_bold")
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    inside = volumes(out, "desc-brain_mask") > 0
    np.testing.assert_allclose(found[inside].std(axis=-1, ddof=1), 1, atol=TOLERANCE)
    assert not found[~inside].any()


def test_volumes_smoothed_beforehand_are_those_of_nilearn(dataset, output_of):
    out = output_of("--voxelwise", "--smoothing-fwhm", "6")
    about = sidecar(out, "desc-36P_bold")
    assert about["SmoothingFWHM"] == 6
    expected = by_nilearn(dataset, about, smoothing_fwhm=6)
    np.testing.assert_allclose(volumes(out, "desc-36P_bold"), expected, rtol=0, atol=1e-3)


def test_without_atlases_only_voxels_are_taken(dataset, output_of):
    out = output_of("--voxelwise")
    assert not list(out.rglob("*_timeseries.tsv"))
    assert not list(out.rglob("*_relmat.tsv"))
    page = (out / "sub-01.html").read_text(encoding="utf-8")
    assert "every voxel of the brain mask" in page
    assert bidsmask(dataset.root, out, "group") == 0


def test_the_sidecar_says_how_volumes_were_made(output_of):
    about = sidecar(output_of("--voxelwise"), "desc-36P_bold")
    assert about["RepetitionTime"] == 2.0
    assert about["TaskName"] == "rest"
    assert about["SkullStripped"] is True
    assert about["SoftwareFilters"]["Butterworth"]["HighPassCutoff"] == 0.01
    assert about["ConfoundStrategy"]["Name"] == "36P"
    assert about["SmoothingFWHM"] == 0
    assert about["Sources"][0].endswith("desc-preproc_bold.nii.gz")
    assert about["Sources"][-1] == f"bids::sub-01/func/{RUN}_desc-brain_mask.nii.gz"


CENSORED = ("--voxelwise", "--fd-threshold", str(FD_THRESHOLD_MM), "--censor-output")


def test_censored_volumes_are_empty_left_out_or_interpolated(output_of):
    at_na, dropped, filled = (output_of(*CENSORED, how) for how in ("na", "drop", "interpolate"))
    inside = volumes(at_na, "desc-brain_mask") > 0
    na, drop, fill = (volumes(out, "desc-36P_bold")[inside] for out in (at_na, dropped, filled))
    censored = np.isin(np.arange(100), list(JERKS))
    assert np.isnan(na[:, censored]).all()
    assert np.isfinite(na[:, ~censored]).all()
    np.testing.assert_array_equal(drop, na[:, ~censored])
    np.testing.assert_array_equal(fill[:, ~censored], drop)
    assert np.isfinite(fill[:, censored]).all()


def test_volumes_that_were_left_out_change_what_is_said_of_time(output_of):
    about = sidecar(output_of(*CENSORED, "drop"), "desc-36P_bold")
    times = [2.0 * volume for volume in range(100) if volume not in JERKS]
    assert about["VolumeTiming"] == times
    assert about["FrameAcquisitionDuration"] == 2.0
    assert "RepetitionTime" not in about
    assert sidecar(output_of(*CENSORED, "na"), "desc-36P_bold")["RepetitionTime"] == 2.0


def test_a_smoothed_copy_has_a_name_of_its_own(output_of):
    out = output_of("--voxelwise", "--voxelwise-smoothing-fwhm", "6")
    smoothed, plain = (volumes(out, f"desc-36P{ending}_bold") for ending in ("+smooth", ""))
    inside = volumes(out, "desc-brain_mask") > 0
    assert smoothed[inside].std() < plain[inside].std()
    assert sidecar(out, "desc-36P+smooth_bold")["SmoothingFWHM"] == 6
    assert sidecar(out, "desc-36P_bold")["SmoothingFWHM"] == 0
    labels = pd.read_csv(out / "descriptions.tsv", sep="\t").set_index("desc_id")["description"]
    assert "6 mm" in labels["desc-36P+smooth"]


MAPS = ("--seeds", "SEEDS", "--seed-maps", "--fd-threshold", str(FD_THRESHOLD_MM))


@pytest.mark.parametrize("fisher_z", [False, True])
def test_maps_of_seeds_are_their_correlations_with_every_voxel(output_of, fisher_z):
    out = output_of(*MAPS, "--voxelwise", *(["--fisher-z"] if fisher_z else []))
    stat = "fisherz" if fisher_z else "pearsoncorrelation"
    inside = volumes(out, "desc-brain_mask") > 0
    maps = volumes(out, f"seg-points_stat-{stat}_desc-36P_boldmap")
    series = pd.read_csv(
        func(out, "seg-points_stat-mean_desc-36P_timeseries.tsv"), sep="\t", na_values="n/a"
    )
    voxels = volumes(out, "desc-36P_bold")[inside]
    kept = ~np.isin(np.arange(100), list(JERKS))
    for number, name in enumerate(["left", "right"]):
        expected = np.corrcoef(series[name].to_numpy()[kept], voxels[:, kept])[0, 1:]
        expected = np.arctanh(expected) if fisher_z else expected
        np.testing.assert_allclose(maps[inside][:, number], expected, rtol=0, atol=1e-5)
    assert np.isnan(maps[inside][:, 2]).all()
    assert not maps[~inside].any()
    about = sidecar(out, f"seg-points_stat-{stat}_desc-36P_boldmap")
    assert [each["Name"] for each in about["Volumes"]] == list(SEEDS)
    assert [each["Status"] for each in about["Volumes"]] == ["ok", "ok", "empty"]


def test_maps_are_the_same_whether_volumes_are_wanted_or_not(output_of):
    alone, beside = output_of(*MAPS), output_of(*MAPS, "--voxelwise")
    name = "seg-points_stat-pearsoncorrelation_desc-36P_boldmap.nii.gz"
    assert func(alone, name).read_bytes() == func(beside, name).read_bytes()
    assert not func(alone, "desc-36P_bold.nii.gz").exists()


def test_the_report_shows_maps_and_their_seeds(output_of):
    out = output_of(*MAPS)
    page = (out / "sub-01.html").read_text(encoding="utf-8")
    assert "left: seg-points, 36P" in page
    assert len(list((out / "sub-01" / "figures").glob("*_boldmap.svg"))) == 4


def test_all_at_once_gives_the_bytes_of_each_alone(dataset, output_of, seeds, tmp_path):
    everything = ("--atlases", dataset.atlas, *MAPS, "--voxelwise")
    both = output_of(*everything, "--nprocs", "2")
    one = output_of(*everything, "--nprocs", "1")
    maps, voxels = output_of(*MAPS), output_of("--voxelwise", *MAPS[-2:])
    names = {path.name for path in (both / "sub-01" / "func").iterdir()}
    assert names == {path.name for path in (one / "sub-01" / "func").iterdir()}
    for name in names:
        content = (both / "sub-01" / "func" / name).read_bytes()
        assert content == (one / "sub-01" / "func" / name).read_bytes(), name
    for alone, pattern in ((maps, "*_boldmap.nii.gz"), (voxels, "*_bold.nii.gz")):
        for path in alone.rglob(pattern):
            assert path.read_bytes() == (both / path.relative_to(alone)).read_bytes(), path.name
    assert len(list(both.rglob("*_boldmap.nii.gz"))) == 2
    assert len(list(both.rglob("*atlas-Demo60*_timeseries.tsv"))) == 2


def test_every_space_that_is_asked_for_is_done(dataset, tmp_path):
    root = tmp_path / "fmriprep"
    shutil.copytree(dataset.root, root)
    for path in list(root.rglob(f"*{SPACE}*")):
        shutil.copy(path, path.with_name(path.name.replace(SPACE, "space-MNI152NLin6Asym")))
    options = ("--strategies", "36P", *AS_NILEARN, "--voxelwise", "--nprocs", "2")
    assert bidsmask(root, tmp_path / "out", "participant", *options) == 0
    images = sorted((tmp_path / "out").rglob("*_desc-36P_bold.nii.gz"))
    assert len(images) == 2
    assert images[0].read_bytes() == images[1].read_bytes()


def test_nothing_large_stays_in_the_work_folder(dataset, seeds, tmp_path, capsys):
    options = ("--strategies", "36P", *AS_NILEARN, "--seeds", seeds, "--seed-maps",
               "--voxelwise", "-v", "--space", "MNI152NLin2009cAsym",
               "-w", tmp_path / "work")  # fmt: skip
    request = (dataset.root, tmp_path / "out", "participant", *options)
    assert bidsmask(*request) == 0
    assert not list((tmp_path / "work").rglob("*.npy"))
    capsys.readouterr()
    assert bidsmask(*request) == 0
    assert "(8 steps reused)" in "".join(capsys.readouterr())
    (image,) = (tmp_path / "out").rglob("*_desc-36P_bold.nii.gz")
    before = image.read_bytes()
    image.unlink()
    assert bidsmask(*request) == 0
    assert image.read_bytes() == before
    assert "(6 steps reused)" in "".join(capsys.readouterr())
    assert not list((tmp_path / "work").rglob("*.npy"))
    assert bidsmask(*request, "--connectivity", "covariance") == 0
    said = "".join(capsys.readouterr())
    assert "connectivity" in said
    assert "start" in said
    assert ".voxelwise" not in [
        line.split()[-1][-10:] for line in said.splitlines() if line.split()[:1] == ["start"]
    ]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--voxelwise-smoothing-fwhm", "6"], "--voxelwise"),
        (["--voxelwise", "--voxelwise-smoothing-fwhm", "-1"], "mm"),
        (["--seed-maps"], "--seeds"),
        (["--atlases", "none"], "--voxelwise"),
    ],
)
def test_what_cannot_be_meant_is_refused(dataset, tmp_path, options, hint, capsys):
    assert bidsmask(dataset.root, tmp_path / "out", "participant", *options) == 2
    assert hint in "".join(capsys.readouterr())
    assert not (tmp_path / "out").exists()


def test_a_strategy_with_the_name_of_a_smoothed_copy_is_refused(dataset, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: 36P+smooth\ndescription: Nothing was regressed.\ncolumns: []\n", encoding="utf-8"
    )
    options = ("--strategies", "36P", file, "--voxelwise", "--voxelwise-smoothing-fwhm", "6")
    assert bidsmask(dataset.root, tmp_path / "out", "participant", *options) == 2
    assert "36P+smooth" in "".join(capsys.readouterr())


def test_a_dry_run_names_what_will_be_there(dataset, output_of, seeds, tmp_path, capsys):
    options = ("--seeds", seeds, "--seed-maps", "--fd-threshold", FD_THRESHOLD_MM, "--voxelwise",
               "--space", "MNI152NLin2009cAsym", "--strategies", "36P", "simple",
               *AS_NILEARN)  # fmt: skip
    capsys.readouterr()
    assert bidsmask(dataset.root, tmp_path / "out", "participant", *options, "--dry-run") == 0
    said = "".join(capsys.readouterr())
    named = {line.split()[-1] for line in said.splitlines() if line.startswith("  writes:")}
    out = output_of(*MAPS, "--voxelwise")
    there = {
        path.relative_to(out).as_posix()
        for path in (out / "sub-01" / "func").iterdir()
        if path.name.endswith((".nii.gz", ".tsv")) and not path.name.endswith("points_dseg.tsv")
    }
    assert named == there


@pytest.mark.parametrize("how", ["na", "drop"])
def test_the_dataset_is_valid(output_of, how, validators):
    out = output_of("--seeds", "SEEDS", "--seed-maps", "--voxelwise-smoothing-fwhm", "6",
                    *CENSORED, how)  # fmt: skip
    for validator in validators:
        done = subprocess.run(
            [validator, out, "--format", "json"], capture_output=True, text=True, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert not [issue for issue in issues if issue["severity"] == "error"]
