"""Confounds for scripts: nilearn 0.14.1 as oracle, and what it cannot read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces import fmriprep

import bidsmask
from bidsmask.dataset.data import STRATEGIES_FOLDER, strategy_names
from bidsmask.dataset.load_confounds import load_confounds, load_confounds_strategy
from bidsmask.dataset.nilearn_strategies import PRESETS, preset
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import AllVolumesRemovedError, ConfoundsError, StrategyError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "confounds"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real tables in {REAL}")

T = 60
STEM = "sub-01_task-rest"
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
EXPANDED = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
EXPANDED += ["csf", "white_matter", "global_signal"]
MASKS = {"a": "combined", "w": "WM", "c": "CSF"}

Write = Callable[..., Path]


def a_table(seed: int = 0, *, moving: bool = True) -> pd.DataFrame:
    """A table as fMRIPrep 21 writes it, with two non-steady-state volumes."""
    rng = np.random.default_rng(seed)
    names = [base + expansion for base in EXPANDED for expansion in EXPANSIONS]
    names += [f"cosine{n:02d}" for n in range(12)]
    names += [f"{kind}_comp_cor_{n:02d}" for kind in "acwt" for n in range(6)]
    names += [f"aroma_motion_{n:02d}" for n in (2, 11)]
    table = pd.DataFrame({name: rng.normal(3, 1, size=T) for name in names})
    table["framewise_displacement"] = 0.1
    table["std_dvars"] = 1.0
    if moving:
        table.loc[[10, 13, 55], "framewise_displacement"] = 0.6
        table.loc[[30], "std_dvars"] = 1.6
    late = [name for name in table if "derivative1" in name]
    table.loc[0, [*late, "framewise_displacement", "std_dvars"]] = np.nan
    table["motion_outlier00"] = np.eye(T)[10]
    if moving:
        table["non_steady_state_outlier00"] = np.eye(T)[0]
        table["non_steady_state_outlier01"] = np.eye(T)[1]
    return table


def masks_of(table: pd.DataFrame) -> dict[str, Any]:
    """The JSON beside a table."""
    components = [name for name in table if "_comp_cor_" in name]
    return {name: {"Mask": MASKS.get(name[0])} if name[0] != "t" else {} for name in components}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a run: an empty image, since nobody looks into it, and its table."""

    def write_run(
        table: pd.DataFrame | None = None,
        image: str = f"{STEM}_space-T1w_desc-preproc_bold.nii.gz",
        tsv: str = f"{STEM}_desc-confounds_timeseries.tsv",
        folder: str = "func",
    ) -> Path:
        where = tmp_path / folder
        where.mkdir(exist_ok=True)
        table = a_table() if table is None else table
        table.to_csv(where / tsv, sep="\t", index=False, na_rep="n/a")
        (where / tsv).with_suffix(".json").write_text(json.dumps(masks_of(table)))
        (where / image).touch()
        return where / image

    return write_run


def assert_same(ours: Any, theirs: Any) -> None:
    pd.testing.assert_frame_equal(ours[0], theirs[0], check_exact=False, rtol=1e-12, atol=1e-12)
    if theirs[1] is None:
        assert ours[1] is None
    else:
        np.testing.assert_array_equal(ours[1], theirs[1])


# --- nilearn as oracle


PARTS: dict[str, dict[str, Any]] = {
    "default": {},
    "list": {"strategy": ["wm_csf", "motion"], "motion": "basic"},
    "power2": {"strategy": ("motion", "wm_csf"), "motion": "power2", "wm_csf": "power2"},
    "derivatives": {
        "strategy": ("motion", "global_signal"),
        "motion": "derivatives",
        "global_signal": "derivatives",
    },
    "full": {"strategy": ("wm_csf", "global_signal"), "wm_csf": "full", "global_signal": "full"},
    "not demeaned": {"demean": False},
    "scrub": {"strategy": ("motion", "scrub")},
    "scrub of little": {"strategy": ("scrub", "motion"), "fd_threshold": 1.2, "scrub": 2},
    "scrub by thresholds": {
        "strategy": ("motion", "scrub"),
        "scrub": 0,
        "fd_threshold": 0.55,
        "std_dvars_threshold": 3,
    },
    "aroma": {"strategy": ("high_pass", "ica_aroma"), "ica_aroma": "basic"},
    "combined": {"strategy": ("high_pass", "compcor")},
    "few combined": {"strategy": ("high_pass", "compcor"), "n_compcor": 4},
    "separated": {"strategy": ("high_pass", "compcor"), "compcor": "anat_separated"},
    "few separated": {
        "strategy": ("high_pass", "compcor"),
        "compcor": "anat_separated",
        "n_compcor": 3,
    },
    "temporal": {"strategy": ("high_pass", "compcor"), "compcor": "temporal"},
    "temporal and combined": {
        "strategy": ("high_pass", "compcor"),
        "compcor": "temporal_anat_combined",
        "n_compcor": 2,
    },
    "temporal and separated": {
        "strategy": ("high_pass", "compcor"),
        "compcor": "temporal_anat_separated",
    },
}


