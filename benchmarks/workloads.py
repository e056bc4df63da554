"""What is measured: the same call of nilearn's and of bidsmask's maskers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import T_R, Inputs, design, seeds

MODULES = {"bidsmask": "bidsmask", "nilearn": "nilearn.maskers"}

EXACT, CLOSE = 1e-6, 1e-3
"""Largest difference of the two results, in standard deviations of a column: `CLOSE` where one of
them computes in single precision."""

CLEANED = {
    "detrend": True,
    "standardize": "zscore_sample",
    "high_pass": 0.008,
    "low_pass": 0.1,
    "t_r": T_R,
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The image that is measured on."""

    lattice: str
    n_volumes: int
    dtype: str = "int16"


FULL, QUICK = Run(lattice="a", n_volumes=300), Run(lattice="c", n_volumes=200)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One call, to be made with both tools.

    Parameters
    ----------
    masker : str
        Class of that name, of either tool.
    files : function of inputs and lattice
        Gives the parameters of the masker that are inputs, by name.
    parameters : dict
        The others.
    confounds : bool
        Whether 36 confounds are regressed out.
    writes : bool
        Whether the result is written as an image.
    limit : float
        See `EXACT`.
    integers : bool
        Whether nilearn cuts the fraction off its result, so that ours has to lose it, too.
    volume_alone : bool
        Whether the signals of a volume depend on that volume alone, and nilearn computes them in
        single precision: some volumes in double precision then tell which tool is nearer.
    run : Run or None
        Where it is not the run that all are measured on.
    """

    masker: str
    files: Callable[[Inputs, str], dict[str, Any]]
    parameters: dict[str, Any] = field(default_factory=dict)
    confounds: bool = False
    writes: bool = False
    limit: float = EXACT
    integers: bool = False
    volume_alone: bool = False
    run: Run | None = None


def _same_grid(inputs: Inputs, lattice: str) -> dict[str, Any]:
    return {"labels_img": inputs.labels(lattice)}


def _other_grid(inputs: Inputs, lattice: str) -> dict[str, Any]:
    return {"labels_img": inputs.labels("atlas")}


def _maps(n_maps: int) -> Callable[[Inputs, str], dict[str, Any]]:
    # With a mask: nilearn would fit the zeros around the brain, too, which bidsmask never does.
    return lambda inputs, lattice: {
        "maps_img": inputs.maps(n_maps),
        "mask_img": inputs.mask(lattice),
    }


def _spheres(inputs: Inputs, lattice: str) -> dict[str, Any]:
    return {"seeds": seeds(264), "mask_img": inputs.mask(lattice)}


def _brain(inputs: Inputs, lattice: str) -> dict[str, Any]:
    return {"mask_img": inputs.mask(lattice)}


def _labels(**others: Any) -> Workload:
    others.setdefault("files", _other_grid)
    return Workload(masker="NiftiLabelsMasker", **others)


WORKLOADS = {
    "labels": _labels(files=_same_grid),
    "labels-moved": _labels(),
    "labels-cleaned": _labels(
        parameters=CLEANED,
        confounds=True,
        limit=CLOSE,
    ),
    "labels-median": _labels(parameters={"strategy": "median"}),
    "labels-smoothed": _labels(parameters={"smoothing_fwhm": 6}, limit=CLOSE, volume_alone=True),
    "labels-grid": _labels(
        parameters={"resampling_target": "labels"},
        limit=CLOSE,
    ),
    "labels-float32": _labels(run=Run(lattice="a", n_volumes=300, dtype="float32"), limit=CLOSE),
    "labels-long": _labels(run=Run(lattice="b", n_volumes=1200)),
    "maps64": Workload(
        masker="NiftiMapsMasker",
        files=_maps(64),
        limit=CLOSE,
        volume_alone=True,
    ),
    "maps256": Workload(
        masker="NiftiMapsMasker",
        files=_maps(256),
        limit=CLOSE,
        volume_alone=True,
    ),
    "spheres": Workload(
        masker="NiftiSpheresMasker",
        files=_spheres,
        parameters={"radius": 5, "allow_overlap": True},
        integers=True,
    ),
    "brain": Workload(
        masker="NiftiMasker",
        files=_brain,
    ),
    "brain-cleaned": Workload(
        masker="NiftiMasker",
        files=_brain,
        parameters=CLEANED,
        confounds=True,
        limit=CLOSE,
    ),
    "brain-written": Workload(
        masker="NiftiMasker",
        files=_brain,
        parameters=CLEANED | {"smoothing_fwhm": 6},
        confounds=True,
        writes=True,
        limit=CLOSE,
    ),
}

N_ATLASES = 10
"""Label atlases in one pass over a run; nilearn makes a pass for each."""


def arguments(workload: Workload, inputs: Inputs, run: Run) -> dict[str, Any]:
    """Everything that a workload reads; made if it is not there."""
    files = workload.files(inputs, run.lattice)
    table = inputs.confounds(run.n_volumes) if workload.confounds else None
    return {"files": files, "bold": inputs.bold(**vars(run)), "table": table}


def perform(workload: Workload, tool: str, inputs: Inputs, run: Run, written: Path) -> Any:
    """Do the work with one tool.

    Returns
    -------
    result : array of shape (T, P)
        None if it was written as an image, to `written`.
    """
    given = arguments(workload, inputs, run)
    masker_class = getattr(import_module(MODULES[tool]), workload.masker)
    masker = masker_class(**_as_text(given["files"]), **workload.parameters)
    confounds = design(given["table"]) if workload.confounds else None
    signals = masker.fit_transform(str(given["bold"]), confounds=confounds)
    if not workload.writes:
        return signals
    if hasattr(masker, "write_inverse"):
        masker.write_inverse(signals, written)
    else:  # nilearn, and older commits, which streamed then
        masker.inverse_transform(signals).to_filename(written)
    return None


def in_double_precision(
    workload: Workload, inputs: Inputs, run: Run, volumes: slice
) -> np.ndarray:
    """Signals (n, P) of some volumes by nilearn, given everything in double precision."""
    import nibabel as nib

    def double(path: Path, volumes: slice = slice(None)) -> Any:
        image = nib.load(path)
        return nib.Nifti1Image(np.asarray(image.dataobj[..., volumes], float), image.affine)

    given = arguments(workload, inputs, run)
    files = given["files"]
    if "maps_img" in files:
        files = files | {"maps_img": double(files["maps_img"])}
    masker_class = getattr(import_module(MODULES["nilearn"]), workload.masker)
    masker = masker_class(**_as_text(files), **workload.parameters, dtype="float64")
    return masker.fit_transform(double(given["bold"], volumes))


def perform_atlases(tool: str, inputs: Inputs, run: Run, n_atlases: int) -> np.ndarray:
    """Signals of several label atlases side by side."""
    paths = [inputs.labels(run.lattice, number=number) for number in range(n_atlases)]
    bold = inputs.bold(**vars(run))
    if tool == "nilearn":
        maskers = import_module(MODULES[tool])
        made = [maskers.NiftiLabelsMasker(str(path)).fit_transform(str(bold)) for path in paths]
        return np.hstack(made)
    return _one_pass(paths, bold, inputs.mask(run.lattice))


def _one_pass(paths: list[Path], bold: Path, mask: Path) -> np.ndarray:
    """What the command line does with a run; quality control is part of it."""
    from bidsmask.columns.extract import extract
    from bidsmask.columns.regions import labels_in, place_regions, read_labels
    from bidsmask.columns.request import Request
    from bidsmask.images.series import open_series
    from bidsmask.images.volumes import load_mask

    series = open_series(str(bold))
    inside = load_mask(mask, series.grid)
    requests = []
    for path in paths:
        labels, grid = read_labels(str(path))
        ids = np.setdiff1d(labels_in(labels), 0)
        regions = place_regions(labels, grid, ids, grid=series.grid, mask=inside)
        requests.append(Request(columns=regions))
    return np.hstack([each.signals for each in extract(series, requests)])


def difference(ours: np.ndarray, theirs: np.ndarray, *, integers: bool = False) -> float:
    """Largest difference in standard deviations of its column; infinite if shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    ours = np.trunc(ours) if integers else ours
    largest = 0.0
    for first in range(0, ours.shape[1], 10_000):
        some = slice(first, first + 10_000)
        spread = theirs[:, some].std(axis=0, dtype=np.float64)
        off = np.abs(ours[:, some].astype(np.float64) - theirs[:, some]).max(axis=0)
        known = spread > 0
        largest = max(largest, float((off[known] / spread[known]).max(initial=0)))
        largest = largest if not off[~known].any() else float("inf")
    return largest


def _as_text(files: dict[str, Any]) -> dict[str, Any]:
    return {key: str(item) if isinstance(item, Path) else item for key, item in files.items()}
