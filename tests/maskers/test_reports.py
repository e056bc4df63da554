import base64
import pickle
import re
import subprocess
import sys
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from matplotlib.colors import ListedColormap
from sklearn.base import clone

from bidsmask import (
    MultiNiftiLabelsMasker,
    MultiNiftiMapsMasker,
    MultiNiftiSpheresMasker,
    NiftiLabelsMasker,
    NiftiMapsMasker,
    NiftiMasker,
    NiftiSpheresMasker,
)
from bidsmask.maskers.report.kept import seen_of_run
from bidsmask.maskers.report.page import summarize

MAKERS = {
    "mask": lambda w, **more: NiftiMasker(mask_img=w.mask_img, **more),
    "labels": lambda w, **more: NiftiLabelsMasker(w.labels_img, mask_img=w.mask_img, **more),
    "maps": lambda w, **more: NiftiMapsMasker(w.maps_img, mask_img=w.mask_img, **more),
    "spheres": lambda w, **more: NiftiSpheresMasker(
        w.seeds, radius=3, mask_img=w.mask_img, allow_overlap=True, **more
    ),
}
NOTHING_TRANSFORMED = "Nothing has been transformed yet"
SPACE = "MNI152NLin2009cAsym"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """TemplateFlow's only folder: empty, whatever this machine has."""
    folder = tmp_path / "templateflow"
    folder.mkdir()
    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: (folder,))
    return folder


@pytest.fixture
def template(home, image):
    """Put a picture of a head into TemplateFlow's folder: ``template("MNI152NLin2009cAsym")``."""

    def write(space=SPACE, content=None):
        folder = home / f"tpl-{space}"
        folder.mkdir()
        path = folder / f"tpl-{space}_res-02_T1w.nii.gz"
        affine = np.diag([2.0, 2, 2, 1])
        affine[:3, 3] = -15
        head = np.random.default_rng(0).uniform(size=(16, 16, 16)).astype(np.float32)
        image(head if content is None else content, affine).to_filename(path)
        return path

    return write


def drawn(page):
    """Everything that figures say, and the colours of their legends."""
    found = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    return "".join(base64.b64decode(each).decode() for each in found)


@pytest.fixture(params=MAKERS)
def make(request, world):
    return lambda **more: MAKERS[request.param](world(), **more)


def test_a_report_after_transform_shows_where_and_what(make, world):
    masker = make()
    masker.fit_transform(world().img)
    page = masker.generate_report().html
    for part in ("Where", "Signals of the last run", "mask_<wbr>img"):
        assert part in page
    assert NOTHING_TRANSFORMED not in page


def test_a_report_of_a_fitted_masker_says_what_is_missing(make):
    page = make().fit().generate_report().html
    assert NOTHING_TRANSFORMED in page
    assert "No image was given to fit" in page
    assert "Signals of the last run" not in page


def test_an_unfitted_masker_says_so(make):
    assert "not fitted" in make().generate_report().html


def test_without_reports_nothing_is_kept(make, world):
    masker = make(reports=False)
    masker.fit_transform(world().img)
    assert not hasattr(masker, "_seen_")
    assert "reports=False" in masker.generate_report().html


def test_a_report_is_unchanged_by_pickling_the_masker(make, world):
    masker = make()
    masker.fit_transform(world().img)
    again = pickle.loads(pickle.dumps(masker))
    assert again.generate_report().html == masker.generate_report().html


def test_a_second_fit_forgets_the_run(make, world):
    masker = make()
    masker.fit_transform(world().img)
    assert NOTHING_TRANSFORMED in masker.fit().generate_report().html


def test_what_lies_beneath_the_outlines_is_said(make, world):
    fitted = make().fit()
    fitted.transform(world().img)
    page = fitted.generate_report().html
    assert "the mean of 16 of 40 volumes, evenly spaced over the run" in page


