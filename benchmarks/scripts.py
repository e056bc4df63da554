"""Plain nilearn scripts, as a user writes them, for what one command of bidsmask does.

``python -m benchmarks.scripts NAME DATASET OUTPUT ATLAS``
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.connectome import ConnectivityMeasure
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.maskers import NiftiLabelsMasker, NiftiMasker

BOLD = "sub-*/func/*_desc-preproc_bold.nii.gz"
CLEANED = {
    "detrend": True,
    "standardize": "zscore_sample",
    "high_pass": 0.01,
    "low_pass": 0.08,
    "t_r": 2.0,
}
"""As the strategy 36P has it."""


def regions(root: Path, out: Path, atlas: Path) -> None:
    """Time series of every region and their correlations, as tables."""
    names = pd.read_csv(atlas.with_name(atlas.name.replace(".nii.gz", ".tsv")), sep="\t")["name"]
    masker = NiftiLabelsMasker(str(atlas), **CLEANED)
    measure = ConnectivityMeasure(kind="correlation", standardize=False)
    for bold in sorted(root.glob(BOLD)):
        confounds, kept = _confounds(bold)
        signals = masker.fit_transform(str(bold), confounds=confounds, sample_mask=kept)
        matrix = measure.fit_transform([signals])[0]
        stem = out / bold.name.removesuffix("_bold.nii.gz")
        pd.DataFrame(signals, columns=names).to_csv(f"{stem}_timeseries.csv", index=False)
        pd.DataFrame(matrix, index=names, columns=names).to_csv(f"{stem}_relmat.csv")


def voxels(root: Path, out: Path, atlas: Path) -> None:
    """Cleaned signals of every voxel of the brain, as an image."""
    for bold in sorted(root.glob(BOLD)):
        mask = str(bold).replace("desc-preproc_bold", "desc-brain_mask")
        masker = NiftiMasker(mask, **CLEANED)
        confounds, kept = _confounds(bold)
        signals = masker.fit_transform(str(bold), confounds=confounds, sample_mask=kept)
        masker.inverse_transform(signals).to_filename(out / bold.name)


def _confounds(bold: Path) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Those of 36P."""
    return load_confounds(
        str(bold),
        strategy=("motion", "wm_csf", "global_signal"),
        motion="full",
        wm_csf="full",
        global_signal="full",
    )


SCRIPTS = {script.__name__: script for script in (regions, voxels)}

if __name__ == "__main__":
    SCRIPTS[sys.argv[1]](*map(Path, sys.argv[2:]))
