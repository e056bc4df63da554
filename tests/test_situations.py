"""What real users have: files of one person, companions elsewhere, other names, slow scans.

Each is either done, or refused with a letter whose advice is followed here, and works.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import (
    SHAPE,
    SPACE,
    affine_in,
    blocks_of,
    confounds_table,
    noise,
    save_image,
    write_tiny,
)

from bidsmask.cli.main import main

AFFINE = affine_in("RAS")
RAW = ("--strategies", "none", "--standardize", "none", "--no-detrend", "--min-coverage", "0")


@dataclass(frozen=True)
class Done:
    exit_code: int
    said: str
    out: Path

    @property
    def series(self):
        return {path.name: path for path in self.out.rglob("*_timeseries.tsv")}

    @property
    def status(self):
        table = pd.read_csv(self.out / "logs" / "status.tsv", sep="\t", keep_default_na=False)
        return table.set_index(table["run"].str.split("_").str[0])


@pytest.fixture
def atlas(tmp_path):
    return write_atlas(tmp_path / f"tpl-{SPACE}_atlas-Mini_dseg.nii.gz")


@pytest.fixture
def bidsmask(tmp_path, capsys):
    def run(root, *options, out="out"):
        capsys.readouterr()
        exit_code = main([str(each) for each in (root, tmp_path / out, "participant", *options)])
        return Done(exit_code, "".join(capsys.readouterr()), tmp_path / out)

    return run


def write_atlas(path, labels=None):
    labels = blocks_of(AFFINE, SHAPE) if labels is None else labels
    save_image(path, labels, AFFINE)
    rows = "".join(f"{label}\tR{label}\n" for label in np.unique(labels[labels > 0]))
    path.with_name(path.name.replace(".nii.gz", ".tsv")).write_text("index\tname\n" + rows)
    return path


def write_dataset(tmp_path, name="fmriprep", subjects=("01",), **how):
    made = write_tiny(tmp_path / name)
    for number, subject in enumerate(subjects):
        made.add_run(subject, noise(seed=number), AFFINE, **how)
    return made.root


def rename(root, before, after):
    for path in sorted(root.rglob(f"*{before}*")):
        path.rename(path.with_name(path.name.replace(before, after)))


def follow(letter, pattern=r"--(?:low|high)-pass [\d.]+(?: --low-pass [\d.]+)?|--filter \w+"):
    """Options that a letter advises, each in the words to type."""
    return [advice.split() for advice in re.findall(pattern, letter)]


BAND = """\
name: 6P+band
description: Six motion parameters were regressed.
columns: [{label: motion, pattern: "(trans|rot)_[xyz]", count: 6}]
cleaning: {filter: butterworth, high_pass_hz: 0.01, low_pass_hz: 0.08}
"""


# --- a scan so slow that a filter cannot be had


@pytest.mark.parametrize(
    ("t_r", "asked", "n_ways"),
    [
        (8.0, (), 3),
        (8.0, ("--low-pass", "0.07", "--high-pass", "0.01"), 3),
        (20.0, ("--high-pass", "0.03"), 2),
        (8.0, ("--filter", "cosine", "--high-pass", "0.1"), 2),
    ],
)
def test_a_filter_beyond_nyquist_is_refused_and_each_way_out_works(
    bidsmask, tmp_path, atlas, t_r, asked, n_ways
):
    root = write_dataset(tmp_path, t_r=t_r)
    for sidecar in root.rglob("*_bold.json"):
        sidecar.write_text(json.dumps({"RepetitionTime": t_r}))
    strategy = tmp_path / "band.yaml"
    strategy.write_text(BAND)
    request = (root, "--atlases", atlas, "--strategies", strategy, "--dry-run")
    refused = bidsmask(*request, *asked)
    assert refused.exit_code == 1
    ways = follow(re.search("Ask for slower ones.*", refused.said)[0])
    assert len(ways) == n_ways
    for way in ways:
        kept = () if "--filter" in way else asked
        options = dict(zip(kept[::2], kept[1::2], strict=True))
        options |= dict(zip(way[::2], way[1::2], strict=True))
        again = [word for pair in options.items() for word in pair]
        done = bidsmask(*request, *again)
        assert done.exit_code == 0, (way, done.said)


# --- companions that lie elsewhere, or are called otherwise


@pytest.fixture
def denoised(tmp_path):
    """A BOLD in a dataset of its own, and the dataset that has its companions."""
    fmriprep = write_dataset(tmp_path)
    aroma = tmp_path / "aroma"
    shutil.copytree(fmriprep, aroma)
    rename(aroma, "desc-preproc", "desc-nonaggrDenoised")
    for pattern in ("*_mask*", "*_boldref*", "*_timeseries*"):
        for path in aroma.rglob(pattern):
            path.unlink()
    wanted = tmp_path / "filter.json"
    wanted.write_text(json.dumps({"bold": {"desc": "nonaggrDenoised"}}))
    return aroma, fmriprep, ("--bids-filter-file", wanted)


def test_mask_and_confounds_come_from_the_dataset_that_is_named(bidsmask, atlas, denoised):
    aroma, fmriprep, wanted = denoised
    done = bidsmask(aroma, *wanted, "--atlases", atlas, *RAW, "--datasets", f"prep={fmriprep}")
    assert done.exit_code == 0, done.said
    plain = bidsmask(fmriprep, "--atlases", atlas, *RAW, out="plain")
    (series,), (expected,) = done.series.values(), plain.series.values()
    assert series.read_bytes() == expected.read_bytes()
    sources = json.loads(series.with_suffix(".json").read_text())["Sources"]
    func = "sub-01/func/sub-01_task-rest"
    assert f"bids:preprocessed:{func}_space-{SPACE}_desc-nonaggrDenoised_bold.nii.gz" in sources
    assert f"bids:prep:{func}_space-{SPACE}_desc-brain_mask.nii.gz" in sources
    assert f"bids:prep:{func}_desc-confounds_timeseries.tsv" in sources


def test_without_it_each_advice_works(bidsmask, atlas, denoised):
    aroma, fmriprep, wanted = denoised
    request = (aroma, *wanted, "--atlases", atlas, *RAW, "--dry-run")
    refused = bidsmask(*request)
    assert refused.exit_code == 1
    assert "name the dataset that has it with --datasets NAME=PATH" in refused.said
    assert bidsmask(*request, "--datasets", f"NAME={fmriprep}").exit_code == 0
    assert "Copy it there from fMRIPrep's output" in refused.said
    for path in fmriprep.rglob("sub-01_*"):
        if "desc-preproc" not in path.name:
            shutil.copy(path, aroma / path.relative_to(fmriprep))
    assert bidsmask(*request).exit_code == 0


@pytest.mark.parametrize("entity", ["acq-x", "run-1", "rec-y"])
def test_a_filter_file_says_which_table_is_meant(bidsmask, tmp_path, atlas, entity):
    root = write_dataset(tmp_path)
    rename(root, "task-rest_desc-confounds", f"task-rest_{entity}_desc-confounds")
    request = (root, "--atlases", atlas, *RAW, "--dry-run")
    refused = bidsmask(*request)
    assert refused.exit_code == 1
    assert '"confounds" in a --bids-filter-file' in refused.said
    assert f"there is sub-01_task-rest_{entity}_desc-confounds_timeseries.tsv" in refused.said
    name, label = entity.split("-")
    wanted = tmp_path / "filter.json"
    wanted.write_text(json.dumps({"confounds": {name: label}}))
    assert bidsmask(*request, "--bids-filter-file", wanted).exit_code == 0


def test_the_magnitude_of_a_run_has_the_table_of_the_run(bidsmask, tmp_path, atlas):
    root = write_dataset(tmp_path)
    rename(root, f"task-rest_space-{SPACE}", f"task-rest_part-mag_space-{SPACE}")
    done = bidsmask(root, "--atlases", atlas, "--strategies", "simple")
    assert done.exit_code == 0, done.said
    assert len(done.series) == 1


# --- tables that are not quite tables


@pytest.mark.parametrize(
    ("how", "letter"),
    [
        ({"sep": " "}, "separated by spaces, expected tabs"),
        ({"sep": ","}, "separated by commas, expected tabs"),
        ({"sep": "\t", "header": False}, "contains no header"),
    ],
)
def test_what_is_no_table_is_named_and_the_same_with_tabs_is_one(
    bidsmask, tmp_path, atlas, how, letter
):
    root = write_dataset(tmp_path)
    (table,) = root.rglob("*_timeseries.tsv")
    confounds_table().to_csv(table, index=False, na_rep="n/a", **how)
    request = (root, "--atlases", atlas, "--strategies", "24P", "--min-dof", 0, "--dry-run")
    refused = bidsmask(*request)
    assert refused.exit_code == 1
    assert letter in refused.said
    confounds_table().to_csv(table, index=False, na_rep="n/a", sep="\t")
    assert bidsmask(*request).exit_code == 0


# --- atlases of one brain


@pytest.fixture
def individuals(tmp_path):
    """Two participants in their own space, each with a segmentation; the second is mirrored."""
    root = write_dataset(tmp_path, subjects=("01", "02"))
    rename(root, f"space-{SPACE}", "space-T1w")
    labels = blocks_of(AFFINE, SHAPE)
    own = {"01": labels, "02": labels[::-1]}
    for subject, each in own.items():
        stem = f"sub-{subject}_task-rest_space-T1w_desc-aparcaseg_dseg"
        write_atlas(root / f"sub-{subject}" / "func" / f"{stem}.nii.gz", each)
    return root, own


def means_of(root, subject, labels):
    import nibabel as nib

    (bold,) = root.glob(f"sub-{subject}/func/*_bold.nii.gz")
    values = nib.load(bold).get_fdata()
    mask = nib.load(next(root.glob(f"sub-{subject}/func/*_mask.nii.gz"))).get_fdata() > 0
    inside = np.where(mask, labels, 0)
    return np.stack([values[inside == k].mean(axis=0) for k in range(1, labels.max() + 1)], 1)


def assert_own(done, root, own):
    assert len(done.series) == len(own)
    for subject, labels in own.items():
        (path,) = (path for name, path in done.series.items() if name.startswith(f"sub-{subject}"))
        found = pd.read_csv(path, sep="\t", na_values="n/a").to_numpy()[2:]
        np.testing.assert_allclose(found, means_of(root, subject, labels)[2:], rtol=1e-5)


def test_one_brain_is_never_laid_on_another_and_the_advice_works(bidsmask, individuals):
    root, own = individuals
    (mine,) = root.glob("sub-01/func/*_dseg.nii.gz")
    request = (root, "--space", "T1w", *RAW, "--atlases")
    done = bidsmask(*request, mine)
    assert done.exit_code == 1
    assert dict(done.status["status"]) == {"sub-01": "done", "sub-02": "failed"}
    assert_own(done, root, {"01": own["01"]})
    reason = done.status.loc["sub-02", "reason"]
    assert "belongs to sub-01" in reason
    pattern = re.search("in quotes: '(.*?)'", reason)[1]
    again = bidsmask(*request, pattern)
    assert again.exit_code == 0, again.said
    assert_own(again, root, own)


def test_a_pattern_without_quotes_means_the_same(bidsmask, individuals):
    root, own = individuals
    paths = sorted(root.glob("sub-*/func/*_dseg.nii.gz"))
    done = bidsmask(root, "--space", "T1w", *RAW, "--atlases", *paths)
    assert done.exit_code == 0, done.said
    assert_own(done, root, own)


def test_one_without_a_segmentation_lacks_it_and_nothing_else(bidsmask, individuals, atlas):
    root, _ = individuals
    for path in root.glob("sub-02/func/*_dseg.*"):
        path.unlink()
    common = write_atlas(atlas.with_name("space-T1w_atlas-Common_dseg.nii.gz"))
    pattern = f"{root}/sub-*/func/*_desc-aparcaseg_dseg.nii.gz"
    done = bidsmask(root, "--space", "T1w", *RAW, "--atlases", pattern, common)
    assert done.exit_code == 1
    assert dict(done.status["status"]) == {"sub-01": "done", "sub-02": "partial"}
    assert len([name for name in done.series if "Common" in name]) == 2
    assert "there is none for sub-02" in done.status.loc["sub-02", "reason"]
    assert "T1w is the space of one brain" in done.said


def test_a_head_is_not_laid_on_a_template_and_the_advice_works(bidsmask, tmp_path):
    root = write_dataset(tmp_path)
    own = write_atlas(root / "sub-01" / "anat" / "sub-01_desc-aparcaseg_dseg.nii.gz")
    refused = bidsmask(root, "--atlases", own, *RAW, "--dry-run")
    assert refused.exit_code == 2
    assert f"the run is in {SPACE}" in refused.said
    way = re.search(r"--space (\w+)", refused.said)[0].split()
    for path in root.glob(f"sub-01/func/*space-{SPACE}*"):
        shutil.copy(path, str(path).replace(SPACE, way[1]))
    assert bidsmask(root, "--atlases", own, *RAW, "--dry-run", *way).exit_code == 0


def test_seeds_of_one_brain_are_for_that_one(bidsmask, individuals):
    root, _ = individuals
    for subject, x in (("01", 0), ("02", 5)):
        path = root / f"sub-{subject}" / "func" / f"sub-{subject}_space-T1w_seg-own_seeds.tsv"
        path.write_text(f"name\tx\ty\tz\tradius\nspot\t{x}\t0\t0\t8\n")
    request = (root, "--space", "T1w", *RAW, "--seeds")
    alone = bidsmask(*request, root / "sub-01/func/sub-01_space-T1w_seg-own_seeds.tsv")
    assert dict(alone.status["status"]) == {"sub-01": "done", "sub-02": "failed"}
    done = bidsmask(*request, f"{root}/sub-*/func/*_seeds.tsv")
    assert done.exit_code == 0, done.said
    tables = sorted(done.out.rglob("sub-*_dseg.tsv"))
    assert len(tables) == 2


# --- names that are too long


LONG = "x" * 90


def long_run(tmp_path, label):
    root = write_dataset(tmp_path)
    rename(root, "task-rest", f"task-rest_acq-{label}")
    return root


def test_an_atlas_with_too_long_a_name_is_told_beforehand_and_the_advice_works(bidsmask, tmp_path):
    root = long_run(tmp_path, LONG)
    atlas = write_atlas(tmp_path / f"tpl-{SPACE}_atlas-{LONG[:80]}_dseg.nii.gz")
    dry = bidsmask(root, "--atlases", atlas, *RAW, "--dry-run")
    assert dry.exit_code == 1
    assert not dry.out.exists()
    done = bidsmask(root, "--atlases", atlas, *RAW)
    assert done.exit_code == 1
    (reason,) = done.status["reason"]
    assert reason in dry.said
    assert re.search(r"has \d+ characters, but a file name can have 255", reason)
    advised = re.search(r"to (\S+\.nii\.gz) and \.tsv", reason)[1]
    for extension in (".nii.gz", ".tsv"):
        before = atlas.with_name(atlas.name.replace(".nii.gz", extension))
        shutil.copy(before, tmp_path / advised.replace(".nii.gz", extension))
    again = bidsmask(root, "--atlases", tmp_path / advised, *RAW)
    assert again.exit_code == 0, again.said
    assert len(again.series) == 1


def test_a_matrix_with_too_long_a_name_costs_itself(bidsmask, tmp_path):
    root = long_run(tmp_path, LONG)
    atlas = write_atlas(tmp_path / f"tpl-{SPACE}_atlas-{LONG[:70]}_dseg.nii.gz")
    request = (root, "--atlases", atlas, *RAW, "--connectivity", "correlation", "covariance")
    done = bidsmask(*request)
    assert done.exit_code == 1
    assert set(done.status["status"]) == {"partial"}, done.said
    assert "measure correlation is n/a" in done.status["reason"].iloc[0]
    assert len(done.series) == 1
    (matrix,) = done.out.rglob("*_relmat.tsv")
    assert "stat-covariance" in matrix.name
    figures = [path.name for path in done.out.rglob("*.svg")]
    assert max(map(len, figures)) <= 255
    assert any("outline" in name or re.search("_[0-9a-f]{16}.svg", name) for name in figures)


def test_a_strategy_with_too_long_a_name_costs_itself(bidsmask, tmp_path, atlas):
    root = long_run(tmp_path, LONG)
    strategy = tmp_path / "long.yaml"
    strategy.write_text(BAND.replace("6P+band", "y" * 140))
    done = bidsmask(root, "--atlases", atlas, "--strategies", "simple", strategy)
    assert done.exit_code == 1
    assert set(done.status["status"]) == {"partial"}, done.said
    assert len(done.series) == 1
    strategy.write_text(BAND)
    again = bidsmask(root, "--atlases", atlas, "--strategies", "simple", strategy, "--min-dof", 0)
    assert again.exit_code == 0, again.said


def test_a_run_with_too_long_a_name_costs_itself(bidsmask, tmp_path, atlas):
    root = write_dataset(tmp_path, subjects=("01", "02"))
    rename(root, "sub-02_task-rest", f"sub-02_task-rest_acq-{LONG}{LONG}")
    done = bidsmask(root, "--atlases", atlas, *RAW)
    assert done.exit_code == 1
    assert dict(done.status["status"]) == {"sub-01": "done", "sub-02": "failed"}
    assert "Shorten the labels" in done.status.loc["sub-02", "reason"]


# --- what lies elsewhere


@pytest.mark.parametrize("kind", ["atlas", "seeds"])
def test_what_lies_beside_the_run_is_told_beforehand(bidsmask, tmp_path, atlas, kind):
    root = write_dataset(tmp_path)
    if kind == "atlas":
        far = tmp_path / f"tpl-{SPACE}_atlas-Far_dseg.nii.gz"
        save_image(far, blocks_of(AFFINE, SHAPE), affine_in("RAS", shift=(500, 0, 0)))
        asked = ("--atlases", atlas, far)
    else:
        far = tmp_path / f"space-{SPACE}_seg-Far_seeds.tsv"
        far.write_text("name\tx\ty\tz\tradius\na\t500\t0\t0\t8\n")
        asked = ("--atlases", atlas, "--seeds", far)
    dry = bidsmask(root, *asked, *RAW, "--dry-run")
    assert dry.exit_code == 1
    assert re.search("problem: .*Far is n/a: .*lies on the grid of the run", dry.said)
    done = bidsmask(root, *asked, *RAW)
    assert set(done.status["status"]) == {"partial"}
    assert len(done.series) == 1


def test_a_mask_of_another_grid_is_told_beforehand(bidsmask, tmp_path, atlas):
    root = write_dataset(tmp_path)
    (mask,) = root.rglob("*_mask.nii.gz")
    save_image(mask, np.ones(SHAPE, np.uint8), affine_in("RAS", shift=(9, 0, 0)))
    dry = bidsmask(root, "--atlases", atlas, *RAW, "--dry-run")
    assert dry.exit_code == 1
    assert "lies on another grid than the run" in dry.said