@pytest.mark.parametrize("moving", [True, False])
@pytest.mark.parametrize("case", PARTS)
def test_parts_are_those_of_nilearn(write: Write, case: str, moving: bool) -> None:
    run = str(write(a_table(moving=moving)))
    assert_same(load_confounds(run, **PARTS[case]), fmriprep.load_confounds(run, **PARTS[case]))


@pytest.mark.parametrize("options", [{}, {"global_signal": "full"}, {"demean": False}])
@pytest.mark.parametrize("preset", ["simple", "scrubbing", "compcor", "ica_aroma"])
def test_presets_are_those_of_nilearn(write: Write, preset: str, options: dict[str, Any]) -> None:
    run = str(write(image=f"{STEM}_space-MNI152NLin6Asym_desc-smoothAROMAnonaggr_bold.nii.gz"))
    if preset != "ica_aroma":
        run = str(write())
    assert_same(
        load_confounds_strategy(run, preset, **options),
        fmriprep.load_confounds_strategy(run, preset, **options),
    )


@pytest.mark.parametrize(
    ("table", "sidecar"),
    [
        ("test_desc-confounds_regressors", True),
        ("test-v21_desc-confounds_timeseries", True),
        ("no_nonsteady_desc-confounds_regressors", False),
    ],
)
@needs_real_tables
@pytest.mark.real
def test_real_tables_are_read_like_by_nilearn(tmp_path: Path, table: str, sidecar: bool) -> None:
    run = tmp_path / f"{STEM}_space-T1w_desc-preproc_bold.nii.gz"
    suffix = table.rpartition("_")[2]
    for extension in (".tsv", ".json") if sidecar else (".tsv",):
        target = tmp_path / f"{STEM}_desc-confounds_{suffix}{extension}"
        shutil.copy(REAL / f"{table}{extension}", target)
    cases = ["default", "full", "scrub of little", *(["separated", "combined"] if sidecar else [])]
    for case in cases:
        assert_same(
            load_confounds(str(run), **PARTS[case]),
            fmriprep.load_confounds(str(run), **PARTS[case]),
        )


@pytest.mark.parametrize("classes", ["aggressive", "non-aggressive"])
@pytest.mark.parametrize("zeros", [True, False])
def test_components_of_tedana_are_those_of_nilearn(
    tmp_path: Path, classes: Any, zeros: bool
) -> None:
    run, _ = write_tedana(tmp_path, zeros=zeros)
    ours = load_confounds(run, strategy=("tedana",), tedana=classes)
    assert_same(ours, fmriprep.load_confounds(str(run), strategy=("tedana",), tedana=classes))


def write_tedana(folder: Path, *, zeros: bool = True) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    mixing = pd.DataFrame(rng.normal(size=(T, 12)), columns=[f"ICA_{n:02d}" for n in range(12)])
    judged = ["accepted" if n % 3 else "rejected" for n in range(12)]
    names = [f"ICA_{n:02d}" if zeros else f"ICA_{n}" for n in range(12)]
    metrics = pd.DataFrame({"Component": names, "classification": judged})
    mixing.to_csv(folder / f"{STEM}_desc-ICA_mixing.tsv", sep="\t", index=False)
    metrics.to_csv(folder / f"{STEM}_desc-tedana_metrics.tsv", sep="\t", index=False)
    run = folder / f"{STEM}_desc-optcom_bold.nii.gz"
    return run, folder / f"{STEM}_desc-tedana_metrics.tsv"