def test_the_picture_of_a_fit_is_the_mean_of_the_first_volumes(world):
    here = world()
    masker = NiftiLabelsMasker(here.labels_img).fit(here.img)
    expected = np.asarray(here.img.dataobj)[..., :16].mean(axis=3)
    np.testing.assert_allclose(masker._seen_.volume, expected, rtol=1e-6)
    page = masker.generate_report().html
    assert "the mean of the first 16 of 40 volumes of the run given to fit" in page


@pytest.mark.parametrize(
    ("n_volumes", "words"),
    [(1, "the only volume of the run given to fit"), (3, "the mean of the 3 volumes")],
)
def test_the_picture_of_a_short_run_is_all_of_it(world, n_volumes, words):
    here = world()
    masker = NiftiLabelsMasker(here.labels_img).fit(here.img.slicer[..., :n_volumes])
    assert words in masker.generate_report().html


def test_missing_values_of_a_picture_are_drawn_as_nothing(world, image):
    here = world()
    array = np.array(here.img.dataobj)
    array[:3], array[3, :, :, 0], array[3, :, :, 1] = np.nan, np.inf, -np.inf
    masker = NiftiLabelsMasker(here.labels_img).fit(image(array, here.affine))
    assert "<figure>" in masker.generate_report().html


def test_the_run_is_not_kept(world):
    masker = NiftiMasker(mask_img=world().mask_img)
    masker.fit_transform(world().img)
    assert masker._seen_.volume.shape == world().img.shape[:3]
    assert masker._seen_.signals.shape[1] <= 400


def test_volumes_left_out_are_counted(world):
    masker = NiftiLabelsMasker(world().labels_img)
    masker.fit_transform(world().img, sample_mask=np.arange(5, 40))
    page = masker.generate_report().html
    assert "35 of 40" in page
    assert "5, by the sample_mask" in page


def test_volumes_left_out_are_shown_where_they_come_out(world):
    runs = np.repeat(["b", "a"], 20)  # the second run comes out first
    masker = NiftiMasker(mask_img=world().mask_img, runs=runs)
    masker.fit_transform(world().img, sample_mask=[np.arange(20), np.arange(3, 20)])
    np.testing.assert_array_equal(np.flatnonzero(~masker._seen_.kept), [20, 21, 22])


def test_lost_regions_and_their_reason_are_shown(world):
    masker = NiftiLabelsMasker(world().labels_img, mask_img=world().mask_img, min_coverage=0.9)
    masker.set_params(keep_empty=True)
    masker.fit_transform(world().img)
    assert (~masker.coverage_["used"]).any()
    assert "at least 90.0% is asked for" in masker.generate_report().html


def test_warnings_of_a_run_are_in_its_report(world):
    masker = NiftiLabelsMasker(world(far=True).labels_img).fit()
    with pytest.warns(UserWarning, match="Resampling labels at transform time"):
        masker.transform(world().img)
    assert "Resampling labels at transform time" in masker.generate_report().html


@pytest.mark.parametrize(
    ("displayed", "n_pages"), [("all", 3), (2, 2), ([0, 2], 2), (np.array([1, 0]), 2)]
)
def test_the_caller_chooses_maps(world, displayed, n_pages):
    masker = NiftiMapsMasker(world().maps_img).fit()
    page = masker.generate_report(displayed_maps=displayed, engine="brainsprite").html
    assert page.count('name="page"') == n_pages


def test_a_report_never_holds_all_weights_of_all_voxels(image):
    maps = np.zeros((30, 30, 30, 100), dtype=np.float32)
    maps[10:15, 10:15, 10:15] = np.random.default_rng(0).uniform(size=(5, 5, 5, 100))
    masker = NiftiMapsMasker(image(maps)).fit()
    tracemalloc.start()
    try:
        summary = summarize(masker, displayed="all")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(summary.views) == 100
    assert most < maps.nbytes / 2


@pytest.mark.parametrize("displayed", ["some", 1.5, True])
def test_a_choice_of_maps_that_means_nothing_is_an_error(world, displayed):
    with pytest.raises(TypeError, match="displayed_maps"):
        NiftiMapsMasker(world().maps_img).fit().generate_report(displayed)


