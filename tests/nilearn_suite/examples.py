"""The examples of nilearn's documentation, with our names in the place of nilearn's.

They lie in nilearn's source distribution: ``--examples FOLDER``. What they download is generated
here in the same shape: lattice, names of files, columns of tables, fields of the answer.
"""

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

EXAMPLES = (
    "03_connectivity/plot_atlas_comparison.py",
    "03_connectivity/plot_group_level_connectivity.py",
    "03_connectivity/plot_inverse_covariance_connectome.py",
    "03_connectivity/plot_probabilistic_atlas_extraction.py",
    "03_connectivity/plot_seed_to_voxel_correlation.py",
    "03_connectivity/plot_signal_extraction.py",
    "03_connectivity/plot_simulated_connectome.py",
    "03_connectivity/plot_sphere_based_connectome.py",
    "04_glm_first_level/plot_adhd_dmn.py",
    "06_manipulating_images/plot_affine_transformation.py",
    "06_manipulating_images/plot_compare_mean_image.py",
    "06_manipulating_images/plot_mask_computation.py",
    "06_manipulating_images/plot_negate_image.py",
    "06_manipulating_images/plot_nifti_labels_simple.py",
    "06_manipulating_images/plot_nifti_simple.py",
    "06_manipulating_images/plot_resample_to_template.py",
    "06_manipulating_images/plot_roi_extraction.py",
    "06_manipulating_images/plot_smooth_mean_image.py",
    "07_advanced/plot_age_group_prediction_cross_val.py",
    "07_advanced/plot_copy_headers_math_img.py",
    "07_advanced/plot_ica_resting_state.py",
)

T_R = 2.0
N_VOLUMES = 80
N_RUNS = 6
"""Runs that differ; more subjects than that share them."""

SHAPE, AFFINE = (
    (33, 40, 34),
    np.array([[6, 0, 0, -96], [0, 6, 0, -132], [0, 0, 6, -78], [0, 0, 0, 1.0]]),
)


HAXBY = (40, 64, 64)
OBJECTS = ("rest", "face", "house", "cat", "bottle", "scissors", "shoe", "chair", "scrambledpix")


def brain() -> Any:
    """Voxels of the lattice, and which of them are in the brain."""
    voxels = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    places = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    return places, (((places - [0, -18, 8]) / [80, 100, 80]) ** 2).sum(axis=-1) < 1


def regions(n: int) -> np.ndarray:
    """Label the brain: the nearest of n places, in both hemispheres alike."""
    places, inside = brain()
    rng = np.random.default_rng(n)
    candidates = places[inside]
    centres = candidates[rng.choice(len(candidates), n, replace=False)]
    distances = ((places[..., np.newaxis, :] - centres) ** 2).sum(axis=-1)
    return np.where(inside, distances.argmin(axis=-1) + 1, 0).astype(np.int16)


def confounds(rng: np.random.Generator) -> pd.DataFrame:
    """Make a table of fMRIPrep's."""
    motion = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    bases = [*motion, "csf", "white_matter", "global_signal"]
    steps = rng.normal(size=(N_VOLUMES, len(bases))).cumsum(axis=0) * 0.01
    table = pd.DataFrame(steps, columns=bases)
    for name in bases:
        table[f"{name}_derivative1"] = table[name].diff()
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = table[f"{name}_derivative1"] ** 2
    grid = (np.arange(N_VOLUMES) + 0.5) * np.pi / N_VOLUMES
    for number in range(3):
        table[f"cosine{number:02d}"] = np.cos((number + 1) * grid)
    for number in range(6):
        table[f"a_comp_cor_{number:02d}"] = rng.normal(size=N_VOLUMES)
    table["framewise_displacement"] = np.abs(rng.normal(0.15, 0.05, N_VOLUMES))
    table["std_dvars"] = np.abs(rng.normal(1, 0.1, N_VOLUMES))
    table.loc[40, "framewise_displacement"] = 1.2
    return table


