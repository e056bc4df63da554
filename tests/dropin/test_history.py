"""Scripts written for nilearn 0.6 to 0.14, their imports swapped: they run, or say what to write.

An old spelling gives what today's spelling gives.
"""

import textwrap
import warnings

import nibabel as nib
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = (7, 8, 6)
AFFINE = np.diag([10.0, 10, 10, 1])
AFFINE[:3, 3] = -30, -50, -10
N_VOLUMES = 40


def _series():
    values = np.random.default_rng(0).normal(100, 5, (*SHAPE, N_VOLUMES)).astype(np.float32)
    values[:1], values[-1:] = 0, 0
    return nib.Nifti1Image(values, AFFINE)


def _labels():
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[1:3], labels[3:5] = 1, 2
    return nib.Nifti1Image(labels, AFFINE)


@pytest.fixture
def names(tmp_path):
    mask = np.zeros(SHAPE, dtype=np.int8)
    mask[1:-1, 1:-1, 1:-1] = 1
    folder = tmp_path / "data"
    folder.mkdir()
    for number, volume in enumerate(nib.four_to_three(_series())[:3]):
        volume.to_filename(folder / f"{number}.nii.gz")
    return {
        "np": np,
        "func": _series(),
        "atlas": _labels(),
        "mask": nib.Nifti1Image(mask, AFFINE),
        "maps": nib.Nifti1Image(
            np.stack([_labels().get_fdata() == 1, _labels().get_fdata() == 2], -1).astype("f4"),
            AFFINE,
        ),
        "signals": np.random.default_rng(1).normal(size=(N_VOLUMES, 3)),
        "conf": np.random.default_rng(2).normal(size=(N_VOLUMES, 2)),
        "runs": np.repeat([0, 1], N_VOLUMES // 2),
        "kept": np.arange(3, N_VOLUMES),
        "files": str(folder / "*.nii.gz"),
        "cache": str(tmp_path / "cache"),
    }


OLD_AND_NEW = {
    "0.6: input_data": (
        """
        from bidsmask.input_data import NiftiMasker
        result = NiftiMasker(mask_img=mask, standardize=True, memory=cache, memory_level=1,
                             verbose=5).fit_transform(func)
        """,
        """
        from bidsmask.maskers import NiftiMasker
        result = NiftiMasker(mask_img=mask, standardize="zscore_sample").fit_transform(func)
        """,
    ),
    "0.6: sessions": (
        """
        from bidsmask.input_data import NiftiMasker
        masker = NiftiMasker(mask_img=mask, sessions=runs, detrend=True, standardize=True)
        result = masker.fit_transform(func)
        """,
        """
        from bidsmask.maskers import NiftiMasker
        masker = NiftiMasker(mask, runs=runs, detrend=True, standardize="zscore_sample")
        result = masker.fit_transform(func)
        """,
    ),
    "0.6: sessions by their place": (
        """
        from bidsmask.input_data import NiftiMasker
        result = NiftiMasker(mask, runs, None, True).fit_transform(func)
        """,
        """
        from bidsmask.maskers import NiftiMasker
        masker = NiftiMasker(mask, runs=runs, standardize="zscore_sample")
        result = masker.fit_transform(func)
        """,
    ),
    "0.6: X": (
        """
        from bidsmask.input_data import NiftiLabelsMasker
        result = NiftiLabelsMasker(labels_img=atlas).fit_transform(X=func, confounds=conf)
        """,
        """
        from bidsmask.maskers import NiftiLabelsMasker
        result = NiftiLabelsMasker(atlas, standardize=None).fit_transform(func, confounds=conf)
        """,
    ),
    "0.6: masks from a template": (
        """
        from bidsmask.input_data import NiftiMasker
        masker = NiftiMasker(mask_strategy="template", mask_args=dict(opening=0))
        result = masker.fit_transform(func)
        """,
        """
        from bidsmask.maskers import NiftiMasker
        masker = NiftiMasker(mask_strategy="whole-brain-template", mask_args={"opening": 0})
        result = masker.fit_transform(func)
        """,
    ),
    "0.6: several subjects": (
        """
        from bidsmask.input_data import MultiNiftiMasker
        masker = MultiNiftiMasker(mask_img=mask, smoothing_fwhm=6, n_jobs=1).fit([func, func])
        result = np.vstack(masker.transform_imgs([func, func], n_jobs=1))
        """,
        """
        from bidsmask.maskers import MultiNiftiMasker
        result = np.vstack(MultiNiftiMasker(mask, smoothing_fwhm=6).fit_transform([func, func]))
        """,
    ),
    "0.6: a connectome": (
        """
        from bidsmask.input_data import NiftiMapsMasker
        from bidsmask.connectome import ConnectivityMeasure
        masker = NiftiMapsMasker(maps_img=maps, standardize=True, memory="a_cache", verbose=0)
        masker.set_params(memory=None)
        time_series = masker.fit_transform(func, confounds=[conf])
        measure = ConnectivityMeasure(kind="correlation")
        result = measure.fit_transform([time_series])[0]
        """,
        """
        from bidsmask import NiftiMapsMasker
        from bidsmask.connectome import ConnectivityMeasure
        masker = NiftiMapsMasker(maps, standardize="zscore_sample")
        time_series = masker.fit_transform(func, confounds=conf)
        result = ConnectivityMeasure(kind="correlation").fit([time_series]).mean_
        """,
    ),
    "0.6: a seed": (
        """
        from bidsmask.input_data import NiftiSpheresMasker
        masker = NiftiSpheresMasker([(0, 0, 20)], radius=12, detrend=True, standardize=True,
                                    low_pass=0.1, high_pass=0.01, t_r=2.)
        result = masker.fit_transform(func, confounds=[conf])
        """,
        """
        from bidsmask.maskers import NiftiSpheresMasker
        masker = NiftiSpheresMasker([(0, 0, 20)], radius=12, detrend=True,
                                    standardize="zscore_sample", low_pass=0.1, high_pass=0.01,
                                    t_r=2)
        result = masker.fit_transform(func, confounds=conf)
        """,
    ),
    "0.6: images": (
        """
        from bidsmask import image
        first = image.index_img(func, 0)
        mean = image.mean_img(func)
        difference = image.math_img("img1 - img2", img1=first, img2=mean)
        result = image.get_data(image.smooth_img(difference, fwhm=8))
        """,
        """
        from bidsmask import smooth_img
        from bidsmask.image import new_img_like
        values = func.get_fdata()
        difference = (values[..., 0] - values.mean(axis=-1)).astype("float32")
        result = smooth_img(new_img_like(func, difference), 8).get_fdata()
        """,
    ),
    "0.6: files by a pattern": (
        """
        from bidsmask.image import load_img, concat_imgs
        result = concat_imgs(files).get_fdata()
        """,
        """
        from bidsmask.image import load_img
        result = load_img(files).get_fdata()
        """,
    ),
    "0.7: cleaned images": (
        """
        from bidsmask import image
        cleaned = image.clean_img(func, detrend=True, standardize=True, confounds=conf,
                                  low_pass=0.1, t_r=2, mask_img=mask)
        result = cleaned.get_fdata()
        """,
        """
        from bidsmask import apply_mask, clean, unmask
        cleaned = clean(apply_mask(func, mask), confounds=conf, low_pass=0.1, t_r=2)
        result = unmask(cleaned, mask).get_fdata()
        """,
    ),
    "0.7: masking by hand": (
        """
        from bidsmask.masking import apply_mask, compute_epi_mask, unmask
        mask_img = compute_epi_mask(func, opening=0)
        result = unmask(apply_mask([func], mask_img), mask_img).get_fdata()
        """,
        """
        from bidsmask import NiftiMasker
        masker = NiftiMasker(mask_strategy="epi", mask_args={"opening": 0}).fit(func)
        result = masker.inverse_transform(masker.transform(func)).get_fdata()
        """,
    ),
    "0.8: a report": (
        """
        from bidsmask.maskers import NiftiLabelsMasker
        masker = NiftiLabelsMasker(atlas, labels=["Background", "left", "right"]).fit()
        report = masker.generate_report()
        result = np.array([report.resize(600, 400).width, "600" in report._repr_html_()], float)
        """,
        "result = np.array([600, 1.0])",
    ),
    "0.9: sample masks": (
        """
        from bidsmask.maskers import NiftiLabelsMasker
        masker = NiftiLabelsMasker(labels_img=atlas, standardize="psc", strategy="median")
        result = masker.fit(func).transform_single_imgs(func, sample_mask=kept)
        """,
        """
        from bidsmask import NiftiLabelsMasker
        masker = NiftiLabelsMasker(atlas, standardize="psc", strategy="median")
        result = masker.fit_transform(func, sample_mask=kept)
        """,
    ),
    "0.9: runs by the hand of a masker": (
        """
        from bidsmask.maskers import MultiNiftiMasker
        masker = MultiNiftiMasker(mask_img=mask).fit([func, func])
        result = np.vstack([
            *masker.transform_imgs([func], [conf], [kept], True, 1),
            masker.transform_single_imgs(func, conf, kept, copy=False),
        ])
        """,
        """
        from bidsmask import NiftiMasker
        result = NiftiMasker(mask).fit_transform(func, confounds=conf, sample_mask=kept)
        result = np.vstack([result, result])
        """,
    ),
    "0.9: a sample mask out of a table of numbers": (
        """
        from bidsmask.maskers import NiftiMasker
        result = NiftiMasker(mask).fit_transform(func, sample_mask=kept.astype(float))
        """,
        """
        from bidsmask import NiftiMasker
        result = NiftiMasker(mask).fit_transform(func)[kept]
        """,
    ),
    "0.10: standard scores of the population": (
        """
        from bidsmask import signal
        result = signal.clean(signals, standardize="zscore", detrend=False)
        """,
        "result = (signals - signals.mean(axis=0)) / signals.std(axis=0)",
    ),
    "0.12: arguments of clean": (
        """
        from bidsmask.maskers import NiftiLabelsMasker
        result = NiftiLabelsMasker(atlas, t_r=2, high_pass=0.02, standardize="zscore_sample",
                                   clean_args={"filter": "cosine"}).fit_transform(func)
        """,
        """
        from bidsmask import NiftiLabelsMasker, clean
        signals = NiftiLabelsMasker(atlas, dtype="float64").fit_transform(func)
        result = clean(signals, detrend=False, filter="cosine", high_pass=0.02, t_r=2)
        """,
    ),
}


def result_of(script, names):
    scope = dict(names)
    exec(textwrap.dedent(script), scope)
    return scope["result"]


@pytest.mark.parametrize("script", OLD_AND_NEW)
def test_an_old_script_gives_what_one_of_today_gives(script, names):
    old, new = (result_of(each, names) for each in OLD_AND_NEW[script])
    np.testing.assert_allclose(old, new, rtol=0, atol=2e-4 * max(np.std(new), 1e-9))


LETTERS = {
    "sessions of signals": (
        "from bidsmask.signal import clean; clean(signals, sessions=runs)",
        "Did you mean 'runs'",
    ),
    "sessions of images": (
        "from bidsmask.image import clean_img; clean_img(func, sessions=runs)",
        "Did you mean 'runs'",
    ),
    "options of cleaning images": (
        "from bidsmask.image import clean_img; clean_img(func, sample_mask=kept)",
        "Did you mean 'clean__sample_mask'",
    ),
    "a sample mask in the constructor": (
        "from bidsmask.input_data import NiftiMasker; NiftiMasker(sample_mask=kept)",
        "Give it to transform",
    ),
    "grey matter": (
        "from bidsmask.masking import compute_gray_matter_mask",
        "compute_brain_mask.*mask_type='gm'",
    ),
    "grey matter of several": (
        "from bidsmask.masking import compute_multi_gray_matter_mask",
        "compute_multi_brain_mask.*mask_type='gm'",
    ),
    "datasets": ("from bidsmask import datasets", "from nilearn import datasets"),
    "plotting": ("from bidsmask import plotting", "from nilearn import plotting"),
    "thresholds": (
        "from bidsmask.image import threshold_img",
        "from nilearn.image import threshold_img",
    ),
    "standard scores": (
        "from bidsmask.signal import standardize_signal",
        "from nilearn.signal import standardize_signal",
    ),
    "the base of maskers": (
        "from bidsmask.maskers import BaseMasker",
        "from nilearn.maskers import BaseMasker",
    ),
    "a misspelt parameter": (
        "from bidsmask import NiftiMasker; NiftiMasker(smoothing=4)",
        "Is 'smoothing_fwhm' meant",
    ),
    "a misspelt parameter that is set": (
        "from bidsmask import NiftiMasker; NiftiMasker().set_params(standardise=True)",
        "Is 'standardize' meant",
    ),
    "a misspelt strategy": (
        "from bidsmask import NiftiMasker; NiftiMasker(mask_strategy='epy').fit(func)",
        "Is 'epi' meant",
    ),
    "labels by their old place": (
        "from bidsmask.input_data import NiftiLabelsMasker; NiftiLabelsMasker(atlas, 0).fit()",
        "'labels' must be a list of texts",
    ),
    "two names for one thing": (
        "from bidsmask import NiftiMasker; NiftiMasker(mask).fit_transform(func, X=func)",
        "needs images once: as 'imgs' or as 'X'",
    ),
}


@pytest.mark.parametrize("letter", LETTERS)
def test_what_no_longer_works_says_what_to_write(letter, names):
    script, words = LETTERS[letter]
    with pytest.raises((TypeError, ValueError, ImportError), match=words):
        exec(script, dict(names))


# What is said


@pytest.mark.parametrize("confounds", ["conf", "'confounds.tsv'", "pd.DataFrame(conf)", "[conf]"])
def test_confounds_that_come_second_are_asked_for_by_name(confounds, names):
    """The second argument was theirs once."""
    script = f"import pandas as pd; NiftiMasker(mask).fit_transform(func, {confounds})"
    with pytest.warns(UserWarning, match=r"looks like confounds.*confounds="):
        exec(f"from bidsmask import NiftiMasker; {script}", dict(names))


@pytest.mark.filterwarnings("error:The second argument")
@pytest.mark.parametrize(
    "y", ["runs", "list(map(str, runs))", "pd.Series(runs)", "runs[:, None]", "[[0], [0, 1]]"]
)
def test_labels_of_volumes_are_not_taken_for_confounds(y, names):
    script = f"import pandas as pd; NiftiMasker(mask).fit_transform(func, {y})"
    exec(f"from bidsmask import NiftiMasker; {script}", dict(names))


def test_labels_that_are_lost_are_named_and_once(names):
    from bidsmask import NiftiLabelsMasker

    mask = np.zeros(SHAPE, dtype=np.int8)
    mask[3:5, 1:-1, 1:-1] = 1
    masker = NiftiLabelsMasker(
        names["atlas"], labels=["left", "right"], mask_img=nib.Nifti1Image(mask, AFFINE)
    )
    with pytest.warns(UserWarning, match=r"labels were removed: \{1\} \(left\)"):
        masker.fit_transform(names["func"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masker.transform(names["func"])
    assert "left" in str(masker.generate_report())
    with pytest.warns(UserWarning, match="were removed"):  # another fit, another word
        masker.fit_transform(names["func"])