def test_several_runs_give_lists_and_one_run_in_a_list_none(write: Write) -> None:
    runs = [str(write()), str(write(a_table(1), folder="other"))]
    confounds, masks = load_confounds(runs)
    theirs = fmriprep.load_confounds(runs)
    for one in range(2):
        assert_same((confounds[one], masks[one]), (theirs[0][one], theirs[1][one]))
    assert_same(load_confounds(runs[:1]), fmriprep.load_confounds(runs[:1]))


def test_surfaces_are_found_by_name_alone(write: Write) -> None:
    pair = [f"{STEM}_hemi-{side}_space-fsaverage5_bold.func.gii" for side in "LR"]
    left, right = str(write(image=pair[0])), str(write(image=pair[1]))
    assert_same(load_confounds([left, right]), fmriprep.load_confounds([left, right]))
    twice, _ = load_confounds([[left, right], [left, right]])
    assert len(twice) == 2
    cifti = str(write(image=f"{STEM}_space-fsLR_den-91k_bold.dtseries.nii"))
    assert_same(load_confounds(cifti), fmriprep.load_confounds(cifti))


def test_no_parts_give_no_confounds_but_the_volumes_to_keep(write: Write) -> None:
    run = str(write())
    with pytest.warns(UserWarning, match="confounds will return None"):
        confounds, sample_mask = load_confounds(run, strategy=())
    assert confounds is None
    np.testing.assert_array_equal(sample_mask, np.arange(2, T))
    with pytest.warns(UserWarning, match="confounds will return None"):
        assert load_confounds([run, run], strategy=[])[0] is None


def test_a_denoised_run_leaves_nothing_to_regress(write: Write) -> None:
    run = write(image=f"{STEM}_space-MNI152NLin6Asym_desc-smoothAROMAnonaggr_bold.nii.gz")
    confounds, sample_mask = load_confounds(run, strategy=("ica_aroma",))
    assert confounds.shape == (T, 0)
    assert sample_mask.size == T - 2


# --- strategies by name


@pytest.mark.parametrize("name", strategy_names())
def test_a_named_strategy_gives_its_columns_in_its_order(write: Write, name: str) -> None:
    strategy = load_strategy(name)
    desc = strategy.bold_desc[0] if strategy.bold_desc else "preproc"
    run = write(image=f"{STEM}_space-T1w_desc-{desc}_bold.nii.gz")
    confounds, sample_mask = load_confounds(run, strategy=STRATEGIES_FOLDER / f"{name}.yaml")
    groups = iter(strategy.groups)
    group = next(groups, None)
    for column in confounds:
        while group is not None and not group.matches(str(column)):
            group = next(groups, None)
        assert group is not None
    moved = {10, 13, 55} if strategy.censoring.fd_threshold_mm else set()
    assert moved <= set(range(T)) - set(sample_mask)
    if not moved:
        np.testing.assert_array_equal(sample_mask, np.arange(2, T))
    if len(confounds.columns):
        np.testing.assert_allclose(confounds.iloc[sample_mask].mean(), 0, atol=1e-12)


def test_the_strategy_36p_has_36_columns(write: Write) -> None:
    assert load_confounds(write(), "36P")[0].shape == (T, 36)


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("simple", "simple"),
        ("scrubbing", "scrubbing"),
        ("acompcor50", "compcor"),
        ("icaaroma", "ica_aroma"),
    ],
)
def test_a_strategy_of_nilearn_has_its_columns_also_by_name(
    write: Write, name: str, preset: str
) -> None:
    desc = "smoothAROMAnonaggr" if name == "icaaroma" else "preproc"
    run = str(write(image=f"{STEM}_space-MNI152NLin6Asym_desc-{desc}_bold.nii.gz"))
    confounds, sample_mask = load_confounds(run, strategy=name)
    theirs = fmriprep.load_confounds_strategy(run, denoise_strategy=preset)
    assert_same((confounds[sorted(confounds)], sample_mask), theirs)


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_is_in_parts_is_what_its_file_says(name: str) -> None:
    strategy, made = load_strategy(name), preset(name).strategy()
    assert [replace(each, label="") for each in made.groups] == [
        replace(each, label="") for each in strategy.groups
    ]
    assert replace(made.censoring, dummy_scans="auto") == strategy.censoring