class Downloads:
    """What nilearn's fetchers would have fetched, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run = cache(self._make_run)
        self._haxby = cache(self._make_haxby)

    def _saved(
        self,
        array: np.ndarray,
        name: str,
        t_r: float | None = None,
        affine: np.ndarray = AFFINE,
    ) -> str:
        img = nib.Nifti1Image(array, affine)
        if t_r is not None:
            img.header.set_zooms((*img.header.get_zooms()[:3], t_r))
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        img.to_filename(path)
        return str(path)

    def _make_run(self, number: int) -> tuple[str, str, str]:
        rng = np.random.default_rng(number)
        labels = regions(30)
        courses = rng.normal(size=(31, N_VOLUMES))
        against = np.where(np.arange(30) % 2, 1, -1)  # an example draws the negative edges alone
        courses[1:] += np.outer(against, rng.normal(size=N_VOLUMES))
        values = 1000 + 20 * courses[labels] + rng.normal(0, 10, (*SHAPE, N_VOLUMES))
        stem = f"sub-pixar{number:03d}_task-pixar"
        img = self._saved(
            np.where(labels[..., np.newaxis] > 0, values, 0).astype(np.float32),
            f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz",
            T_R,
        )
        table = confounds(rng)
        whole = self.folder / f"{stem}_desc-confounds_regressors.tsv"
        table.to_csv(whole, sep="\t", index=False, na_rep="n/a")
        few = self.folder / f"{stem}_desc-reducedConfounds_regressors.tsv"
        table.filter(regex="^((trans|rot)_.|csf|white_matter)$").to_csv(few, sep="\t", index=False)
        return img, str(whole), str(few)

    def fetch_development_fmri(
        self, n_subjects: int = 155, reduce_confounds: bool = True, **_: Any
    ) -> Bunch:
        """Runs of children and adults who watched a film."""
        runs = [self._run(number % N_RUNS) for number in range(n_subjects)]
        group = ["adult" if number % 2 else "child" for number in range(n_subjects)]
        age = [25 if kind == "adult" else 3 + number % 9 for number, kind in enumerate(group)]
        groups = ["Adult" if years > 18 else f"{years}yo" for years in age]
        return Bunch(
            func=[run[0] for run in runs],
            confounds=[run[2 if reduce_confounds else 1] for run in runs],
            phenotypic=pd.DataFrame({"Age": age, "AgeGroup": groups, "Child_Adult": group}),
            t_r=T_R,
            description="generated",
        )

    def fetch_adhd(self, n_subjects: int = 30, **_: Any) -> Bunch:
        """Runs at rest."""
        runs = [self._run(number % N_RUNS) for number in range(n_subjects)]
        return Bunch(
            func=[run[0] for run in runs],
            confounds=[run[1] for run in runs],
            t_r=T_R,
            description="generated",
        )

    def fetch_miyawaki2008(self, **_: Any) -> Bunch:
        """Runs that are masked already: 0 around the brain."""
        return Bunch(func=[self._run(0)[0]], description="generated")

    def fetch_haxby(self, **_: Any) -> Bunch:
        """A run of blocks in which objects were seen, one volume each."""
        return self._haxby()

    def _make_haxby(self) -> Bunch:
        rng = np.random.default_rng(0)
        affine = np.diag([3.5, 3.75, 3.75, 1])
        affine[:3, 3] = -68, -118, -118
        seen = [*OBJECTS] * 12
        places = np.stack(np.meshgrid(*map(np.arange, HAXBY), indexing="ij"), axis=-1)
        brain = (((places - [20, 32, 30]) / [16, 26, 22]) ** 2).sum(axis=-1) < 1
        ventral = brain & (np.abs(places[..., 2] - 26) < 5) & (places[..., 1] < 30)
        ventral &= np.abs(places[..., 0] - 20) > 5  # in both hemispheres
        values = rng.normal(0, 20, (*HAXBY, len(seen))).astype(np.float32)
        patterns = rng.normal(0, 30, (len(OBJECTS), int(ventral.sum())))
        for number, kind in enumerate(seen):
            values[ventral, number] += patterns[OBJECTS.index(kind)]
        values += 1000 * brain[..., np.newaxis]
        table = pd.DataFrame({"labels": seen, "chunks": np.repeat(np.arange(12), len(OBJECTS))})
        table.to_csv(self.folder / "labels.txt", sep=" ", index=False)
        anatomy = brain * 500 + rng.normal(0, 10, HAXBY)
        run = np.rint(values).astype(np.int16)
        return Bunch(
            func=[self._saved(run, "haxby/bold.nii.gz", 2.5, affine)],
            mask=self._saved(brain.astype(np.uint8), "haxby/mask.nii.gz", affine=affine),
            mask_vt=[self._saved(ventral.astype(np.uint8), "haxby/mask_vt.nii.gz", affine=affine)],
            anat=[self._saved(anatomy.astype(np.float32), "haxby/anat.nii.gz", affine=affine)],
            session_target=[str(self.folder / "labels.txt")],
            description="generated",
        )

    def _labelled(self, name: str, n: int, first: tuple[str, ...] = ()) -> Bunch:
        names = [*first, *(f"{name} {number}" for number in range(len(first) + 1, n + 1))]
        lut = pd.DataFrame({"index": range(n + 1), "name": ["Background", *names]})
        maps = self._saved(regions(n), f"{name}_dseg.nii.gz")
        return Bunch(maps=maps, filename=maps, labels=["Background", *names], lut=lut)

    def fetch_atlas_harvard_oxford(self, atlas_name: str, **_: Any) -> Bunch:
        """Regions of the cortex."""
        first = ("Frontal Pole", "Insular Cortex", "Superior Frontal Gyrus")
        return self._labelled("HarvardOxford", 48, first)

    def fetch_atlas_yeo_2011(self, n_networks: int = 7, **_: Any) -> Bunch:
        """Networks."""
        return self._labelled("Yeo", n_networks)

    def _maps(self, name: str, n: int) -> str:
        labels = regions(n)
        maps = np.stack([labels == label for label in range(1, n + 1)], axis=-1)
        return self._saved(maps.astype(np.float32) * 0.8, f"{name}_probseg.nii.gz")

    def fetch_atlas_msdl(self, **_: Any) -> Bunch:
        """Maps of regions, with their places."""
        places, labels = brain()[0], regions(39)
        centres = [tuple(places[labels == label].mean(axis=0)) for label in range(1, 40)]
        networks = [f"network {number % 17}" for number in range(39)]
        names = [f"map {number}" for number in range(39)]
        maps = self._maps("msdl", 39)
        return Bunch(maps=maps, labels=names, region_coords=centres, networks=networks)

    def fetch_atlas_difumo(self, dimension: int = 64, **_: Any) -> Bunch:
        """Maps."""
        names = pd.DataFrame({"difumo_names": [f"map {number}" for number in range(dimension)]})
        return Bunch(maps=self._maps("difumo", dimension), labels=names)


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Downloads:
    return Downloads(tmp_path_factory.mktemp("downloads"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(
    name: str,
    request: pytest.FixtureRequest,
    downloads: Downloads,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = Path(request.config.getoption("--examples")) / name
    monkeypatch.chdir(tmp_path)
    for fetcher in (each for each in dir(Downloads) if each.startswith("fetch_")):
        monkeypatch.setattr(f"nilearn.datasets.{fetcher}", getattr(downloads, fetcher))
    code = compile(file.read_text(), file, "exec")
    module = SimpleNamespace(__name__=f"nilearn.tests.{file.stem}", __file__=str(file))
    exec(code, vars(module))
