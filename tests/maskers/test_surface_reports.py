"""What reports of maskers of surfaces show: regions, coverage and maps on hemispheres."""

import re

import nibabel as nib
import numpy as np
import pytest
from dataset.test_meshes import write_pair
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage
from reports.test_hemispheres import outwards
from scipy.spatial import ConvexHull
from worlds import surface_files as files
from worlds.surface_images import KEYS, LEFT, RIGHT, image

import bidsmask.maskers as ours

N = 200


def ball(seed):
    points = np.random.default_rng(seed).normal(size=(N, 3))
    points *= np.array([30.0, 90, 60]) / np.linalg.norm(points, axis=1, keepdims=True)
    faces = outwards(points, ConvexHull(points).simplices)
    return InMemoryMesh(coordinates=points.astype(np.float32), faces=faces)


MESH = PolyMesh(left=ball(0), right=ball(1))


def on_mesh(left, right):
    return SurfaceImage(MESH, {"left": left, "right": right})


FRONT = MESH.parts["left"].coordinates[:, 1] > 0


@pytest.fixture
def run():
    values = np.random.default_rng(2).normal(100, 1, size=(2, N, 20))
    values[0, FRONT] = 0
    return on_mesh(*values)


@pytest.fixture
def labels():
    return on_mesh(1 + FRONT.astype(int), np.full(N, 3))


@pytest.fixture(autouse=True)
def no_templates(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templates"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "templates"


def titles(page):
    where = page.partition('id="where"')[2].partition("</section>")[0]
    return re.findall("<h4>([^<]*)</h4>", where)


def test_regions_and_coverage_are_drawn_on_the_mesh_that_was_given(run, labels):
    masker = ours.SurfaceLabelsMasker(labels, min_coverage=0.5).fit()
    assert titles(masker.generate_report().html) == ["The regions"]
    with pytest.warns(UserWarning, match="2"):
        masker.transform(run)
    page = masker.generate_report().html
    assert titles(page) == ["The regions", "Coverage"]
    assert "2 of 3 regions have a signal" in page
    assert "the mesh that came with an image" in page
    assert "is not drawn" not in page


def test_the_mask_is_drawn(run):
    masker = ours.SurfaceMasker(on_mesh(FRONT, FRONT)).fit()
    page = masker.generate_report().html
    assert titles(page) == ["The mask"]
    assert f"{2 * FRONT.sum()} of {2 * N} vertices" in page


@pytest.mark.parametrize(
    ("displayed", "shown"), [(10, ["Map 0", "Map 1"]), (1, ["Map 0"]), ([1], ["Map 1"])]
)
def test_maps_are_drawn_together_and_each_for_itself(displayed, shown):
    weights = np.random.default_rng(3).normal(size=(2, N, 2))
    masker = ours.SurfaceMapsMasker(on_mesh(*weights)).fit()
    assert titles(masker.generate_report(displayed).html) == ["All maps", *shown]


def test_a_masker_of_several_runs_has_pictures(run, labels):
    masker = ours.MultiSurfaceLabelsMasker(labels).fit()
    masker.transform([run, run])
    page = masker.generate_report().html
    assert titles(page) == ["The regions", "Coverage"]
    assert page.count("Run 2") >= 1


@pytest.fixture
def pair(tmp_path):
    """A run of two files that say of which space they are, and nothing of a mesh."""
    run = {}
    for hemi, side, structure in (
        ("L", "left", "CortexLeft"),
        ("R", "right", "CortexRight"),
    ):
        values = np.random.default_rng(4).normal(100, 1, (5, 2562)).astype(np.float32)
        image = nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(each) for each in values])
        image.meta["AnatomicalStructurePrimary"] = structure
        run[side] = tmp_path / f"sub-1_hemi-{hemi}_space-fsaverage4_bold.func.gii"
        image.to_filename(run[side])
    return run


def test_meshes_of_templateflow_are_taken_if_they_are_here(pair, no_templates):
    masker = ours.SurfaceMasker().fit(pair)
    page = masker.generate_report().html
    assert titles(page) == []
    assert "is not drawn. There is no mesh" in page
    write_pair(no_templates / "tpl-fsaverage", "tpl-fsaverage_hemi-*_den-3k_pial.surf.gii", 2562)
    page = masker.generate_report().html
    assert titles(page) == ["The mask"]
    assert "tpl-fsaverage_hemi-L_den-3k_pial.surf.gii" in page
    assert "inflated for the picture" in page


def test_meshes_that_were_given_are_drawn_on(pair, tmp_path):
    files = write_pair(tmp_path, "*.surf.gii", 2562)
    meshes = dict(zip(("left", "right"), map(str, files.values()), strict=True))
    page = ours.SurfaceMasker(meshes=meshes).fit(pair).generate_report().html
    assert titles(page) == ["The mask"]
    assert "the meshes that were given" in page


def test_voxels_are_drawn_in_slices(tmp_path):
    axis = files.brain_axis(LEFT, RIGHT)
    box = np.argwhere(np.ones((3, 3, 3)))
    voxels = nib.cifti2.BrainModelAxis(
        ["CIFTI_STRUCTURE_THALAMUS_LEFT"] * len(box),
        voxel=box,
        affine=np.eye(4),
        volume_shape=(3, 3, 3),
    )
    keys = np.concatenate([KEYS, np.full(len(box), 7)])[np.newaxis].astype(np.float32)
    names = {0: ("???", (0, 0, 0, 0)), **{key: (f"r{key}", (1, 0, 0, 1)) for key in range(1, 8)}}
    atlas = nib.Cifti2Image(keys, (nib.cifti2.LabelAxis(["map"], [names]), axis + voxels))
    page = ours.SurfaceLabelsMasker(atlas).fit().generate_report().html
    assert titles(page) == ["The regions, in the volume"]
    assert "27 in 1 structures" not in page
    assert "is not drawn" in page


@pytest.mark.parametrize("kind", ["SurfaceMasker", "SurfaceLabelsMasker", "SurfaceMapsMasker"])
def test_a_mesh_of_a_few_vertices_is_no_error(kind):
    given = {
        "SurfaceMasker": image(KEYS > 0),
        "SurfaceLabelsMasker": image(KEYS),
        "SurfaceMapsMasker": image(np.random.default_rng(1).random((LEFT + RIGHT, 3))),
    }
    page = getattr(ours, kind)(given[kind]).fit().generate_report().html
    assert "data:image/svg" in page
