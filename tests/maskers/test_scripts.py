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
from nilearn.connectome import ConnectivityMeasure, sym_matrix_to_vec
from nilearn.image import clean_img, concat_imgs, get_data, high_variance_confounds, index_img
from nilearn.image import iter_img, load_img, math_img, mean_img, new_img_like, resample_to_img
from nilearn.image import smooth_img
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from nilearn.maskers import MultiNiftiLabelsMasker, MultiNiftiMasker
from nilearn.masking import apply_mask, compute_epi_mask, intersect_masks, unmask
from nilearn.signal import clean
""",
    "bidsmask": """
from bidsmask.connectome import ConnectivityMeasure, sym_matrix_to_vec
from bidsmask.image import clean_img, concat_imgs, get_data, high_variance_confounds, index_img
from bidsmask.image import iter_img, load_img, math_img, mean_img, new_img_like, resample_to_img
from bidsmask.image import smooth_img
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
    "a test in every voxel, by hand": """
from scipy import ndimage, stats

fmri_img = smooth_img(func, fwhm=4)
fmri_data = get_data(fmri_img)
_, p_values = stats.ttest_ind(
    fmri_data[..., conditions == 0], fmri_data[..., conditions == 1], axis=-1
)
log_p_values = -np.log10(p_values)
log_p_values[np.isnan(log_p_values)] = 0.
log_p_values[log_p_values > 10.] = 10.
log_p_img = math_img("img * (mask > 0)", img=new_img_like(fmri_img, log_p_values), mask=mask)
labelled, n_rois = ndimage.label(get_data(log_p_img) > 1)
largest = 1 + np.argmax(np.bincount(labelled.ravel())[1:])
first_roi_img = new_img_like(fmri_img, (labelled == largest).astype("int"))
roi_data = apply_mask(func, first_roi_img)
result = np.hstack([roi_data.mean(axis=1), log_p_values[3, 3], n_rois])
""",
    "regions of an atlas as a mask": """
rois = np.isin(get_data(load_img(atlas)), [3, 8])
roi_img = new_img_like(atlas, rois.astype("int8"))
roi_there = resample_to_img(roi_img, other, interpolation="nearest")
masker = NiftiMasker(mask_img=roi_img, standardize=False, detrend=False).fit()
first, mean = index_img(func, 0), mean_img(func, copy_header=True)
signals = np.hstack([masker.transform(first), masker.transform(mean)])
result = np.hstack([signals, get_data(roi_there).sum(), masker.n_elements_])
""",
    "runs cleaned and put together": """
cleaned = [
    clean_img(run, confounds=confounds[rows], detrend=True, standardize="zscore_sample",
              low_pass=0.2, t_r=2.0, mask_img=mask, ensure_finite=True)
    for rows, run in ((runs == k, index_img(func, runs == k)) for k in (0, 1))
]
together = concat_imgs(cleaned)
tsnr = math_img("np.nan_to_num(img.mean(axis=-1) / img.std(axis=-1))", img=func)
result = np.hstack([get_data(together)[3, 3, 3], get_data(tsnr)[3, 3]])
""",
    "subjects in their tangent space": """
masker = NiftiLabelsMasker(atlas, standardize="zscore_sample", t_r=2, low_pass=0.2).fit()
subjects = [masker.transform(index_img(func, slice(k, k + 36)), confounds[k:k + 36])
            for k in range(4)]
measure = ConnectivityMeasure(kind="tangent", vectorize=True, discard_diagonal=True)
vectors = measure.fit_transform([subject.astype(float) for subject in subjects])
windows = np.array([np.corrcoef(subjects[0][k:k + 20].T) for k in range(0, 16, 5)])
result = np.vstack([vectors, sym_matrix_to_vec(windows, discard_diagonal=True)])
""",
    "a seed in a design": """
import pandas as pd
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix

seed_masker = NiftiSpheresMasker([(0.3, -0.2, 0.1)], radius=4, standardize="zscore_sample")
seed = seed_masker.fit_transform(func)
frame_times = np.arange(len(seed)) * 2.0
design = make_first_level_design_matrix(frame_times, add_regs=seed, add_reg_names=["seed"])
model = FirstLevelModel(t_r=2, mask_img=NiftiMasker(mask, smoothing_fwhm=4).fit())
model.fit(func, design_matrices=design)
effect = model.compute_contrast("seed", output_type="effect_size")
regions = NiftiLabelsMasker(atlas, strategy="median").fit_transform(effect)
result = np.hstack([get_data(effect)[3, 3], np.ravel(regions)])
""",
    "a pipeline with a masker of one's own": """
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

class Voxels(NiftiMasker):
    def transform(self, imgs, confounds=None, sample_mask=None):
        return 2 * super().transform(imgs, confounds=confounds, sample_mask=sample_mask)

masker = Voxels(mask_img=mask, smoothing_fwhm=5)
masker.standardize = "psc"
pipeline = make_pipeline(clone(masker), FunctionTransformer(np.tanh))
signals = pipeline.fit(func).transform(func)
result = pipeline[0].inverse_transform(signals)
assert isinstance(pipeline[0], NiftiMasker)
""",
    "maps one by one": """
masker = NiftiMapsMasker(maps_img=maps, standardize="zscore_sample", resampling_target="maps")
time_series = masker.fit_transform(func)
sizes = [float(get_data(one).sum()) for one in iter_img(masker.maps_img_)]
result = np.hstack([sizes, np.corrcoef(time_series.T).ravel()])
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
