"""Seeds on surfaces: vertices, or places near them, and discs along the mesh."""

from pathlib import Path

import numpy as np
import pytest

from bidsmask.analysis.kinds import kind_of, place
from bidsmask.columns.surface_seeds import Discs
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.meshes import Shelves
from bidsmask.dataset.seeds import SeedSet, check_seed_space, read_seeds, refuse_vertices
from bidsmask.dataset.surface_seeds import seeds_on_surfaces
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.grayordinates import LEFT, RIGHT, Grayordinates, whole_meshes

SIZE = 5
N = SIZE * SIZE
"""Vertices of a hemisphere: a flat square of 5 by 5, 2 mm apart; the right one is 100 mm away."""


def lattice(space: str = "fsaverage") -> Grayordinates:
    return whole_meshes({LEFT: N, RIGHT: N}, space)


def write_meshes(folder: Path, prefix: str, *, away: float = 0.0) -> None:
    import nibabel as nib

    rows, columns = np.divmod(np.arange(N), SIZE)
    corners = np.array([n for n in range(N - SIZE) if n % SIZE < SIZE - 1])
    faces = np.concatenate(
        [
            np.stack([corners, corners + 1, corners + SIZE], axis=1),
            np.stack([corners + 1, corners + SIZE + 1, corners + SIZE], axis=1),
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    for hemi, side in (("L", -1), ("R", 1)):
        points = np.stack([side * 50 + 0 * rows, 2 * rows + away, 2 * columns], axis=1)
        arrays = [
            nib.gifti.GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET"),
            nib.gifti.GiftiDataArray(faces.astype(np.int32), "NIFTI_INTENT_TRIANGLE"),
        ]
        name = f"{prefix}_midthickness.surf.gii".replace("HEMI", hemi)
        nib.gifti.GiftiImage(darrays=arrays).to_filename(folder / name)


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    """Meshes of a template, and of a subject that lie elsewhere."""
    write_meshes(tmp_path / "tpl-fsaverage", "tpl-fsaverage_hemi-HEMI_den-0k")
    write_meshes(tmp_path / "sub-1" / "anat", "sub-1_hemi-HEMI_space-fsaverage_den-0k", away=5.0)
    write_meshes(tmp_path / "sub-1" / "anat", "sub-1_hemi-HEMI", away=5.0)
    return Shelves(run=Entities({"sub": "1"}), roots=[tmp_path], homes=[tmp_path])


def seeds_of(tmp_path: Path, text: str, name: str = "space-fsaverage5_my_seeds.tsv") -> SeedSet:
    file = tmp_path / name
    file.write_text(text.replace(" ", "\t"))
    return read_seeds(file, default_radius_mm=0)


def discs_of(seeds: SeedSet, shelves: Shelves, space: str = "fsaverage") -> list[list[int]]:
    found = seeds_on_surfaces(seeds, lattice(space), shelves)
    assert kind_of(found).columns is Discs
    columns = place(found, lattice(space), np.ones(2 * N, bool))
    return [each.tolist() for each in columns.members]


def test_a_vertex_without_a_radius_needs_no_mesh(tmp_path: Path) -> None:
    seeds = seeds_of(tmp_path, "name hemi vertex\na L 3\nb rh 0\n")
    assert discs_of(seeds, Shelves()) == [[3], [N]]
    assert seeds_on_surfaces(seeds, lattice(), Shelves()).sources == seeds.sources


def test_a_radius_is_measured_along_the_mesh_of_the_subject(
    tmp_path: Path, shelves: Shelves
) -> None:
    seeds = seeds_of(tmp_path, "name hemi vertex radius\na L 12 2\nb R 0 0\n")
    assert discs_of(seeds, shelves) == [[7, 11, 12, 13, 17], [N]]
    found = seeds_on_surfaces(seeds, lattice(), shelves)
    assert [Path(source).name for source in found.sources[1:]] == [
        f"sub-1_hemi-{hemi}_space-fsaverage_den-0k_midthickness.surf.gii" for hemi in "LR"
    ]
    assert len(found.sha256) == 3


def test_a_place_of_a_template_is_looked_up_on_the_mesh_of_the_template(
    tmp_path: Path, shelves: Shelves
) -> None:
    seeds = seeds_of(tmp_path, "name x y z\na -50 3.9 0.3\nb 50 0 2.2\n")
    assert discs_of(seeds, shelves) == [[2 * SIZE], [N + 1]]
    own = seeds_of(tmp_path, "name x y z\na -50 8.9 0.3\n", "space-fsnative_my_seeds.tsv")
    assert discs_of(own, shelves, "fsnative") == [[2 * SIZE]]


def test_a_hemisphere_keeps_a_place_on_its_side(tmp_path: Path, shelves: Shelves) -> None:
    seeds = seeds_of(tmp_path, "name hemi x y z\na R 48 0 0\n")
    assert discs_of(seeds, shelves) == [[N]]


def test_a_place_that_is_none_of_the_cortex_costs_no_other(
    tmp_path: Path, shelves: Shelves
) -> None:
    seeds = seeds_of(tmp_path, "name hemi x y z\nfar R -48 0 0\nnear R 48 0 0\nmid n/a 0 0 0\n")
    assert discs_of(seeds, shelves) == [[], [N], []]
    with pytest.raises(SpaceError, match="no disc lies on the"):
        discs_of(seeds_of(tmp_path, "name x y z\nmid 0 0 0\n"), shelves)


def test_a_vertex_goes_before_a_place_on_surfaces_only(tmp_path: Path, shelves: Shelves) -> None:
    seeds = seeds_of(tmp_path, "name hemi vertex x y z\na L 3 -50 0 0\nb n/a n/a -50 0 0\n")
    assert discs_of(seeds, shelves) == [[3], [0]]
    refuse_vertices(seeds)
    assert seeds.coordinates_mm == ((-50.0, 0.0, 0.0), (-50.0, 0.0, 0.0))
    with pytest.raises(SpaceError, match=r"vertices of surfaces, and the run is a volume: a\."):
        refuse_vertices(seeds_of(tmp_path, "name hemi vertex\na L 3\n"))


def test_all_densities_of_fsaverage_are_one_space_and_others_are_not(tmp_path: Path) -> None:
    seeds = seeds_of(tmp_path, "name hemi vertex\na L 3\n")
    for space in ("fsaverage", "fsaverage5", "fsaverage6"):
        check_seed_space(seeds, space)
    with pytest.raises(SpaceError, match="in the space fsaverage5, but the run is in fsLR"):
        check_seed_space(seeds, "fsLR")
    other = seeds_of(tmp_path, "name hemi vertex\na L 3\n", "space-fsLR_den-32k_my_seeds.tsv")
    with pytest.raises(SpaceError, match=r"meshes of 32492 vertices, and .* of 25\. Give"):
        seeds_on_surfaces(other, lattice("fsLR"), Shelves())


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("name vertex\na 3\n", "no column 'x'"),
        ("name hemi vertex\na B 3\n", r"Row 1 \(a\): hemi is 'B'; L or R"),
        ("name hemi vertex\na n/a 3\n", r"Row 1 \(a\) has a vertex, but no hemi"),
        ("name hemi vertex\na L -1\n", r"vertex is '-1'; a whole number"),
        ("name hemi vertex\na L n/a\n", r"Row 1 \(a\) has neither a vertex nor x, y and z"),
        ("name hemi vertex x y z\na L n/a 1 2 n/a\n", "z is 'n/a'; a finite number"),
    ],
)
def test_what_is_missing_in_a_table_is_named(tmp_path: Path, text: str, letter: str) -> None:
    with pytest.raises(AtlasError, match=letter):
        seeds_of(tmp_path, text)


def test_a_vertex_or_a_mesh_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"there is no vertex 25\."):
        discs_of(seeds_of(tmp_path, "name hemi vertex\na L 25\n"), Shelves())
    with pytest.raises(ImageError, match=r"no mesh \(midthickness or white or pial\)"):
        discs_of(seeds_of(tmp_path, "name hemi vertex radius\na L 2 3\n"), Shelves())
