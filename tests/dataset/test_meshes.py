"""Which mesh a run on surfaces is drawn on, measured along and weighted by."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer import write_geometry
from nibabel.gifti import GiftiDataArray, GiftiImage

from bidsmask.dataset import templates
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.meshes import Shelves, find_areas, find_meshes, inflated_meshes
from bidsmask.dataset.run_meshes import Whereabouts, find_places
from bidsmask.errors import ImageError
from bidsmask.images.grayordinates import Grayordinates, Structure, whole_meshes
from bidsmask.images.grid import Grid
from bidsmask.images.meshes import count_vertices, places_on, read_areas, read_mesh

LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"
RUN = Entities({"sub": "01", "ses": "2", "task": "rest"})
CORNERS = np.array([[0, 1, 2], [1, 3, 2]])


def write_mesh(path, n_vertices, triangles_first=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.random.default_rng(0).normal(size=(n_vertices, 3)).astype(np.float32)
    arrays = [
        GiftiDataArray(points, intent="NIFTI_INTENT_POINTSET"),
        GiftiDataArray(CORNERS.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(GiftiImage(darrays=arrays[::-1] if triangles_first else arrays), path)
    return path


def write_pair(folder, name, n_vertices):
    """Write both hemispheres; `name` has a star where the letter is."""
    return {
        structure: write_mesh(folder / name.replace("*", hemi), n_vertices)
        for structure, hemi in ((LEFT, "L"), (RIGHT, "R"))
    }


def write_freesurfer(folder, kind, n_vertices, **about):
    folder.mkdir(parents=True, exist_ok=True)
    for hemi in ("lh", "rh"):
        points = np.random.default_rng(0).normal(size=(n_vertices, 3))
        write_geometry(folder / f"{hemi}.{kind}", points, CORNERS, **about)


def both(n_vertices, space):
    return whole_meshes({LEFT: n_vertices, RIGHT: n_vertices}, space)


def names(found):
    return [path.name for path in found.values()]


# --- the subject's own


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("fsLR", "sub-01_hemi-*_space-fsLR_den-32k_midthickness.surf.gii"),
        ("fsLR", "sub-01_space-fsLR_den-32k_hemi-*_desc-preproc_midthickness.surf.gii"),
        ("fsnative", "sub-01_ses-2_hemi-*_midthickness.surf.gii"),
        ("fsnative", "sub-01_run-1_hemi-*_desc-preproc_midthickness.surf.gii"),
        ("onavg", "sub-01_hemi-*_space-onavg_den-10k_midthickness.surf.gii"),
    ],
)
def test_a_mesh_of_the_subject_is_known_by_its_entities(tmp_path, space, name):
    written = write_pair(tmp_path / "sub-01" / "anat", name, 40)
    shelves = Shelves(run=RUN, roots=[tmp_path])
    assert find_meshes(both(40, space), ["midthickness"], shelves) == written


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_hemi-*_midthickness.surf.gii",  # fsnative
        "sub-01_hemi-*_space-onavg_den-32k_midthickness.surf.gii",
        "sub-01_hemi-*_space-fsLR_den-32k_desc-reg_midthickness.surf.gii",
        "sub-01_hemi-L_space-fsLR_den-32k_midthickness.surf.gii",  # one of them only
    ],
)
def test_a_mesh_of_another_space_is_not_taken(tmp_path, name):
    write_pair(tmp_path / "sub-01" / "anat", name, 40)
    with pytest.raises(ImageError, match=r"no mesh .midthickness. of fsLR with 40 vertices"):
        find_meshes(both(40, "fsLR"), ["midthickness"], Shelves(run=RUN, roots=[tmp_path]))


def test_another_number_of_vertices_is_named(tmp_path):
    write_pair(tmp_path / "sub-01" / "anat", "sub-01_hemi-*_inflated.surf.gii", 41)
    with pytest.raises(ImageError, match=r"hemi-L_inflated.surf.gii has 41 vertices, and the run"):
        find_meshes(both(40, "fsnative"), ["inflated"], Shelves(run=RUN, roots=[tmp_path]))


def test_the_session_of_the_run_comes_first(tmp_path):
    for session, n_vertices in (("1", 40), ("2", 40), ("3", 41)):
        folder = tmp_path / "sub-01" / f"ses-{session}" / "anat"
        write_pair(folder, f"sub-01_ses-{session}_hemi-*_inflated.surf.gii", n_vertices)
    shelves = Shelves(run=RUN, roots=[tmp_path])
    assert "ses-2" in names(find_meshes(both(40, "fsnative"), ["inflated"], shelves))[0]
    other = Shelves(run=RUN | {"ses": "4"}, roots=[tmp_path])
    assert "ses-3" in names(find_meshes(both(41, "fsnative"), ["inflated"], other))[0]
    with pytest.raises(ImageError, match="More than one mesh could be meant"):
        find_meshes(both(40, "fsnative"), ["inflated"], other)


def test_the_same_mesh_under_both_names_of_fmriprep_is_one(tmp_path):
    for desc in ("", "_desc-preproc"):
        write_pair(tmp_path / "sub-01/anat", f"sub-01_hemi-*{desc}_inflated.surf.gii", 40)
    shelves = Shelves(run=RUN, roots=[tmp_path])
    assert len(find_meshes(both(40, "fsnative"), ["inflated"], shelves)) == 2


def test_the_first_kind_that_is_there_is_taken(tmp_path):
    for kind in ("pial", "white"):
        write_pair(tmp_path / "sub-01/anat", f"sub-01_hemi-*_{kind}.surf.gii", 40)
    shelves = Shelves(run=RUN, roots=[tmp_path])
    found = find_meshes(both(40, "fsnative"), ["inflated", "white", "pial"], shelves)
    assert names(found)[0] == "sub-01_hemi-L_white.surf.gii"


def test_one_hemisphere_needs_one_mesh(tmp_path):
    write_mesh(tmp_path / "sub-01/anat/sub-01_hemi-R_inflated.surf.gii", 40)
    shelves = Shelves(run=RUN, roots=[tmp_path])
    found = find_meshes(whole_meshes({RIGHT: 40}, "fsnative"), ["inflated"], shelves)
    assert list(found) == [RIGHT]


# --- FreeSurfer's


@pytest.mark.parametrize(
    ("space", "folder"), [("fsaverage5", "fsaverage5"), ("fsnative", "sub-01")]
)
@pytest.mark.parametrize("home", ["sourcedata/freesurfer", "../freesurfer"])
def test_freesurfers_folder_beside_the_derivatives_serves(tmp_path, space, folder, home):
    root = tmp_path / "fmriprep"
    root.mkdir()
    write_freesurfer(root / home / folder / "surf", "inflated", 40)
    found = find_meshes(both(40, space), ["inflated"], Shelves(run=RUN, roots=[root]))
    assert names(found) == ["lh.inflated", "rh.inflated"]
    assert read_mesh(found[LEFT]).n_vertices == 40


def test_the_centre_of_a_surface_of_freesurfer_is_heeded(tmp_path):
    about = {
        "head": np.array([2, 0, 20]),
        "valid": "1  # volume info valid",
        "filename": "filled.mgz",
        "volume": np.array([256, 256, 256]),
        "voxelsize": np.ones(3),
        "xras": np.array([-1.0, 0, 0]),
        "yras": np.array([0.0, 0, -1]),
        "zras": np.array([0.0, 1, 0]),
        "cras": np.array([1.0, 20, 3]),
    }
    write_freesurfer(tmp_path, "white", 40)
    write_freesurfer(tmp_path / "told", "white", 40, volume_info=about)
    plain, shifted = read_mesh(tmp_path / "lh.white"), read_mesh(tmp_path / "told/lh.white")
    shift = shifted.coordinates - plain.coordinates
    np.testing.assert_allclose(shift, np.tile([1.0, 20, 3], (40, 1)), atol=1e-5)


# --- TemplateFlow's


@pytest.mark.parametrize("name", ["den-3k_hemi-*", "hemi-*_den-3k"])
def test_both_orders_of_entities_are_read(tmp_path, name):
    folder = tmp_path / "tpl-fsaverage"
    written = write_pair(folder, f"tpl-fsaverage_{name}_white.surf.gii", 2562)
    write_pair(folder, f"tpl-fsaverage_{name}_desc-std_white.surf.gii", 2562)
    shelves = Shelves(homes=[tmp_path])
    assert find_meshes(both(2562, "fsaverage4"), ["white"], shelves) == written


def test_what_only_stands_in_for_a_file_is_not_taken(tmp_path):
    folder = tmp_path / "tpl-fsaverage"
    write_pair(folder, "tpl-fsaverage_hemi-*_den-3k_white.surf.gii", 2562)
    (folder / "tpl-fsaverage_hemi-L_den-3k_white.surf.gii").write_bytes(b"")
    with pytest.raises(ImageError, match=r"get.'fsaverage', .*hemi='L', density='3k'"):
        find_meshes(both(2562, "fsaverage4"), ["white"], Shelves(homes=[tmp_path]))


def test_the_space_must_be_known_unless_the_number_tells_it():
    with pytest.raises(ImageError, match="Nothing says of which space"):
        find_meshes(both(163_842, None), ["inflated"], Shelves())
    with pytest.raises(ImageError, match=r"inflated.* of fsLR with 32492"):
        find_meshes(both(32_492, None), ["inflated"], Shelves())


def test_a_mesh_is_downloaded_only_if_that_is_allowed(tmp_path, monkeypatch):
    asked = []

    def download(name):
        asked.append(name)
        return write_mesh(tmp_path / name, 2562)

    monkeypatch.setattr(templates, "download", download)
    lattice = both(2562, "fsaverage4")
    with pytest.raises(ImageError, match="Downloads are off"):
        find_meshes(lattice, ["inflated", "pial"], Shelves())
    assert not asked
    found = find_meshes(lattice, ["inflated", "pial"], Shelves(download=True))
    assert names(found) == [f"tpl-fsaverage_hemi-{hemi}_den-3k_pial.surf.gii" for hemi in "LR"]


def test_no_network_is_told_with_what_would_fetch_it(monkeypatch):
    def download(name):
        raise OSError("there is no network")

    monkeypatch.setattr(templates, "download", download)
    with pytest.raises(ImageError, match=r"no network\)[^']*'fsLR'.*suffix='veryinflated'"):
        find_meshes(both(32_492, "fsLR"), ["veryinflated"], Shelves(download=True))


def test_templateflow_has_what_is_asked_of_it():
    """Its own client answers with one file for each name in the list of its package."""
    found = templates.published_meshes("fsLR", "L")
    assert "tpl-fsLR/tpl-fsLR_den-32k_hemi-L_veryinflated.surf.gii" in found
    assert "tpl-fsLR/tpl-fsLR_hemi-L_den-59k_desc-vaavg_midthickness.shape.gii" in found


# --- areas


def test_areas_are_the_subjects_before_those_of_a_template(tmp_path):
    lattice = both(2562, "fsaverage4")
    mesh = "tpl-fsaverage_hemi-*_den-3k_white.surf.gii"
    folder = tmp_path / "tpl-fsaverage"
    write_pair(folder, mesh, 2562)
    shelves = Shelves(run=RUN, roots=[tmp_path / "dataset"], homes=[tmp_path])
    assert names(find_areas(lattice, shelves))[0] == mesh.replace("*", "L")
    for hemi in "LR":
        areas = np.linspace(0, 2, 2562, dtype=np.float32)
        image = GiftiImage(darrays=[GiftiDataArray(areas, intent="NIFTI_INTENT_SHAPE")])
        nib.save(
            image, folder / f"tpl-fsaverage_hemi-{hemi}_den-3k_desc-vaavg_midthickness.shape.gii"
        )
    averaged = find_areas(lattice, shelves)[LEFT]
    np.testing.assert_allclose(read_areas(averaged), areas)
    own = "sub-01_space-fsaverage_den-3k_hemi-*_midthickness.surf.gii"
    write_pair(tmp_path / "dataset/sub-01/anat", own, 2562)
    assert names(find_areas(lattice, shelves))[0] == own.replace("*", "L")


def test_an_area_that_is_none_is_refused(tmp_path):
    image = GiftiImage(
        darrays=[GiftiDataArray(np.array([1, -1], np.float32), intent="NIFTI_INTENT_SHAPE")]
    )
    nib.save(image, tmp_path / "x.shape.gii")
    with pytest.raises(ImageError, match="one area in mm²"):
        read_areas(tmp_path / "x.shape.gii")


# --- how many vertices


@pytest.mark.parametrize("triangles_first", [False, True])
def test_vertices_are_counted_without_reading_the_mesh(tmp_path, triangles_first):
    path = write_mesh(tmp_path / "x.surf.gii", 40, triangles_first)
    assert count_vertices(path) == read_mesh(path).n_vertices == 40


# --- to draw on


@pytest.mark.parametrize(("kind", "inflates"), [("inflated", False), ("pial", True)])
def test_a_mesh_that_is_not_inflated_is_inflated_for_the_picture(tmp_path, kind, inflates):
    files = write_pair(tmp_path / "sub-01/anat", f"sub-01_hemi-*_{kind}.surf.gii", 400)
    drawn = inflated_meshes(both(400, "fsnative"), Shelves(run=RUN, roots=[tmp_path]))
    as_it_is = read_mesh(files[LEFT]).coordinates
    assert np.array_equal(drawn.meshes[LEFT].coordinates, as_it_is) != inflates
    assert ("inflated for the picture" in drawn.words) == inflates
    assert files[RIGHT].name in drawn.words


# --- where vertices are


def with_voxels(n_vertices, space):
    """Both hemispheres, and a voxel."""
    voxel = Structure(name="THALAMUS_LEFT", places=np.array([[1, 1, 1]]))
    grid = Grid(shape=(3, 3, 3), affine=np.eye(4))
    cortex = both(n_vertices, space)
    return Grayordinates(structures=(*cortex.structures, voxel), volume=grid, space=space)


@pytest.fixture
def shelves(tmp_path):
    return Shelves(run=RUN, roots=[tmp_path / "fmriprep"], homes=[tmp_path / "flow"])


def write_own(tmp_path):
    name = "sub-01_hemi-*_space-fsLR_den-32k_midthickness.surf.gii"
    return write_pair(tmp_path / "fmriprep" / "sub-01" / "anat", name, 40)


def write_published(tmp_path, kind="midthickness"):
    folder = tmp_path / "flow" / "tpl-fsLR"
    return write_pair(folder, f"tpl-fsLR_den-0k_hemi-*_{kind}.surf.gii", 40)


def test_vertices_are_where_the_subject_has_them(tmp_path, shelves):
    own, _ = write_own(tmp_path), write_published(tmp_path)
    assert find_places(both(40, "fsLR"), shelves) == Whereabouts(files=tuple(own.items()))


def test_beside_voxels_they_are_where_the_template_has_them(tmp_path, shelves):
    """Voxels lie where the template does, and the subject's own meshes in the subject's head."""
    _, published = write_own(tmp_path), write_published(tmp_path)
    found = find_places(with_voxels(40, "fsLR"), shelves)
    assert found == Whereabouts(files=tuple(published.items()))
    of_subject = find_places(with_voxels(40, "fsnative"), shelves)
    assert of_subject.files == ()  # no mesh of its own space


def test_voxels_apart_from_the_only_meshes_are_left_out(tmp_path, shelves):
    own = write_own(tmp_path)
    found = find_places(with_voxels(40, "fsLR"), shelves)
    assert (dict(found.files), found.with_voxels) == (own, False)
    assert "Those of voxels, which lie in the space of a template, are n/a" in found.words
    mm = places_on(
        with_voxels(40, "fsLR"),
        {structure: read_mesh(path) for structure, path in own.items()},
        with_voxels=False,
    )
    np.testing.assert_array_equal(mm[40:80], read_mesh(own[RIGHT]).coordinates)
    assert np.isnan(mm[80:]).all()


def test_no_vertex_is_where_an_inflated_mesh_or_a_sphere_has_it(tmp_path, shelves):
    for kind in ("inflated", "sphere"):
        write_published(tmp_path, kind)
    found = find_places(both(40, "fsLR"), shelves)
    assert not found.files
    assert found.missing == (
        "There is no mesh (midthickness or white or pial) of fsLR with 40 vertices."
    )


def test_voxels_alone_need_no_mesh(shelves):
    alone = with_voxels(40, "fsLR").structures[-1:]
    lattice = Grayordinates(structures=alone, volume=Grid(shape=(3, 3, 3), affine=np.eye(4)))
    assert find_places(lattice, shelves) == Whereabouts()