def test_a_map_that_is_not_there_cannot_be_shown_and_the_others_are(world):
    masker = NiftiMapsMasker(world().maps_img).fit()
    with pytest.warns(UserWarning, match=r"Report cannot display the following .*: \[3\]"):
        page = masker.generate_report([0, 1, 3]).html
    assert page.count('name="page"') == 2
    with pytest.warns(UserWarning, match="only 3, so displayed_maps=4 was set to 3"):
        page = masker.generate_report(4).html
    assert page.count('name="page"') == 3


def test_more_maps_than_there_are_are_no_matter_if_nobody_asked_for_so_many(world):
    page = NiftiMapsMasker(world().maps_img).fit().generate_report().html
    assert page.count('name="page"') == 3


@pytest.mark.parametrize("chosen", [4.5, [8.4, 3], "invalid", np.array([1.2, 3.0])])
def test_spheres_are_chosen_by_number_even_if_none_can_be_drawn(world, chosen):
    masker = NiftiSpheresMasker(world().seeds, radius=3).fit()
    with pytest.raises(TypeError, match="'all' or a positive 'int', or a list/array of ints"):
        masker.generate_report(chosen)


def test_spheres_without_any_grid_have_a_table(world):
    page = NiftiSpheresMasker(world().seeds, radius=3).fit().generate_report("all").html
    assert "Sphere 2 at (-2, 6, -3) mm" in page
    assert 'id="where"' not in page


def test_spheres_without_any_grid_lie_on_a_template_if_there_is_one(world, template):
    template()
    page = NiftiSpheresMasker(world().seeds, radius=3).fit().generate_report().html
    assert page.count('name="page"') == 4
    assert "no file name says in which space" in page


def test_without_a_run_a_template_is_beneath_the_outlines(make, template):
    path = template()
    page = make().fit().generate_report().html
    assert f"the template {SPACE} ({path.name}), not a run" in page
    assert "no file name says in which space the outlines are" in page


def test_a_run_goes_before_a_template(make, template, world):
    template()
    masker = make()
    masker.fit_transform(world().img)
    assert SPACE not in masker.generate_report().html


def test_without_a_template_outlines_are_drawn_alone_and_why_is_said(make):
    page = make().fit().generate_report().html
    assert f"hold no T1-weighted image of {SPACE}" in page
    assert "drawn alone" in page
    assert "Beneath the outlines" not in page


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("tpl-MNI152NLin6Asym_atlas-Mine_dseg.nii.gz", "MNI152NLin6Asym"),
        ("space-T1w_dseg.nii", "T1w"),
    ],
)
def test_the_template_is_that_of_the_space_in_the_file_name(
    world, image, tmp_path, template, name, space
):
    template()
    image(np.asarray(world().labels_img.dataobj), world().affine).to_filename(tmp_path / name)
    page = NiftiLabelsMasker(tmp_path / name).fit().generate_report().html
    assert (
        f"hold no T1-weighted image of {space} (the space that the file name of labels_img" in page
    )
    template(space)
    for labels_img in (str(tmp_path / name), nib.load(tmp_path / name)):
        page = NiftiLabelsMasker(labels_img).fit().generate_report().html
        assert f"the outlines lie on the template {space}" in page


def test_a_template_that_cannot_be_read_leaves_the_outlines_alone(make, template):
    template().write_bytes(b"no image")
    page = make().fit().generate_report().html
    assert "the template cannot be read" in page


def test_a_template_of_several_volumes_leaves_the_outlines_alone(make, template):
    template(content=np.ones((4, 4, 4, 2), np.float32))
    assert "the template cannot be read" in make().fit().generate_report().html


# Colours


COLOURED = ("mask", "labels", "maps")


@pytest.mark.parametrize("kind", COLOURED)
def test_a_colour_map_colours_the_report(world, kind):
    def page(cmap):
        masker = MAKERS[kind](world(), cmap=cmap)
        masker.fit_transform(world().img)
        return masker.generate_report().html

    pages = {cmap: page(cmap) for cmap in (None, "viridis", "CMRmap_r")}
    assert len(set(pages.values())) == 3
    assert page("viridis") == pages["viridis"]


