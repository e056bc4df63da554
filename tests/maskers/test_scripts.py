"""Scripts as people write them for nilearn, with nothing but the imports changed.

Each is run twice, and what it calls ``result`` (an array, or an image) has to be the same.
"""

import warnings

import nibabel as nib
import numpy as np
import pytest

TOLERANCE = 1e-3
"""Of the spread of the result: images are float32, in which nilearn computes."""

IMPORTS = {
    "nilearn": """
from nilearn.image import high_variance_confounds, resample_to_img, smooth_img
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from nilearn.maskers import MultiNiftiLabelsMasker, MultiNiftiMasker
from nilearn.masking import apply_mask, compute_epi_mask, intersect_masks, unmask
from nilearn.signal import clean
""",
    "bidsmask": """
from bidsmask import high_variance_confounds, resample_to_img, smooth_img
from bidsmask import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from bidsmask import MultiNiftiLabelsMasker, MultiNiftiMasker
from bidsmask import apply_mask, compute_epi_mask, intersect_masks, unmask
from bidsmask import clean
""",
}

SCRIPTS = {
    "voxels, independent components, and back": """
from sklearn.decomposition import FastICA

masker = NiftiMasker(
    smoothing_fwhm=4, memory=cache, memory_level=1, mask_strategy="epi",
    mask_args={"opening": 0}, standardize="zscore_sample",
)
masker.fit(func)
data_masked = masker.transform(func)
ica = FastICA(n_components=3, random_state=42, max_iter=1000, whiten="unit-variance")
components_masked = ica.fit_transform(data_masked.T).T
components = masker.inverse_transform(components_masked)
result = components
""",
    "masks computed and intersected": """
mask_img = compute_epi_mask(func, opening=1)
masker = NiftiMasker(mask_strategy="background", mask_args=dict(border_size=1)).fit(func)
common = intersect_masks([mask_img, masker.mask_img_], threshold=1)
result = unmask(apply_mask(func, common).mean(axis=0), common)
""",
    "a connectome": """
from nilearn.connectome import ConnectivityMeasure

masker = NiftiLabelsMasker(
    labels_img=atlas, standardize="zscore_sample", standardize_confounds=True,
    memory=cache, verbose=0,
)
time_series = masker.fit_transform(func, confounds=confounds)
correlation_measure = ConnectivityMeasure(kind="correlation")
result = correlation_measure.fit_transform([time_series])[0]
""",
    "maps, and what they leave": """
masker = NiftiMapsMasker(
    maps_img=maps, mask_img=mask, standardize=None, detrend=True,
    low_pass=0.1, high_pass=0.01, t_r=2.0, memory=cache, memory_level=2,
)
masker.fit(func)
signals = masker.transform(func, confounds=[confounds])
result = np.hstack([signals, masker.inverse_transform(signals).get_fdata()[3, 3, 3, :, None]])
""",
    "a seed's correlation with the brain": """
options = dict(
    detrend=True, standardize="zscore_sample", standardize_confounds=True,
    low_pass=0.1, high_pass=0.01, t_r=2,
)
seed_masker = NiftiSpheresMasker([(0.3, -0.2, 0.1)], radius=4, **options)
brain_masker = NiftiMasker(mask_img=mask, smoothing_fwhm=3, **options)
seed_time_series = seed_masker.fit_transform(func, confounds=[confounds])
brain_time_series = brain_masker.fit_transform(func, confounds=[confounds])
correlations = np.dot(brain_time_series.T, seed_time_series) / seed_time_series.shape[0]
fisher_z = np.arctanh(np.clip(correlations, -0.99, 0.99))
result = brain_masker.inverse_transform(fisher_z.T)
""",
    "decoding in a pipeline": """
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

masker = NiftiMasker(mask_img=mask, runs=runs, standardize="zscore_sample", detrend=True)
features = masker.fit_transform(func)
pipeline = Pipeline([("scale", StandardScaler()), ("ridge", RidgeClassifier())])
result = cross_val_predict(pipeline, features, conditions, cv=4).astype(float)
""",
    "several subjects": """
masker = MultiNiftiLabelsMasker(atlas, standardize="zscore_sample", n_jobs=1)
result = np.vstack(masker.fit_transform([func, func], confounds=[confounds, confounds]))
""",
    "voxels of several subjects": """
masker = MultiNiftiMasker(mask_img=mask, smoothing_fwhm=4.0, standardize="zscore_sample")
result = np.vstack(masker.fit([func, func]).transform([func, func]))
""",
    "images put on another grid and smoothed": """
result = smooth_img(resample_to_img(func, other, interpolation="continuous"), 5)
""",
    "signals cleaned by hand": """
signals = NiftiLabelsMasker(atlas).fit_transform(func)
extra = high_variance_confounds(func, n_confounds=2)
sign = np.sign(extra[np.abs(extra).argmax(axis=0), range(2)])
result = clean(
    signals, confounds=np.hstack([confounds, sign * extra]), sample_mask=kept, detrend=True,
    standardize="zscore_sample", filter="cosine", high_pass=0.02, t_r=2.0,
)
""",
    "a frame with names": """
masker = NiftiLabelsMasker(atlas, labels=["Background", "left", "middle", "right"])
frame = masker.set_output(transform="pandas").fit_transform(func)
result = frame[["right", "left"]].to_numpy()
""",
}


@pytest.fixture
def run(world, tmp_path):
    here = world("LAS", "float32")
    paths = {}
    for name in "img", "mask_img", "labels_img", "maps_img":
        paths[name] = str(tmp_path / f"{name}.nii.gz")
        nib.save(getattr(here, name), paths[name])
    n_volumes = here.n_volumes

    def run(library, script):
        names = {
            "np": np,
            "func": paths["img"],
            "mask": paths["mask_img"],
            "atlas": paths["labels_img"],
            "maps": paths["maps_img"],
            "other": world("LAS", "float32", far=True).mask_img,
            "confounds": here.confounds,
            "runs": np.repeat([0, 1], n_volumes // 2),
            "conditions": np.arange(n_volumes) // 5 % 2,
            "kept": np.array([volume for volume in range(n_volumes) if volume not in (5, 6, 20)]),
            "cache": str(tmp_path / f"{library}_cache"),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(IMPORTS[library] + script, names)
        result = names["result"]
        return np.asarray(getattr(result, "dataobj", result), dtype=np.float64)

    return run


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_needs_nothing_but_other_imports(run, script):
    ours, theirs = run("bidsmask", script), run("nilearn", script)
    assert ours.shape == theirs.shape
    assert theirs.std() > 0
    assert np.abs(ours - theirs).max() <= TOLERANCE * theirs.std()
