import pickle
import subprocess
import sys

import numpy as np
import pytest

from bidsmask import (
    MultiNiftiLabelsMasker,
    NiftiLabelsMasker,
    NiftiMapsMasker,
    NiftiMasker,
    NiftiSpheresMasker,
)

MAKERS = {
    "mask": lambda w, **more: NiftiMasker(mask_img=w.mask_img, **more),
    "labels": lambda w, **more: NiftiLabelsMasker(w.labels_img, mask_img=w.mask_img, **more),
    "maps": lambda w, **more: NiftiMapsMasker(w.maps_img, mask_img=w.mask_img, **more),
    "spheres": lambda w, **more: NiftiSpheresMasker(
        w.seeds, radius=3, mask_img=w.mask_img, allow_overlap=True, **more
    ),
}
NOTHING_TRANSFORMED = "Nothing has been transformed yet"


@pytest.fixture(params=MAKERS)
def make(request, world):
    return lambda **more: MAKERS[request.param](world(), **more)


def test_a_report_after_transform_shows_where_and_what(make, world):
    masker = make()
    masker.fit_transform(world().img)
    page = masker.generate_report().html
    for part in ("Where", "Signals of the last run", "mask_img"):
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


def test_lost_regions_and_their_reason_are_shown(world):
    masker = NiftiLabelsMasker(world().labels_img, mask_img=world().mask_img, min_coverage=0.9)
    masker.set_params(keep_empty=True)
    masker.fit_transform(world().img)
    assert (~masker.coverage_["used"]).any()
    assert "coverage below 90%" in masker.generate_report().html


def test_warnings_of_a_run_are_in_its_report(world):
    masker = NiftiLabelsMasker(world(far=True).labels_img).fit()
    with pytest.warns(UserWarning, match="Resampling labels at transform time"):
        masker.transform(world().img)
    assert "Resampling labels at transform time" in masker.generate_report().html


@pytest.mark.parametrize(
    ("displayed", "n_pages"), [("all", 3), (2, 2), ([0, 2], 2), (np.array([1, 0]), 2), (99, 3)]
)
def test_the_caller_chooses_maps(world, displayed, n_pages):
    masker = NiftiMapsMasker(world().maps_img).fit()
    page = masker.generate_report(displayed_maps=displayed, engine="brainsprite").html
    assert page.count('<input type="radio"') == n_pages


@pytest.mark.parametrize("displayed", ["some", 1.5, True])
def test_a_choice_of_maps_that_means_nothing_is_an_error(world, displayed):
    with pytest.raises(TypeError, match="displayed_maps"):
        NiftiMapsMasker(world().maps_img).fit().generate_report(displayed)


def test_a_map_that_is_not_there_cannot_be_shown(world):
    with pytest.raises(ValueError, match="numbers go from 0 to 2"):
        NiftiMapsMasker(world().maps_img).fit().generate_report([3])


def test_spheres_without_any_grid_have_a_table(world):
    page = NiftiSpheresMasker(world().seeds, radius=3).fit().generate_report("all").html
    assert "Sphere 2 at (-2, 6, -3) mm" in page
    assert "<figure>" not in page


def test_an_unknown_engine_is_an_error(world):
    with pytest.raises(ValueError, match="engine"):
        NiftiMasker(mask_img=world().mask_img).generate_report(engine="povray")


def test_a_masker_of_several_runs_reports_the_last(world):
    masker = MultiNiftiLabelsMasker(world().labels_img, n_jobs=1)
    masker.fit_transform([world().img, world().img])
    assert "Signals of the last run" in masker.generate_report("A title").html


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


def test_matplotlib_is_imported_only_for_a_report():
    code = "import sys, bidsmask; bidsmask.NiftiMasker; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