@pytest.mark.parametrize("kind", COLOURED)
def test_an_unknown_colour_map_names_those_that_are_called_alike(world, kind):
    masker = MAKERS[kind](world(), cmap="virdis")
    with pytest.raises(ValueError, match=r"no colour map 'virdis'.*viridis"):
        masker.generate_report()
    masker.fit_transform(world().img)
    with pytest.raises(ValueError, match="viridis"):
        masker.generate_report()


def test_a_word_that_is_like_no_colour_map_says_where_their_names_are(world):
    with pytest.raises(ValueError, match=r"See matplotlib.colormaps"):
        NiftiMasker(world().mask_img, cmap=3).generate_report()


@pytest.mark.parametrize("kind", COLOURED)
def test_a_list_of_colours_is_a_colour_map(world, kind):
    cmap = ListedColormap(["#102030", "#405060", "#708090"], name="mine")
    masker = clone(MAKERS[kind](world(), cmap=cmap)).fit()
    masker.transform(world().img.slicer[..., :2])
    assert "ListedColormap mine" in masker.generate_report().html


def test_contours_of_maps_have_the_colours_of_the_map(world):
    cmap = ListedColormap(["#102030", "#405060", "#708090", "#a0b0c0"])
    page = NiftiMapsMasker(world().maps_img, cmap=cmap).fit().generate_report().html
    for words, colour in (("from 25%", "#405060"), ("from 50%", "#708090"), ("75%", "#a0b0c0")):
        assert words in drawn(page)
        assert colour in drawn(page)
    assert "\N{MINUS SIGN}25%" not in drawn(page)


def test_negative_weights_have_colours_of_their_own(world, image):
    here = world()
    signed = image(np.asarray(here.maps_img.dataobj) - 1.0, here.affine)
    page = NiftiMapsMasker(signed).fit().generate_report().html
    assert "from \N{MINUS SIGN}25%" in drawn(page)


def test_lost_regions_are_marked_whatever_the_colours(world):
    masker = NiftiLabelsMasker(world().labels_img, mask_img=world().mask_img, cmap="tab20")
    masker.set_params(keep_empty=True, min_coverage=0.9)
    masker.fit_transform(world().img)
    assert "lost region" in drawn(masker.generate_report().html)


# Several runs


def several(masker, imgs, **each):
    """Transform one run after the other; keep what a masker of several runs is to keep."""
    masker.fit()
    seen = []
    for number, img in enumerate(imgs):
        masker.transform([img], **{name: [given[number]] for name, given in each.items()})
        seen.append(seen_of_run(masker))
    masker._seen_runs_ = tuple(seen)
    return masker.generate_report().html


def test_every_run_of_several_has_a_page(world):
    here = world()
    masker = MultiNiftiLabelsMasker(here.labels_img, t_r=2.0)
    page = several(masker, [here.img] * 3, sample_mask=[None, np.arange(5, 40), None])
    assert page.count('name="run"') == 3
    for words in ("Run 2: ", "35 of 40", "115 of 120", "5, by the sample_mask"):
        assert words in page
    assert "Signals of the last run" not in page


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_what_is_lost_is_said_of_each_run(world, image):
    here = world()
    array = np.array(here.img.dataobj)
    array[np.asarray(here.labels_img.dataobj) == 5] = np.nan
    broken = image(array, here.affine)
    masker = MultiNiftiLabelsMasker(here.labels_img, labels=["a", "b", "c"], min_coverage=0.5)
    with pytest.warns(UserWarning, match="were removed"):
        page = several(masker, [here.img, broken, here.img])
    assert [len(seen.lost) for seen in masker._seen_runs_] == [0, 1, 0]
    assert [len(seen.names) for seen in masker._seen_runs_] == [3, 2, 3]
    assert "b: None of its" in page


