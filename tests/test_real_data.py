"""Real grids, atlases, confounds tables and runs through the command line."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.strategies import label_of
from bidsmask.demo import cubic_grid
from bidsmask.images.grid import Grid
from bidsmask.images.io import image_bytes

DATA = Path(__file__).parents[1].parent / "shared" / "data"
TEMPLATE = DATA / "templateflow" / "tpl-MNI152NLin2009cAsym"
STEM = TEMPLATE / "tpl-MNI152NLin2009cAsym"
SPACE = "space-MNI152NLin2009cAsym_res-2"

SIGNAL_TOLERANCE = 1e-6
"""In standard deviations: our files hold float32, nilearn computes in float64."""

VOLUMES, T_R = 60, 2.0
SUBJECTS = ("01", "02")
NAMED, GIVEN = "Schaefer2018_seg-7n_scale-200", "atlas-Schaefer400x7"
RIGID = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="there is no ../shared/data"),
]


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_root(root, **sidecar):
    description = {
        "Name": "real",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.3"}],
    }
    write_json(root / "dataset_description.json", description)
    write_json(root / "task-rest_bold.json", {"TaskName": "rest", **sidecar})


def with_derivatives(columns):
    """The columns, and what fMRIPrep derives from them; n/a where it has no value."""
    table = pd.DataFrame(columns)
    for name in list(table):
        table[f"{name}_derivative1"] = table[name].diff()
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = table[f"{name}_derivative1"] ** 2
    return table


def write_confounds(path, table):
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    write_json(path.with_suffix(".json"), {})


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_tsv(path):
    return pd.read_csv(path, sep="\t", na_values="n/a")


def one(folder, pattern):
    (found,) = folder.rglob(pattern)
    return found


def with_nilearn(image, atlas, mask, confounds, sidecar):
    """Signals (T_kept, P) and labels (P,) of the same steps by nilearn."""
    from nilearn.maskers import NiftiLabelsMasker

    settings = sidecar["CleaningParameters"]
    table = pd.read_csv(confounds, sep="\t", na_values="n/a")
    masker = NiftiLabelsMasker(
        labels_img=str(atlas),
        mask_img=str(mask),
        resampling_target="data",
        detrend=settings["detrend"],
        standardize="zscore_sample",
        standardize_confounds=True,
        high_pass=settings["high_pass_hz"],
        low_pass=settings["low_pass_hz"],
        t_r=sidecar["RepetitionTime"],
        clean_args={"filter": "butterworth" if settings["high_pass_hz"] else False},
    )
    design = table[sidecar["ConfoundStrategy"]["Columns"]].bfill()
    signals = masker.fit_transform(image, confounds=design)
    return signals, [int(n) for key, n in masker.region_ids_.items() if key != "background"]


def assert_same_signals(timeseries, expected, labels):
    ours = read_tsv(timeseries)
    stem = timeseries.name.split("_stat-")[0]
    coverage = read_tsv(timeseries.with_name(f"{stem}_stat-coverage_bold.tsv"))
    assert list(ours.columns) == list(coverage["Node"])
    usable = coverage["status"].isin(["ok", "partial"]).to_numpy()
    theirs = [labels.index(label) for label in coverage["index"][usable]]
    np.testing.assert_allclose(
        ours.to_numpy()[:, usable], expected[:, theirs], rtol=0, atol=SIGNAL_TOLERANCE
    )
    return int(usable.sum())


def in_float64(path):
    image = nib.load(path)
    return nib.Nifti1Image(image.get_fdata(dtype=np.float64), image.affine, dtype=np.float64)


# The MNI grid of 2 mm


def given_atlas(folder):
    """The 400 regions of Schaefer, as a user would give them: an image with its table."""
    source = DATA / "atlases" / "schaefer400x7"
    image = folder / f"tpl-MNI152NLin2009cAsym_{GIVEN}_dseg.nii.gz"
    shutil.copy(source / "schaefer400x7MNI.nii.gz", image)
    rows = {
        "index": (source / "schaefer400x7NodeIndex.1D").read_text().split(),
        "name": (source / "schaefer400x7NodeNames.txt").read_text().split(),
    }
    table = folder / image.name.replace(".nii.gz", ".tsv")
    pd.DataFrame(rows).to_csv(table, sep="\t", index=False)
    return image


def draw_run(rng, labels, reference):
    """Volumes (X, Y, Z, T) of int16: the reference, a signal for each region, and noise."""
    signals = rng.normal(size=(VOLUMES, int(labels.max()) + 1)).astype(np.float32)
    noise = rng.normal(scale=8, size=labels.size).astype(np.float32)
    flat, base = labels.ravel(), reference.ravel()
    volumes = np.empty((VOLUMES, labels.size), dtype=np.int16)
    for number, volume in enumerate(volumes):
        volume[:] = base + 20 * signals[number, flat] + np.roll(noise, 7919 * number)
    return np.moveaxis(volumes.reshape(VOLUMES, *labels.shape), 0, -1)


def write_run(root, subject, bold, grid):
    rng = np.random.default_rng(int(subject))
    folder = root / f"sub-{subject}" / "func"
    folder.mkdir(parents=True)
    stem = folder / f"sub-{subject}_task-rest_{SPACE}"
    Path(f"{stem}_desc-preproc_bold.nii.gz").write_bytes(image_bytes(bold, grid, T_R))
    shutil.copy(f"{STEM}_res-02_desc-brain_mask.nii.gz", f"{stem}_desc-brain_mask.nii.gz")
    shutil.copy(f"{STEM}_res-02_desc-fMRIPrep_boldref.nii.gz", f"{stem}_boldref.nii.gz")
    motion = {name: np.cumsum(rng.normal(scale=0.02, size=VOLUMES)) for name in RIGID}
    tissue = {name: rng.normal(size=VOLUMES) for name in ("csf", "white_matter")}
    table = with_derivatives(motion | tissue)
    table["framewise_displacement"] = table.filter(regex="^trans_.*derivative1$").abs().sum(axis=1)
    table["cosine00"] = np.cos(np.pi * (np.arange(VOLUMES) + 0.5) / VOLUMES)
    write_confounds(folder / f"sub-{subject}_task-rest_desc-confounds_timeseries.tsv", table)


@pytest.fixture(scope="module")
def mni(tmp_path_factory):
    """Two runs on the real grid, with one atlas by its name and one by its path."""
    folder = tmp_path_factory.mktemp("mni")
    root, atlas = folder / "fmriprep", given_atlas(folder)
    write_root(root, RepetitionTime=T_R)
    reference = nib.load(f"{STEM}_res-02_desc-fMRIPrep_boldref.nii.gz")
    labels = np.asarray(nib.load(atlas).dataobj)
    base = reference.get_fdata(dtype=np.float32)
    grid = Grid(shape=reference.shape, affine=reference.affine)
    for subject in SUBJECTS:
        bold = draw_run(np.random.default_rng(int(subject)), labels, base * (1000 / base.max()))
        write_run(root, subject, bold, grid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPLATEFLOW_HOME", str(TEMPLATE.parent))
        exit_code = main(
            [
                *(str(root), str(folder / "out"), "participant", "--strategies", "simple"),
                *("--atlases", NAMED, str(atlas), "--no-download", "--nprocs", "1"),
                *("-w", str(folder / "work")),
            ]
        )
    assert exit_code == 0
    return root, folder / "out", atlas


@pytest.fixture(scope="module")
def bold_in_float64(mni):
    """One run at a time, for it is large."""
    known = {}

    def ask(subject):
        if subject not in known:
            known.clear()
            known[subject] = in_float64(one(mni[0], f"sub-{subject}_*_bold.nii.gz"))
        return known[subject]

    return ask


@pytest.mark.parametrize(
    ("subject", "atlas", "n_regions"),
    [("01", "Schaefer2018", 200), ("01", "Schaefer400x7", 400), ("02", "Schaefer400x7", 400)],
)
def test_signals_on_the_mni_grid_are_those_of_nilearn(
    mni, bold_in_float64, subject, atlas, n_regions
):
    root, out, given = mni
    named = Path(f"{STEM}_res-01_atlas-Schaefer2018_desc-200Parcels7Networks_dseg.nii.gz")
    timeseries = one(out, f"sub-{subject}_*atlas-{atlas}_*_timeseries.tsv")
    expected, labels = with_nilearn(
        bold_in_float64(subject),
        named if atlas == "Schaefer2018" else given,
        one(root, f"sub-{subject}_*_mask.nii.gz"),
        one(root, f"sub-{subject}_*desc-confounds_timeseries.tsv"),
        read_json(timeseries.with_suffix(".json")),
    )
    n_usable = assert_same_signals(timeseries, expected, labels)
    assert len(read_tsv(timeseries).columns) == n_regions
    assert n_usable > 0.95 * n_regions


def test_a_named_atlas_comes_from_the_folder_of_templates(mni):
    sidecar = read_json(one(mni[1], "sub-01_*atlas-Schaefer2018*_timeseries.json"))
    assert sidecar["Atlas"] == NAMED
    assert sidecar["AtlasFile"]["URI"].endswith(
        "tpl-MNI152NLin2009cAsym_res-01_atlas-Schaefer2018_desc-200Parcels7Networks_dseg.nii.gz"
    )


def test_an_atlas_on_the_grid_of_the_run_is_not_changed(mni):
    copy = nib.load(one(mni[1], "sub-02_*atlas-Schaefer400x7_*dseg.nii.gz"))
    original = nib.load(mni[2])
    assert np.array_equal(np.asarray(copy.dataobj), np.asarray(original.dataobj))
    np.testing.assert_allclose(copy.affine, original.affine)


# Confounds tables that fMRIPrep has written

TABLES = {
    "testv21": "test-v21_desc-confounds_timeseries",
    "test14": "test_desc-confounds_regressors",
    "nosteady": "no_nonsteady_desc-confounds_regressors",
    "ds000031": "ds000031_sub-01_ses-002_task-rest_run-001_desc-confounds_timeseries",
}
ALWAYS = {"none", "baseline", "gsr_only"}
WITH_AROMA = {"aroma", "aroma_gsr", *ALWAYS}
WORKABLE = {
    # by hand: tables of 30 rows, 27, 29 and 30 of them steady; one of 40 without derivatives
    "testv21": {"24P", "acompcor", "acompcor_gsr", *ALWAYS},
    "test14": {"24P", "acompcor", *WITH_AROMA},  # acompcor_gsr: 27 columns of 29 volumes
    "nosteady": {"24P", "27P", *WITH_AROMA},  # no JSON says where its components come from
    "ds000031": ALWAYS,
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory, make_dataset):
    """A run for each table, with as many volumes as it has rows."""
    made = make_dataset(
        tmp_path_factory.mktemp("tables"),
        subjects=tuple(TABLES),
        volumes=40,
        grid=cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0)),
    )
    for files, name in zip(made.runs, TABLES.values(), strict=True):
        source = DATA / "confounds" / f"{name}.tsv"
        n_rows = len(pd.read_csv(source, sep="\t"))
        image = nib.load(files.bold)
        volumes = np.asarray(image.dataobj)[..., :n_rows]
        grid = Grid(shape=image.shape[:3], affine=image.affine)
        files.bold.write_bytes(image_bytes(volumes, grid, T_R))
        put_in_place(files, source)
    return made


def put_in_place(files, source):
    """Table and sidecar, if there is one, under the name that their fMRIPrep gave them."""
    suffix = source.stem.rpartition("_")[2]
    for old in (files.confounds, files.confounds_json):
        old.unlink()
        new = source.with_suffix(old.suffix)
        if new.exists():
            shutil.copy(new, old.with_name(old.name.replace("timeseries", suffix)))


def table_command(tables, out, *options):
    return [
        *(str(tables.root), str(out), "participant", "--atlases", str(tables.atlas)),
        *("--filter", "none", "--min-dof", "0", *options),  # the runs are short
    ]


def test_a_dry_run_knows_which_strategies_a_table_is_good_for(tables, tmp_path, capsys):
    found = {subject: set() for subject in TABLES}
    for strategy in strategy_names():
        options = "--dry-run", "--strategies", strategy
        exit_code = main(table_command(tables, tmp_path / "out", *options))
        refused = set(re.findall(r"^problem: sub-(\w+?)_", capsys.readouterr().out, re.MULTILINE))
        assert exit_code == (1 if refused else 0)
        for subject in set(TABLES) - refused:
            found[subject].add(strategy)
    assert found == WORKABLE


@pytest.mark.parametrize("subject", TABLES)
def test_every_strategy_that_a_table_is_good_for_works(tables, tmp_path, subject):
    strategies = sorted(WORKABLE[subject])
    options = ["--participant-label", subject, "--strategies", *strategies]
    assert main(table_command(tables, tmp_path, *options)) == 0
    table = pd.read_csv(DATA / "confounds" / f"{TABLES[subject]}.tsv", sep="\t")
    unsteady = table.filter(regex="^non_steady_state_outlier").any(axis=1).sum()
    for strategy in strategies:
        signals = one(tmp_path, f"*_desc-{label_of(strategy)}_timeseries.tsv")
        outliers = one(tmp_path, f"*_desc-{label_of(strategy)}_outliers.tsv")
        freedom = read_json(signals.with_suffix(".json"))["DegreesOfFreedom"]
        assert len(read_tsv(signals)) == len(read_tsv(outliers)) == len(table)
        assert read_tsv(signals).isna().all(axis=1).sum() == unsteady
        assert freedom["n_kept"] == len(table) - unsteady
        assert freedom["remaining"] > 0


# A real run


@pytest.fixture(scope="module")
def haxby(tmp_path_factory):
    """Two runs of Haxby et al. 2001 on a grid of 25 mm, with nothing but the head motion."""
    folder = tmp_path_factory.mktemp("haxby")
    func = folder / "fmriprep" / "sub-1" / "func"
    func.mkdir(parents=True)
    write_root(folder / "fmriprep", RepetitionTime=2.5)
    for run in ("01", "02"):
        source, native = DATA / "haxby2001" / f"run-{run}", func / f"sub-1_task-rest_run-{run}"
        shutil.copy(f"{source}_bold_25mm.nii.gz", f"{native}_space-T1w_desc-preproc_bold.nii.gz")
        image = nib.load(f"{source}_bold_25mm.nii.gz")
        grid = Grid(shape=image.shape[:3], affine=image.affine)
        mean = image.get_fdata().mean(axis=-1)
        inside = mean > 0.5 * mean.max()
        Path(f"{native}_space-T1w_desc-brain_mask.nii.gz").write_bytes(image_bytes(inside, grid))
        motion = np.loadtxt(f"{source}_bold_moest.txt")
        table = with_derivatives(dict(zip(RIGID[3:] + RIGID[:3], motion.T, strict=True)))
        write_confounds(Path(f"{native}_desc-confounds_timeseries.tsv"), table)
    blocks = np.arange(inside.size).reshape(inside.shape, order="F") // 40 + 1
    atlas = folder / "space-T1w_atlas-Toy_dseg.nii.gz"
    atlas.write_bytes(image_bytes(blocks.astype(np.int16), grid))
    exit_code = main(
        [
            *(str(folder / "fmriprep"), str(folder / "out"), "participant"),
            *(
                "--atlases",
                str(atlas),
                "--strategies",
                "24P",
                *("--min-dof", "0", "--filter-ends", "nilearn", "--bridge", "nilearn"),
                "--min-coverage",
                "0.1",
            ),
        ]
    )
    assert exit_code == 0
    return folder


@pytest.mark.filterwarnings("ignore:After applying mask to the labels image")  # nilearn's
@pytest.mark.parametrize("run", ["01", "02"])
def test_signals_of_a_real_run_are_those_of_nilearn(haxby, run):
    timeseries = one(haxby / "out", f"*run-{run}_*_timeseries.tsv")
    native = haxby / "fmriprep" / "sub-1" / "func" / f"sub-1_task-rest_run-{run}"
    expected, labels = with_nilearn(
        in_float64(f"{native}_space-T1w_desc-preproc_bold.nii.gz"),
        haxby / "space-T1w_atlas-Toy_dseg.nii.gz",
        f"{native}_space-T1w_desc-brain_mask.nii.gz",
        f"{native}_desc-confounds_timeseries.tsv",
        read_json(timeseries.with_suffix(".json")),
    )
    assert len(expected) == 121
    assert assert_same_signals(timeseries, expected, labels) >= 5