def test_a_strategy_for_denoised_runs_refuses_others_by_name(write: Write) -> None:
    with pytest.raises(ConfoundsError, match=r"icaaroma goes on with a BOLD .*smoothAROMAnonaggr"):
        load_confounds(write(), strategy="icaaroma")


def test_a_strategy_may_be_a_file_of_the_user(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\ndescription: Mine.\ncolumns:\n"
        "  - {label: motion, pattern: 'trans_[xyz]', count: 3}\n"
        "censoring: {fd_threshold_mm: 0.5}\n"
    )
    for given in (file, str(file)):
        confounds, sample_mask = load_confounds(write(), strategy=given)
        assert list(confounds) == ["trans_x", "trans_y", "trans_z"]
        assert set(range(T)) - set(sample_mask.tolist()) == {0, 1, 10, 13, 55}


# --- where nilearn fails, and why


def test_a_path_is_refused_by_nilearn_and_read_here(write: Write) -> None:
    """It asks for the length of what it is given."""
    run = write()
    with pytest.raises(TypeError, match=r"no len\(\)"):
        fmriprep.load_confounds(run)
    assert_same(load_confounds(run), load_confounds(str(run)))


@pytest.mark.parametrize(
    "image",
    [
        f"{STEM}_space-T1w_desc-preproc_bold.nii",
        f"{STEM}_space-T1w_desc-denoised_bold.nii.gz",
        f"{STEM}_space-T1w_bold.nii.gz",
    ],
)
def test_other_names_are_refused_by_nilearn_and_read_here(write: Write, image: str) -> None:
    """It knows the names that fMRIPrep itself gives, and these only when compressed."""
    run = write(image=image)
    with pytest.raises(ValueError, match=r"Unsupported input|Invalid file type"):
        fmriprep.load_confounds(str(run))
    assert_same(load_confounds(run), load_confounds(write()))


def test_a_twin_without_run_is_confused_by_nilearn_and_not_here(write: Write) -> None:
    """It takes any part of the entities for a name of the table."""
    image = f"{STEM}_run-2_space-T1w_desc-preproc_bold.nii.gz"
    own = f"{STEM}_run-2_desc-confounds_timeseries.tsv"
    write(a_table(1))
    run = write(a_table(2), image=image, tsv=own)
    with pytest.raises(ValueError, match="more than one confound file"):
        fmriprep.load_confounds(str(run))
    alone = write(a_table(2), folder="alone")
    assert_same(load_confounds(run), load_confounds(alone))


def test_a_folder_called_tsv_hides_the_masks_from_nilearn_and_not_here(write: Write) -> None:
    """It replaces "tsv" wherever it stands in the path."""
    run = write(folder="my_tsv_files")
    options: dict[str, Any] = PARTS["separated"]
    with pytest.raises(ValueError, match="Could not find associated json file"):
        fmriprep.load_confounds(str(run), **options)
    assert_same(load_confounds(run, **options), load_confounds(write(), **options))


@pytest.mark.parametrize(
    ("missing", "parts", "message"),
    [
        ("framewise_displacement", ("scrub",), "no column framewise_displacement"),
        ("std_dvars", ("scrub",), "no column std_dvars"),
        ("csf", ("wm_csf",), "wm_csf: no column .'csf'"),
    ],
)
def test_a_missing_column_is_a_bare_key_error_in_nilearn_and_a_letter_here(
    write: Write, missing: str, parts: tuple[Any, ...], message: str
) -> None:
    """It looks for all columns of a part, or none."""
    run = write(a_table().drop(columns=missing))
    with pytest.raises(KeyError):
        fmriprep.load_confounds(str(run), strategy=parts)
    with pytest.raises(ConfoundsError, match=message):
        load_confounds(run, strategy=parts)


