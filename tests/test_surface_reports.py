"""What a subject's report shows of runs on surfaces: hemispheres, or a list; never nothing."""

import json

import pytest
from worlds import surface_dataset as surfaces
from worlds.meshes import ball, write_mesh

from bidsmask.cli.main import main

VERTICES = {"L": surfaces.LEFT, "R": surfaces.RIGHT}


def write_meshes(root):
    """Meshes of the subject in fsLR, which is the space of one run and not of the other."""
    anat = root / "sub-01" / "anat"
    anat.mkdir(exist_ok=True)
    for side, n_vertices in VERTICES.items():
        name = f"sub-01_hemi-{side}_space-fsLR_den-32k_midthickness.surf.gii"
        write_mesh(anat / name, ball(n_vertices), side)


@pytest.fixture(scope="module")
def done(tmp_path_factory, make_dataset):
    """A grayordinate run with meshes, and a pair without; seeds of which maps are asked for."""
    home = tmp_path_factory.mktemp("pictures")
    dataset = make_dataset(home)
    surfaces.add_surfaces(dataset.runs[0])
    write_meshes(dataset.root)
    atlases = [surfaces.write_dlabel(home), surfaces.write_labels(home)]
    what = ["--space", "fsLR", "fsaverage5", "--strategies", "none", "--no-download"]
    arguments = [dataset.root, home / "out", "participant", *what, "--atlases", *atlases]
    return main(list(map(str, arguments))), home / "out"


def figures(done, space):
    folder = done[1] / "sub-01" / "figures"
    (summary,) = folder.glob(f"*_space-{space}*_report.json")
    return {
        figure["key"].partition(".")[0]: (figure, (folder / figure["image"]).read_text())
        for figure in json.loads(summary.read_text())["figures"]
    }


def test_regions_coverage_and_tsnr_are_on_hemispheres_where_there_are_meshes(done):
    exit_code, _ = done
    assert exit_code == 0
    drawn = figures(done, "fsLR")
    for kind in ("surface_regions", "surface_coverage", "surface_tsnr"):
        figure, svg = drawn[kind]
        assert svg.count("<image") >= 4
        assert "midthickness.surf.gii, inflated for the picture" in figure["caption"]
    assert "region_list" not in drawn


def test_what_lies_in_the_volume_is_in_slices(done):
    figure, svg = figures(done, "fsLR")["atlas_outline"]
    assert figure["title"] == "Toy in the volume"
    assert "mm</text>" in svg


def test_without_meshes_regions_are_listed_and_it_is_said_why(done):
    drawn = figures(done, "fsaverage5")
    figure, svg = drawn["region_list"]
    assert "There is no mesh (inflated or" in figure["caption"]
    assert str(done[1].parent) not in figure["caption"]
    for name in surfaces.NAMES.values():
        assert name in svg
    assert not {"surface_regions", "surface_tsnr", "atlas_outline"} & set(drawn)


@pytest.mark.parametrize("space", ["fsLR", "fsaverage5"])
def test_everything_else_is_drawn_as_of_volumes(done, space):
    drawn = figures(done, space)
    assert {"coverage", "carpet", "ledger", "region_signals", "connectivity"} <= set(drawn)


def test_the_page_shows_them_and_says_how_to_read_them(done):
    page = (done[1] / "sub-01.html").read_text()
    assert "Toy on the cortex" in page
    assert "each region has a colour of its own" in page
    assert "There was no mesh to draw on" in page


def test_a_broken_mesh_costs_the_picture_only(tmp_path, make_dataset):
    dataset = make_dataset(tmp_path)
    surfaces.add_surfaces(dataset.runs[0])
    write_meshes(dataset.root)
    for path in (dataset.root / "sub-01" / "anat").glob("*.surf.gii"):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
    what = ["--space", "fsLR", "--strategies", "none", "--no-download"]
    atlas = surfaces.write_dlabel(tmp_path)
    arguments = [dataset.root, tmp_path / "out", "participant", *what, "--atlases", atlas]
    assert main(list(map(str, arguments))) == 0
    figure, _ = figures((0, tmp_path / "out"), "fsLR")["region_list"]
    assert "surf.gii" in figure["caption"]
    assert str(tmp_path) not in figure["caption"]


def test_the_title_of_a_run_tells_the_densities_of_a_space_apart(done):
    assert "task rest, space fsLR, density 91k" in (done[1] / "sub-01.html").read_text()
