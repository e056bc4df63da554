"""Atlases on surfaces: by path and by name, on the meshes of the run, with every region named."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsmask.analysis.kinds import place
from bidsmask.dataset import templates
from bidsmask.dataset.atlas_files import DENSITIES, in_pairs, space_in
from bidsmask.dataset.atlases import Atlas, check_space, find_atlas
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.individuals import OwnFiles, find_own
from bidsmask.errors import AtlasError, SpaceError
from bidsmask.images.grayordinates import LEFT, RIGHT, Grayordinates, whole_meshes
from bidsmask.images.grid import Grid

REAL = Path(__file__).parents[2].parent / "shared" / "data"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data in {REAL}")

N = 42
"""Vertices of a hemisphere of the small meshes here."""

SIDES = {"L": "CortexLeft", "R": "CortexRight"}

Make = Callable[..., Path]


def run_on(n_vertices: int = N, space: str | None = None) -> Grayordinates:
    return whole_meshes({LEFT: n_vertices, RIGHT: n_vertices}, space)


def write_gifti(
    file: Path,
    maps: Sequence[Sequence[float]],
    names: Mapping[int, str] | None = None,
    side: str | None = None,
    titles: Sequence[str] = (),
) -> Path:
    """Write a GIFTI file of labels, or of maps where there are no names of keys."""
    library = nib.gifti
    is_labels = names is not None
    image = library.GiftiImage(
        darrays=[
            library.GiftiDataArray(
                np.asarray(values, np.int32 if is_labels else np.float32),
                intent="NIFTI_INTENT_LABEL" if is_labels else "NIFTI_INTENT_SHAPE",
                meta={"Name": titles[number]} if titles else {},
            )
            for number, values in enumerate(maps)
        ]
    )
    for key, name in (names or {}).items():
        label = library.GiftiLabel(key=key, red=0.1, green=0.2, blue=0.3, alpha=1)
        label.label = name
        image.labeltable.labels.append(label)
    if side:
        image.meta["AnatomicalStructurePrimary"] = SIDES[side]
    file.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(file)
    return file


def write_pair(
    left: Path,
    *,
    keys: Sequence[int] = (1, 2),
    names: Mapping[int, str] | None = None,
    right: Sequence[int] | None = None,
    right_names: Mapping[int, str] | None = None,
    n_vertices: int = N,
) -> Path:
    """Write labels of both hemispheres; each key has some of the first vertices."""
    names = {0: "???"} | (dict.fromkeys((), "") if names is None else dict(names))
    for hemisphere, own, table in (
        ("L", keys, names),
        ("R", keys if right is None else right, names if right_names is None else right_names),
    ):
        values = np.zeros(n_vertices, np.int32)
        values[: 3 * len(own)] = np.repeat(own, 3)
        file = left.with_name(left.name.replace("hemi-L", f"hemi-{hemisphere}"))
        write_gifti(file, [values], table, hemisphere)
    return left


def write_cifti(
    file: Path,
    rows: Sequence[Sequence[float]],
    names: Mapping[int, str] | None = None,
    n_vertices: int = N,
    map_names: Sequence[str] = ("map",),
) -> Path:
    library = nib.cifti2
    models = library.BrainModelAxis.from_surface(
        np.arange(n_vertices), n_vertices, "CIFTI_STRUCTURE_CORTEX_LEFT"
    ) + library.BrainModelAxis.from_surface(
        np.arange(n_vertices), n_vertices, "CIFTI_STRUCTURE_CORTEX_RIGHT"
    )
    if names is None:
        first = library.ScalarAxis(list(map_names))
    else:
        table = {key: (name, (0.1, 0.2, 0.3, 1.0)) for key, name in names.items()}
        first = library.LabelAxis(list(map_names), [table] * len(rows))
    header = library.Cifti2Header.from_axes((first, models))
    file.parent.mkdir(parents=True, exist_ok=True)
    library.Cifti2Image(np.asarray(rows, np.float32), header).to_filename(file)
    return file


def dlabel(
    file: Path, keys: Sequence[int] = (1, 2, 3, 4), n_vertices: int = N, **names: str
) -> Path:
    """Write a dlabel file, each key with three vertices in turn, from the left on."""
    values = np.zeros(2 * n_vertices)
    values[: 3 * len(keys)] = np.repeat(keys, 3)
    table = {0: "???"} | {int(key.removeprefix("k")): name for key, name in names.items()}
    return write_cifti(file, [values], table, n_vertices)


def by_path(path: Path, lattice: object = None, space: str | None = "fsLR") -> Atlas:
    return find_atlas(path, space=space, homes=(), download=False, lattice=lattice)


def by_name(name: str, *homes: Path, space: str, lattice: object) -> Atlas:
    return find_atlas(name, space=space, homes=homes, download=False, lattice=lattice)


ABCD = {"k1": "A", "k2": "B", "k3": "C", "k4": "D"}


# --- by path


def test_a_dlabel_file_names_its_regions_itself(tmp_path: Path) -> None:
    file = dlabel(tmp_path / "tpl-fsLR_atlas-Tiny_den-91k_dseg.dlabel.nii", **ABCD)
    atlas = by_path(file)
    assert (atlas.name, atlas.space, atlas.on_surfaces) == ("Tiny", "fsLR", True)
    assert atlas.files == (file,)
    assert atlas.lut.names == ("A", "B", "C", "D")
    assert atlas.meshes == ((LEFT, N), (RIGHT, N))
    assert atlas.warnings == ()


@pytest.mark.parametrize("side", ["L", "R"])
def test_either_file_of_a_pair_finds_its_sister(tmp_path: Path, side: str) -> None:
    names = {1: "x", 2: "y"}
    left = write_pair(tmp_path / "tpl-fsaverage_hemi-L_atlas-T_dseg.label.gii", names=names)
    atlas = by_path(left.with_name(left.name.replace("hemi-L", f"hemi-{side}")))
    assert [file.name[14:20] for file in atlas.files] == ["hemi-L", "hemi-R"]
    assert atlas.lut.names == ("L_x", "L_y", "R_x", "R_y")
    assert atlas.entities == (("atlas", "T"),)


@pytest.mark.parametrize(
    ("name", "seg"),
    [
        ("parcels.32k.L.label.gii", "parcels"),
        ("L.parcels.32k_fs_LR.label.gii", "parcels"),
        ("my_parcels_lh.label.gii", "myparcels"),
        ("sub-01_hemi-L_space-fsnative_desc-mine_dseg.label.gii", "mine"),
    ],
)
def test_outputs_are_called_after_both_hemispheres(tmp_path: Path, name: str, seg: str) -> None:
    from bidsmask.images.gifti import other_hemisphere

    file = write_gifti(tmp_path / name, [np.arange(N) % 3], {0: "???", 1: "a", 2: "b"})
    write_gifti(other_hemisphere(file), [np.arange(N) % 3], {0: "???", 1: "a", 2: "b"})
    assert by_path(file).entities == (("seg", seg),)


def test_a_pair_of_freesurfers_annotations(tmp_path: Path) -> None:
    colors = np.array([[25, 5, 25, 0, 0], [10, 20, 30, 0, 0], [40, 50, 60, 0, 0]])
    folder = tmp_path / "fsaverage5" / "label"
    folder.mkdir(parents=True)
    for side in "lr":
        nib.freesurfer.write_annot(
            folder / f"{side}h.aparc.a2009s.annot",
            np.arange(N) % 3,
            colors,
            ["unknown", "insula", "cuneus"],
        )
    atlas = by_path(folder / "rh.aparc.a2009s.annot")
    assert atlas.lut.names == ("L_insula", "L_cuneus", "R_insula", "R_cuneus")
    assert (atlas.name, atlas.space) == ("seg-aparca2009s", "fsaverage")


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("alone_hemi-L.label.gii", r"there is no alone_hemi-R\.label\.gii beside it"),
        ("nobody.label.gii", "does not say which hemisphere"),
        ("what.gii", r"expected an image .* Let the name of a GIFTI file say"),
    ],
)
def test_half_a_pair_gets_a_letter(tmp_path: Path, name: str, letter: str) -> None:
    write_gifti(tmp_path / name, [np.arange(N) % 3], {0: "???", 1: "a", 2: "b"})
    with pytest.raises(AtlasError, match=letter):
        by_path(tmp_path / name)


def test_both_files_of_a_pair_are_one_atlas(tmp_path: Path) -> None:
    left = write_pair(tmp_path / "x_hemi-L.label.gii", names={1: "a", 2: "b"})
    right = left.with_name("x_hemi-R.label.gii")
    assert find_own([str(right), "Name", str(left)], (".label.gii",)) == [str(left), "Name"]


def test_each_participant_gets_the_pair_of_its_own_brain(tmp_path: Path) -> None:
    names = {1: "a", 2: "b"}
    for subject in ("1", "2"):
        write_pair(
            tmp_path / f"sub-{subject}" / "anat" / f"sub-{subject}_hemi-L_dseg.label.gii",
            names=names,
        )
    (own,) = find_own([str(tmp_path / "sub-*" / "anat" / "*_dseg.label.gii")], (".label.gii",))
    assert isinstance(own, OwnFiles)
    run = Entities({"sub": "2", "task": "rest", "space": "fsnative"})
    file = own.for_run(run)
    assert file.name == "sub-2_hemi-L_dseg.label.gii"
    atlas = by_path(file)
    assert (atlas.space, atlas.name, atlas.warnings) == ("fsnative", "seg-sub2dseg", ())
    check_space(atlas, "fsnative", "run", (), run_on())
    with pytest.raises(SpaceError, match=r"run is in fsLR\. Run with --space fsnative"):
        own.for_run(Entities({"sub": "2", "space": "fsLR"}))


def test_a_freesurfer_folder_says_whose_brain_it_is(tmp_path: Path) -> None:
    file = tmp_path / "freesurfer" / "sub-1" / "label" / "lh.aparc.annot"
    assert space_in(file) == "fsnative"
    (own,) = find_own([str(file)], (".annot",))
    assert isinstance(own, OwnFiles)
    assert own.for_run(Entities({"sub": "1", "space": "fsnative"})) == file


# --- regions, rows and keys


def test_a_table_beside_the_files_is_joined_by_what_the_files_call_their_regions(
    tmp_path: Path,
) -> None:
    file = dlabel(tmp_path / "tpl-fsLR_atlas-Tiny_den-91k_dseg.dlabel.nii", **ABCD)
    (tmp_path / "atlas-Tiny_dseg.tsv").write_text(
        "index\tlabel\tcifti_label\tnetwork\n"
        "11\tdelta\tD\tN2\n12\tgamma\tC\tN2\n13\tbeta\tB\tN1\n14\talpha\tA\tN1\n15\tsub\tE\tN3\n"
    )
    atlas = by_path(file)
    assert atlas.lut.names == ("delta", "gamma", "beta", "alpha", "sub")
    assert dict(atlas.lut.columns)["network"] == ("N2", "N2", "N1", "N1", "N3")
    assert "rows whose region is in no file: sub." in atlas.warnings[0]
    columns = place(atlas, run_on(), np.ones((2 * N, 1, 1), bool)[:, 0, 0])
    assert columns.extent.n_on_grid.tolist() == [3, 3, 3, 3, 0]
    assert columns.members[0].tolist() == [9, 10, 11]


def test_a_table_is_joined_by_keys_where_no_name_is_the_same(tmp_path: Path) -> None:
    file = dlabel(tmp_path / "tpl-fsLR_atlas-Tiny_dseg.dlabel.nii", **ABCD)
    table = tmp_path / "tpl-fsLR_atlas-Tiny_dseg.tsv"
    table.write_text("index\tname\n0\tBackground\n4\tw\n3\tx\n2\ty\n1\tz\n")
    assert by_path(file).lut.names == ("w", "x", "y", "z")
    table.write_text("index\tname\n14\tw\n13\tx\n12\ty\n11\tz\n")
    with pytest.raises(AtlasError, match=r"None of its rows .* names a region of the files"):
        by_path(file)


def test_keys_that_contradict_names_are_not_believed(tmp_path: Path) -> None:
    """Each name would go to the neighbour of its region."""
    file = dlabel(tmp_path / "tpl-fsLR_atlas-Tiny_dseg.dlabel.nii", **ABCD)
    table = tmp_path / "tpl-fsLR_atlas-Tiny_dseg.tsv"
    table.write_text("index\tname\n1\tB\n2\tC\n3\tD\n4\tE\n")
    atlas = by_path(file)
    assert atlas.lut.names == ("B", "C", "D", "E", "A")
    assert atlas.lut.ids == (2, 3, 4, 5, 1)
    said = " ".join(atlas.warnings)
    assert "rows whose region is in no file: E." in said
    assert "no row for these regions, which keep the names of the files: A (key 1)." in said


def test_a_table_with_hemispheres_is_joined_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "tpl-fsaverage_hemi-L_den-10k_atlas-T_dseg.label.gii"
    write_pair(file, names={0: "unknown", 1: "x", 2: "y"})
    (tmp_path / "tpl-fsaverage_atlas-T_dseg.tsv").write_text(
        "index\themi\tname\n7\tL\tunknown\n8\tL\ty\n9\tL\tx\n8\tR\ty\n9\tR\tx\n"
    )
    atlas = by_path(file)
    assert atlas.lut.names == ("L_y", "L_x", "R_y", "R_x")
    columns = place(atlas, run_on(), np.ones(2 * N, bool))
    assert [each.tolist() for each in columns.members][2] == [N + 3, N + 4, N + 5]


def test_every_defect_of_a_table_of_labels_is_named(tmp_path: Path) -> None:
    file = dlabel(
        tmp_path / "tpl-fsLR_atlas-Bad_dseg.dlabel.nii", (1, 2, 3), k1="A", k2="A", k5="E"
    )
    atlas = by_path(file)
    assert atlas.lut.names == ("A (1)", "A (2)", "label-3", "E")
    said = " ".join(atlas.warnings)
    assert "Names that several keys share have got the key" in said
    assert "no name for these keys, whose regions are called after them: 3" in said
    assert "Regions without a vertex in tpl-fsLR_atlas-Bad_dseg.dlabel.nii" in said
    assert "n/a: E." in said


def test_what_is_called_unknown_is_no_region_and_a_warning_says_so(tmp_path: Path) -> None:
    keys = (1, 2)
    file = tmp_path / "tpl-fsaverage_hemi-L_atlas-T_dseg.label.gii"
    write_pair(file, keys=keys, names={1: "Background+FreeSurfer_Defined_Medial_Wall", 2: "y"})
    atlas = by_path(file)
    assert atlas.lut.names == ("L_y", "R_y")
    assert "not taken for regions, as they are called so: L_Background+" in atlas.warnings[0]


# --- maps


def test_maps_are_called_as_their_file_calls_them(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random((2, 2 * N))
    file = write_cifti(
        tmp_path / "tpl-fsLR_my.dscalar.nii", weights, map_names=("motor", "visual")
    )
    atlas = by_path(file)
    assert (atlas.kind, atlas.lut.names) == ("probseg", ("motor", "visual"))
    columns = place(atlas, run_on(), np.ones(2 * N, bool))
    assert columns.n_columns == 2


def test_a_pair_of_maps_has_their_names_in_a_table(tmp_path: Path) -> None:
    for side in "LR":
        write_gifti(
            tmp_path / f"tpl-fsaverage_hemi-{side}_my.shape.gii", np.eye(3, N) + 1, side=side
        )
    (tmp_path / "tpl-fsaverage_my.tsv").write_text("name\none\ntwo\nthree\n")
    atlas = by_path(tmp_path / "tpl-fsaverage_hemi-L_my.shape.gii")
    assert (atlas.kind, atlas.lut.names) == ("probseg", ("one", "two", "three"))


@pytest.mark.parametrize("kind", ["shape", "func"])
def test_maps_of_a_pair_are_called_as_its_arrays_are(tmp_path: Path, kind: str) -> None:
    for side in "LR":
        file = tmp_path / f"tpl-fsaverage_hemi-{side}_my.{kind}.gii"
        write_gifti(file, np.eye(2, N) + 1, side=side, titles=("motor", "visual"))
    atlas = by_path(tmp_path / f"tpl-fsaverage_hemi-L_my.{kind}.gii")
    assert (atlas.lut.names, atlas.warnings) == (("motor", "visual"), ())


@pytest.mark.parametrize("of_right", [("motor", ""), ("left motor", "visual")])
def test_names_that_a_pair_does_not_share_are_not_taken(
    tmp_path: Path, of_right: tuple[str, ...]
) -> None:
    for side, titles in (("L", ("motor", "visual")), ("R", of_right)):
        file = tmp_path / f"tpl-fsaverage_hemi-{side}_my.shape.gii"
        write_gifti(file, np.eye(2, N) + 1, side=side, titles=titles)
    atlas = by_path(tmp_path / "tpl-fsaverage_hemi-L_my.shape.gii")
    assert atlas.lut.names == ("map-1", "map-2")


def test_maps_in_another_order_on_the_other_side_are_refused(tmp_path: Path) -> None:
    for side, titles in (("L", ("motor", "visual")), ("R", ("visual", "motor"))):
        file = tmp_path / f"tpl-fsaverage_hemi-{side}_my.shape.gii"
        write_gifti(file, np.eye(2, N) + 1, side=side, titles=titles)
    with pytest.raises(AtlasError, match=r"the same maps in different orders \(motor, visual"):
        by_path(tmp_path / "tpl-fsaverage_hemi-L_my.shape.gii")


# --- spaces and meshes


def test_an_atlas_of_another_space_mesh_or_of_a_volume_is_refused(tmp_path: Path) -> None:
    file = dlabel(tmp_path / "tpl-fsLR_atlas-T_dseg.dlabel.nii", **ABCD)
    atlas = by_path(file)
    check_space(atlas, "fsLR", "run", (), run_on())
    with pytest.raises(SpaceError, match=r"in the space fsLR, but run is in fsaverage5"):
        check_space(atlas, "fsaverage5", "run", (), run_on())
    with pytest.raises(SpaceError, match=r"a mesh of 42 vertices in CORTEX_LEFT, .* of 162\."):
        check_space(atlas, "fsLR", "run", (), run_on(162))
    grid = Grid(shape=(2, 2, 2), affine=np.eye(4))
    with pytest.raises(SpaceError, match="lies on surfaces, but run on the voxels of a volume"):
        check_space(atlas, "MNI152NLin6Asym", "run", (), grid)


@pytest.mark.parametrize("space", ["fsaverage", "fsaverage5"])
def test_labels_of_a_finer_fsaverage_are_cut_to_the_mesh_of_the_run(
    tmp_path: Path, space: str
) -> None:
    file = tmp_path / f"space-{space}_hemi-L_atlas-T_dseg.label.gii"
    write_pair(file, keys=(1, 2, 3, 4, 5), names=dict(zip(range(1, 6), "abcde", strict=True)))
    atlas = by_path(file, run_on(12, "fsaverage4"), "fsaverage4")
    assert atlas.meshes == ((LEFT, 12), (RIGHT, 12))
    check_space(atlas, "fsaverage4", "run", (), run_on(12))
    columns = place(atlas, run_on(12, "fsaverage4"), np.ones(24, bool))
    assert columns.extent.n_on_grid.tolist() == [3, 3, 3, 3, 0] * 2
    assert "Regions without a vertex" in atlas.warnings[0]
    assert by_path(file, run_on(12), "fsLR").meshes == ((LEFT, N), (RIGHT, N))


# --- by name


def test_one_name_gives_each_run_the_files_of_its_space(tmp_path: Path) -> None:
    name = "atlas-T_dseg"
    volume = tmp_path / "tpl-A" / f"tpl-A_{name}.nii.gz"
    volume.parent.mkdir()
    nib.save(nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4)), volume)
    both = tmp_path / "tpl-fsLR" / "tpl-fsLR_atlas-T_den-91k_dseg.dlabel.nii"
    dlabel(both, n_vertices=32492, **ABCD)
    for order in ("den-32k_hemi-L", "hemi-L_den-10k"):
        template = "fsLR" if "32k" in order else "fsaverage"
        file = tmp_path / f"tpl-{template}" / f"tpl-{template}_{order}_{name}.label.gii"
        write_pair(file, names={1: "x", 2: "y"}, n_vertices=32492 if "32k" in order else 10242)
    grid = Grid(shape=(2, 2, 2), affine=np.eye(4))
    fslr, fsaverage = run_on(32492), run_on(10242)
    assert by_name("T", tmp_path, space="A", lattice=grid).files == (volume,)
    assert "91k" in by_name("T", tmp_path, space="fsLR", lattice=fslr).files[0].name
    for space in ("fsaverage5", "fsaverage"):
        atlas = by_name("T", tmp_path, space=space, lattice=fsaverage)
        assert [file.name for file in atlas.files] == [
            f"tpl-fsaverage_hemi-{side}_den-10k_atlas-T_dseg.label.gii" for side in "LR"
        ]
    with pytest.raises(SpaceError, match=r"no T in onavg; there is one in A, fsLR, fsaverage\."):
        by_name("T", tmp_path, space="onavg", lattice=fsaverage)
    with pytest.raises(
        SpaceError, match=r"on meshes of 40962 vertices.*; there is one on meshes of 10242\."
    ):
        by_name("T", tmp_path, space="fsaverage6", lattice=run_on(40962))


def test_templateflow_has_no_parcellation_in_fslr_and_the_letter_says_what_to_do() -> None:
    with pytest.raises(SpaceError, match=r"give the path of a \.dlabel\.nii file, or name a"):
        by_name("Schaefer2018_seg-7n_scale-400", space="fsLR", lattice=run_on(32492))


@pytest.mark.parametrize(
    ("name", "n_vertices", "file"),
    [
        ("Schaefer2018_seg-7n_scale-400", 10242, "den-164k_atlas-Schaefer2018_seg-7n_scale-400"),
        ("Schaefer2018_seg-7n_scale-400", 163842, "den-164k_atlas-Schaefer2018_seg-7n_scale-400"),
        ("Desikan2006_seg-aparc", 10242, "den-10k_atlas-Desikan2006_seg-aparc"),
        ("Desikan2006_seg-aparc", 40962, "den-41k_atlas-Desikan2006_seg-aparc"),
        ("Destrieux2009", 10242, "den-10k_atlas-Destrieux2009"),
        ("Yeo2011_seg-7n", 40962, "den-41k_atlas-Yeo2011_seg-7n"),
        ("Desikan2006_seg-aparc_desc-curated", 163842, "seg-aparc_desc-curated"),
    ],
)
def test_templateflow_is_asked_for_both_hemispheres_on_the_mesh_of_the_run(
    name: str, n_vertices: int, file: str
) -> None:
    with pytest.raises(AtlasError) as letter:
        by_name(name, space="fsaverage", lattice=run_on(n_vertices))
    assert f"tpl-fsaverage_hemi-L_{file}" in str(letter.value) or file in str(letter.value)
    assert "hemi-R" in str(letter.value)
    assert "get('fsaverage', hemi='R', density=" in str(letter.value)


def test_a_name_of_two_files_has_to_say_which() -> None:
    with pytest.raises(AtlasError, match=r"several .*_desc-curated or .*_desc-original"):
        by_name("Desikan2006_seg-aparc", space="fsaverage", lattice=run_on(163842))


@pytest.mark.parametrize(("n_vertices", "n_left_out"), [(163842, 0), (40962, 0), (10242, 2)])
def test_schaefers_parcels_are_cut_to_a_coarser_fsaverage(
    tmp_path: Path, n_vertices: int, n_left_out: int
) -> None:
    """The files count from 1 on both sides, the table of the package by colours."""
    folder = tmp_path / "tpl-fsaverage"
    packed = published_names("Schaefer2018_seg-7n_scale-100")
    for side in "LR":
        own = [name for name in packed if f"_{side}H_" in name]
        keys = np.arange(163842) % 51
        keys[:10242][keys[:10242] == 50] = 0  # one parcel of each side lies beyond
        file = folder / (
            f"tpl-fsaverage_hemi-{side}_den-164k_atlas-Schaefer2018_seg-7n_scale-100_dseg.label.gii"
        )
        table = {0: "Background+FreeSurfer_Defined_Medial_Wall"} | dict(enumerate(own, start=1))
        write_gifti(file, [keys], table, side)
    lattice = run_on(n_vertices, "fsaverage")
    atlas = by_name("Schaefer2018_seg-7n_scale-100", tmp_path, space="fsaverage", lattice=lattice)
    assert atlas.lut.names == packed
    assert atlas.is_cut == (n_vertices < 163842)
    check_space(atlas, "fsaverage5", "run", (), lattice)
    counts = place(atlas, lattice, np.ones(2 * n_vertices, bool)).extent.n_on_grid
    assert counts[0] == np.count_nonzero(np.arange(n_vertices) % 51 == 1)
    assert np.count_nonzero(counts == 0) == n_left_out


def published_names(name: str) -> tuple[str, ...]:
    """Names of the regions in the package's table of fsaverage, without the background."""
    table = templates.packaged_table(f"tpl-fsaverage/tpl-fsaverage_atlas-{name}_dseg.tsv")
    rows = [line.split("\t")[2] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    return tuple(row for row in rows if not row.startswith("Background"))


def test_a_flat_folder_of_atlases_will_do(tmp_path: Path) -> None:
    """XCP-D's AtlasPack is one, and joins its tables by names of its CIFTI files."""
    file = dlabel(tmp_path / "tpl-fsLR_atlas-4S4Parcels_den-91k_dseg.dlabel.nii", **ABCD)
    (tmp_path / "atlas-4S4Parcels_dseg.tsv").write_text(
        "index\tlabel\tnetwork_label\tlabel_7network\n"
        "1\tLH_B\tVis\tB\n2\tRH_A\tVis\tA\n3\tC\tn/a\tn/a\n4\tD\tn/a\tn/a\n"
    )
    atlas = by_name("4S4Parcels", tmp_path, space="fsLR", lattice=run_on(N, "fsLR"))
    assert atlas.files == (file,)
    assert atlas.lut.names == ("LH_B", "RH_A", "C", "D")
    assert atlas.lut.ids == (2, 1, 3, 4)
    assert not atlas.warnings


def test_names_come_out_of_the_templateflow_package(tmp_path: Path) -> None:
    """FreeSurfer writes keys 0, 1, 2 ...; the table of the package counts by colours."""
    name = "tpl-fsaverage_hemi-L_den-10k_atlas-Yeo2011_seg-7n_dseg.label.gii"
    file = tmp_path / "tpl-fsaverage" / name
    names = {0: "FreeSurfer_Defined_Medial_Wall"} | {n: f"7Networks_{n}" for n in range(1, 8)}
    write_pair(file, keys=range(1, 8), names=names, n_vertices=10242)
    atlas = by_name("Yeo2011_seg-7n", tmp_path, space="fsaverage5", lattice=run_on(10242))
    assert atlas.lut.names == tuple(f"{side}_7Networks_{n}" for side in "LR" for n in range(1, 8))
    assert dict(atlas.lut.columns)["color"][0] == "#781286ff"


def test_what_is_said_of_templateflow_is_true_of_the_installed_package() -> None:
    """No parcellation in fsLR, Schaefer's in fsaverage 164k alone, and densities by their name."""
    parcels = [name for name in templates.published() if "_dseg." in name]
    assert not [name for name in parcels if name.startswith("tpl-fsLR/")]
    on_surfaces = [
        name for name in parcels if name.startswith("tpl-fsaverage/") and name.endswith(".gii")
    ]
    assert {templates.entities_in(name)["den"] for name in on_surfaces} == {
        "3k",
        "10k",
        "41k",
        "164k",
    }
    assert {
        templates.entities_in(name)["den"] for name in on_surfaces if "Schaefer2018" in name
    } == {"164k"}
    meshes = [templates.entities_in(name) for name in templates.published() if ".gii" in name]
    assert {entities["den"] for entities in meshes if "den" in entities} <= set(DENSITIES)
    assert all(len(pair) == 2 for pair in in_pairs(map(Path, on_surfaces)))
    assert 2 * len(in_pairs(map(Path, on_surfaces))) == len(on_surfaces)


# --- real files


def edges_of(faces: np.ndarray) -> np.ndarray:
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [0, 2]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_first_vertices_of_a_real_fsaverage_are_those_of_a_coarser_one(side: str) -> None:
    """Each edge of the coarser mesh has been halved by one new vertex, where it belongs.

    The mesh is fsaverage5 of FreeSurfer, as nilearn ships it. Of fsaverage itself the same was
    found to be true: its first 10242 vertices lie on its sphere exactly where those of fsaverage5
    do (0 mm away), and halving its edges twice gives the edges of fsaverage5.
    """
    nilearn = pytest.importorskip("nilearn")
    folder = Path(nilearn.__file__).parent / "datasets" / "data" / "fsaverage5"
    image = nib.GiftiImage.from_filename(folder / f"sphere_{side}.gii.gz")
    points, edges = image.darrays[0].data, edges_of(image.darrays[1].data)
    for n_old, n_new in ((2562, 10242), (642, 2562), (162, 642)):
        fine = whole_meshes({LEFT: n_new}, "fsaverage")
        assert fine.first_vertices({LEFT: n_old})[0].meshes == {LEFT: n_old}
        assert not (edges < n_old).all(axis=1).any()
        between = edges[(edges[:, 0] < n_old) & (edges[:, 1] >= n_old)]
        between = between[np.argsort(between[:, 1], kind="stable")]
        assert np.array_equal(np.unique(between[:, 1]), np.arange(n_old, n_new))
        parents = between[:, 0].reshape(-1, 2)
        middle = points[parents].sum(axis=1)
        middle *= 100 / np.linalg.norm(middle, axis=1, keepdims=True)
        assert np.linalg.norm(middle - points[n_old:n_new], axis=1).max() < 0.1
        edges = np.unique(np.sort(parents, axis=1), axis=0)


@pytest.mark.parametrize("n_vertices", [10242, 32492, 40962, 163842])
def test_only_divisions_of_a_mesh_are_cut(n_vertices: int) -> None:
    fine = whole_meshes({LEFT: 163842, RIGHT: 32492})
    coarse, kept = fine.first_vertices({LEFT: n_vertices, RIGHT: 10242})
    is_coarser = n_vertices in (10242, 40962)
    assert coarse.meshes == {LEFT: n_vertices if is_coarser else 163842, RIGHT: 32492}
    assert np.array_equal(coarse.positions_in(coarse), np.arange(kept.size))


@needs_real_data
@pytest.mark.parametrize(
    ("file", "n_regions", "first", "said"),
    [
        (
            "hcp/Q1-Q6_RelatedValidation210.CorticalAreas_dil_Final_Final_Areas_Group_Colors"
            ".32k_fs_LR.dlabel.nii",
            360,
            "R_V1_ROI",
            [],
        ),
        ("fs_LR_32/Gordon333_FreesurferSubcortical.32k_fs_LR.dlabel.nii", 352, "L_None_1", []),
        (
            "fs_LR_32/Schaefer2018_7Networks_400.32k.R.label.gii",
            400,
            "L_label-2",
            [
                "key 0 is called 'label-1', but 0 is no region",
                "no name for these keys, whose regions are called after them: 201, 202",
                "does not say which space it is in",
            ],
        ),
    ],
)
def test_real_labels_of_fslr_lie_on_the_grayordinates_of_fmriprep(
    file: str, n_regions: int, first: str, said: list[str]
) -> None:
    from bidsmask.images.surface_series import open_surfaces

    surfaces = REAL / "surfaces"
    lattice = open_surfaces(surfaces / "hcp" / "91282_Greyordinates.dscalar.nii", "fsLR").grid
    atlas = by_path(surfaces / file, lattice)
    check_space(atlas, "fsLR", "run", (), lattice)
    columns = place(atlas, lattice, np.ones(lattice.n_voxels, bool))
    assert (len(atlas.lut.ids), atlas.lut.names[0]) == (n_regions, first)
    assert (columns.extent.n_on_grid > 0).all()
    for text in said:
        assert text in " ".join(atlas.warnings)
    with pytest.raises(SpaceError):
        check_space(atlas, "fsLR", "run", (), run_on(59292, "fsLR"))