def test_old_column_names_are_refused_by_nilearn_and_read_here(write: Write) -> None:
    """It does not translate the names of fMRIPrep 1.1."""
    old = {"trans_x": "X", "trans_y": "Y", "trans_z": "Z"}
    old |= {"rot_x": "RotX", "rot_y": "RotY", "rot_z": "RotZ"}
    run = write(a_table().rename(columns=old))
    options: dict[str, Any] = {"strategy": ("motion",), "motion": "basic"}
    with pytest.raises(ValueError, match="camel case"):
        fmriprep.load_confounds(str(run), **options)
    assert_same(load_confounds(run, **options), load_confounds(write(), **options))


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("demean", [True, False])
def test_no_volume_left_is_an_empty_mask_that_cleaning_refuses(write: Write, demean: bool) -> None:
    """There is no mean over kept volumes to remove: with `demean` all is NaN, as in nilearn."""
    table = a_table()
    table["framewise_displacement"] = 2.0
    run = write(table)
    options: dict[str, Any] = {"strategy": ("motion", "scrub"), "demean": demean}
    loaded = []
    for load in (fmriprep.load_confounds, load_confounds):
        with pytest.warns(RuntimeWarning, match="All volumes were marked as motion outliers"):
            loaded.append(load(str(run), **options))
    (theirs, _), (ours, sample_mask) = loaded
    assert sample_mask.size == 0
    pd.testing.assert_frame_equal(ours, theirs[ours.columns])
    assert ours.isna().all(axis=None) == demean
    with pytest.raises(AllVolumesRemovedError, match="leaves no volume"):
        bidsmask.clean(np.ones((T, 2)), sample_mask=sample_mask)


def test_no_cosines_are_passed_over_by_nilearn_and_warned_of_here(write: Write) -> None:
    """The run may be short, or the table may come from elsewhere."""
    run = write(a_table().filter(regex="^(?!cosine)"))
    with pytest.warns(UserWarning, match="has no column for high_pass") as caught:
        ours = load_confounds(run)
    assert caught[0].filename == __file__
    assert_same(ours, fmriprep.load_confounds(str(run)))


def test_values_missing_in_several_first_rows_stay_missing_in_nilearn_and_not_here(
    write: Write,
) -> None:
    """It fills the first row only."""
    table = a_table()
    table.loc[:2, "csf"] = np.nan
    run = write(table)
    options: dict[str, Any] = {"strategy": ("wm_csf",), "demean": False}
    assert fmriprep.load_confounds(str(run), **options)[0]["csf"].isna().any()
    ours, _ = load_confounds(run, **options)
    np.testing.assert_array_equal(ours["csf"][:3], table["csf"][3])


# --- letters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "36p"}, "no strategy '36p'. Did you mean '36P'"),
        ({"strategy": "motion"}, r"write strategy=\('motion',\)"),
        (
            {"strategy": "compcor"},
            r"write strategy=\('compcor',\)\. For the strategy: load_confounds_strategy",
        ),
        ({"strategy": ("motoin",)}, "'motoin' is not a part of a strategy. Did you mean 'motion'"),
        ({"strategy": ("compcor",)}, "must hold 'high_pass'"),
        ({"motion": "fll"}, "'motion' must be one of basic, power2, derivatives, full, not 'fll'"),
        ({"strategy": ("high_pass", "compcor"), "compcor": "x"}, "'compcor' must be one of anat"),
        ({"strategy": ("high_pass", "compcor"), "n_compcor": 0}, 'n_compcor must be "all" or'),
        ({"strategy": ("ica_aroma",), "ica_aroma": "x"}, "'ica_aroma' must be one of full, basic"),
        ({"strategy": ("scrub",), "fd_threshold": 0}, "fd_threshold_mm must be above 0"),
        ({"strategy": "36P", "motion": "basic"}, "motion would have no effect: the strategy 36P"),
    ],
)
def test_strategies_that_make_no_sense_are_refused_in_words(
    write: Write, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(StrategyError, match=message):
        load_confounds(write(), **options)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("brain_bold.nii.gz", "brain_bold.nii.gz is not a BIDS file name"),
        (f"{STEM}_T1w.nii.gz", "should end with _bold"),
        ("sub-02_task-rest_bold.nii.gz", "sub-02_task-rest_desc-confounds_timeseries.tsv"),
        (f"{STEM}_run-1_bold.nii.gz", f"{STEM}_run-1_desc-confounds_timeseries.tsv"),
    ],
)
def test_a_table_that_cannot_be_found_is_named(write: Write, image: str, message: str) -> None:
    with pytest.raises(ConfoundsError, match=message):
        load_confounds(write(image=image))


@pytest.mark.parametrize("ending", ["desc-confounds_regressors", "bold_confounds"])
def test_the_names_of_older_versions_are_found(write: Write, ending: str) -> None:
    image = write()
    table = image.with_name(f"{STEM}_desc-confounds_timeseries.tsv")
    expected = load_confounds(image)[0]
    table.rename(table.with_name(f"{STEM}_{ending}.tsv"))
    pd.testing.assert_frame_equal(load_confounds(image)[0], expected)