def test_columns_of_runs_are_called_as_in_the_table(world, image):
    here = world()
    maps = np.array(here.maps_img.dataobj)
    maps[..., 1] = 0
    maps[0, :, :, 1] = 1  # outside of the mask
    masker = MultiNiftiMapsMasker(
        image(maps, here.affine), mask_img=here.mask_img, keep_empty=True
    )
    several(masker, [here.img, here.img])
    for seen in masker._seen_runs_:
        assert seen.names == ("Map 0", "Map 1", "Map 2")
        assert seen.lost == ("Map 1: None of its 63 voxels on the grid lies inside the mask.",)


def test_spheres_without_a_voxel_are_lost_in_a_run(world):
    masker = MultiNiftiSpheresMasker([*world().seeds, (0, 999, 0)], radius=3, keep_empty=True)
    page = several(masker, [world().img] * 2)
    assert "Sphere 3: None of its voxels lies on the grid of the run." in page


def test_of_several_runs_one_picture_is_kept(world):
    masker = MultiNiftiLabelsMasker(world().labels_img)
    several(masker, [world().img] * 2)
    assert [seen.volume.size for seen in masker._seen_runs_] == [0, 0]
    assert masker._seen_.volume.shape == world().img.shape[:3]


def test_a_masker_that_keeps_nothing_has_no_runs_to_show(world):
    masker = MultiNiftiLabelsMasker(world().labels_img, reports=False).fit()
    masker.transform([world().img])
    assert seen_of_run(masker) is None


def test_an_unknown_engine_is_an_error(world):
    with pytest.raises(ValueError, match="engine"):
        NiftiMasker(mask_img=world().mask_img).generate_report(engine="povray")


def test_a_masker_of_several_runs_has_a_report(world):
    masker = MultiNiftiLabelsMasker(world().labels_img, n_jobs=1)
    masker.fit_transform([world().img, world().img])
    page = masker.generate_report("A title").html
    assert "<h1>A title</h1>" in page
    assert 'id="signals"' in page


def test_one_run_in_a_list_is_one_run(world):
    page = several(MultiNiftiLabelsMasker(world().labels_img), [world().img])
    assert "Signals of the last run" in page


def test_a_report_is_saved_and_shown(world, tmp_path, monkeypatch):
    report = NiftiMasker(mask_img=world().mask_img).fit().generate_report(title="Mine")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    report.open_in_browser(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.html
    assert opened == [(tmp_path / "report.html").as_uri()]
    assert "<h1>Mine</h1>" in report.html
    assert report._repr_html_().startswith("<iframe srcdoc=")


def test_the_mask_of_an_image_that_cannot_be_read_is_a_line_of_the_report():
    page = NiftiMasker(mask_img="nowhere.nii.gz").generate_report().html
    assert "Cannot be read" in page


# What is imported


def modules_after(code):
    """Names of all modules that a fresh interpreter has loaded."""
    code = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_maskers_imports_nothing_of_reports():
    loaded = modules_after("import bidsmask.maskers.multi")
    assert "bidsmask.maskers.report.kept" in loaded
    assert loaded.isdisjoint({"bidsmask.reports", "bidsmask.maskers.report.page", "matplotlib"})


TRANSFORM = """
import nibabel as nib
import numpy as np
from bidsmask import NiftiLabelsMasker

rng = np.random.default_rng(0)
labels_img = nib.Nifti1Image(rng.integers(0, 3, (4, 4, 4)).astype(np.int32), np.eye(4))
img = nib.Nifti1Image(rng.normal(size=(4, 4, 4, 20)), np.eye(4))
masker = NiftiLabelsMasker(labels_img, detrend=True, standardize="zscore_sample")
masker.fit().transform(img)
"""


def test_signals_are_read_without_what_only_other_tasks_need():
    # Each of these takes longer to import than a run takes to read.
    heavy = {"sklearn", "pandas", "matplotlib", "jinja2", "joblib", "bids", "nipype"}
    assert modules_after(TRANSFORM).isdisjoint(heavy | {"scipy.signal", "bidsmask.reports"})