def test_two_tables_are_never_chosen_between(write: Write) -> None:
    write(tsv=f"{STEM}_desc-confounds_regressors.tsv")
    with pytest.raises(ConfoundsError, match="more than one table could be meant"):
        load_confounds(write())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfoundsError, match="nowhere: cannot be looked into"):
        load_confounds(tmp_path / "nowhere" / f"{STEM}_bold.nii.gz")


def test_something_else_than_a_path_is_refused(write: Write) -> None:
    with pytest.raises(ConfoundsError, match="Expected the path of a run"):
        load_confounds([[str(write())], str(write())])


def test_a_run_that_was_not_denoised_is_refused(write: Write) -> None:
    with pytest.raises(ConfoundsError, match="was not denoised by ICA-AROMA"):
        load_confounds(write(), strategy=("ica_aroma",))


def test_parts_without_effect_are_warned_of(write: Write, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Non-steady state volumes are always left out"):
        load_confounds(write(), strategy=("motion", "non_steady_state"))
    run, _ = write_tedana(tmp_path)
    with pytest.warns(UserWarning, match="all other parts"):
        load_confounds(run, strategy=("tedana", "motion"))


def test_a_preset_warns_of_arguments_without_effect_and_refuses_unknown_ones(write: Write) -> None:
    run = write()
    with pytest.warns(UserWarning, match="Without effect in the strategy simple: n_compcor"):
        load_confounds_strategy(run, "simple", n_compcor=3)
    aroma = write(image=f"{STEM}_space-T1w_desc-smoothAROMAnonaggr_bold.nii.gz")
    with pytest.warns(UserWarning, match="Without effect in the strategy ica_aroma: ica_aroma"):
        load_confounds_strategy(aroma, "ica_aroma", ica_aroma="basic")
    with pytest.raises(TypeError, match=r"'moton'\. Did you mean 'motion'"):
        load_confounds_strategy(run, "simple", moton="full")
    with pytest.raises(StrategyError, match="must be one of simple, scrubbing, compcor"):
        load_confounds_strategy(run, "36P")


def test_a_run_that_tedana_combined_may_have_other_confounds(tmp_path: Path) -> None:
    """nilearn refuses the name before it looks for them."""
    run, _ = write_tedana(tmp_path)
    table = run.with_name(f"{STEM}_desc-confounds_timeseries.tsv")
    a_table().to_csv(table, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(ValueError, match="Invalid file type"):
        fmriprep.load_confounds(str(run), strategy=("motion",))
    assert load_confounds(run, strategy=("motion",))[0].shape == (T, 24)


def test_a_table_without_names_is_refused(write: Write) -> None:
    run = write(a_table())
    table = run.with_name(f"{STEM}_desc-confounds_timeseries.tsv")
    table.write_text("0.1\t-2\t3e-5\n" * T)
    with pytest.raises(ConfoundsError, match="The confound file contains no header"):
        load_confounds(run, strategy=("motion",))


def test_a_run_denoised_by_aroma_is_not_denoised_again(write: Write) -> None:
    run = write(a_table())
    denoised = run.with_name(f"{STEM}_desc-smoothAROMAnonaggr_bold.nii.gz")
    with pytest.raises(ConfoundsError, match="Invalid file type for ica_aroma='basic'"):
        load_confounds(denoised, strategy=("ica_aroma",), ica_aroma="basic")


def test_tables_of_tedana_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    run, metrics = write_tedana(tmp_path)
    with pytest.raises(ConfoundsError, match=r"Input must be the ~desc-optcom_bold\.nii\.gz"):
        load_confounds(tmp_path / f"{STEM}_desc-denoised_bold.nii.gz", strategy=("tedana",))
    metrics.write_text("Component\tclassification\nICA_99\trejected\n")
    with pytest.raises(ConfoundsError, match="no column for ICA_99"):
        load_confounds(run, strategy=("tedana",))
    metrics.write_text("Component\tkappa\nICA_01\t1\n")
    with pytest.raises(ConfoundsError, match="no column classification"):
        load_confounds(run, strategy=("tedana",))
