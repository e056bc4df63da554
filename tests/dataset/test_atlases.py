"""Atlases: by name and by path, with their tables, offline, and never in the wrong space."""

import dataclasses
import json
import os
import pickle
import socket
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset import templates
from bidsmask.dataset.atlases import Atlas, check_space, find_atlas
from bidsmask.errors import AtlasError, SpaceError
from bidsmask.images.grid import Grid

REAL = Path(__file__).parents[2].parent / "shared" / "data"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data in {REAL}")

SPACE = "MNI152NLin2009cAsym"
TPL = f"tpl-{SPACE}"
SCHAEFER = f"{TPL}_res-02_atlas-Schaefer2018_desc-100Parcels7Networks_dseg.nii.gz"

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a label image, and a table beside it, below the folder of the test."""

    def make_image(
        name: str, labels: Sequence[int] = (1, 2), *, table: str | None = None, mm: float = 2.0
    ) -> Path:
        values = np.zeros((3, 3, 3), dtype=np.int16)
        values.flat[: len(labels)] = labels
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(values, np.diag([mm, mm, mm, 1.0]))
        image.header.set_xyzt_units("mm")
        nib.save(image, file)
        if table is not None:
            rows = "".join(f"{label}\tregion {label}\n" for label in labels)
            (file.parent / table).write_text("index\tname\n" + rows)
        return file

    return make_image


@pytest.fixture
def make_maps(tmp_path: Path) -> Make:
    """Write an image of maps below the folder of the test, and a table beside it."""

    def make_image(name: str, *shape: int, table: str | None = None, mm: float = 2.0) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(0).normal(size=(3, 3, 3, *shape)).astype(np.float32)
        image = nib.Nifti1Image(values, np.diag([mm, mm, mm, 1.0]))
        image.header.set_xyzt_units("mm")
        nib.save(image, file)
        if table is not None:
            file.with_name(file.name.split(".")[0] + ".tsv").write_text(table)
        return file

    return make_image


def by_name(name: str, *homes: Path, space: str | None = SPACE, mm: float | None = None) -> Atlas:
    grid = None if mm is None else Grid(shape=(3, 3, 3), affine=np.diag([mm, mm, mm, 1.0]))
    return find_atlas(name, space=space, homes=homes, download=False, lattice=grid)


def by_path(path: Path | str) -> Atlas:
    return find_atlas(path, space=SPACE, homes=(), download=False)


# --- laws


@given(st.text(alphabet="abcXYZ019-_./+ \n<'\"", max_size=40))
def test_any_text_gives_an_atlas_or_a_letter(text: str) -> None:
    with pytest.raises((AtlasError, SpaceError)):
        by_name(text)


def test_an_atlas_is_a_value(make: Make) -> None:
    file = make("tpl-A_atlas-B_dseg.nii.gz", table="tpl-A_atlas-B_dseg.tsv")
    one, two = by_path(file), by_path(file)
    assert one == two
    assert hash(one) == hash(two)
    assert repr(one) == repr(pickle.loads(pickle.dumps(two)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "other"  # type: ignore[misc]


# --- by path


def test_an_image_with_its_table(make: Make) -> None:
    file = make("tpl-A_res-02_atlas-B_dseg.nii.gz", table="tpl-A_res-02_atlas-B_dseg.tsv")
    atlas = by_path(file)
    assert atlas.name == "B"
    assert atlas.entities == (("atlas", "B"),)
    assert atlas.lut.ids == (1, 2)
    assert atlas.lut.names == ("region 1", "region 2")
    assert atlas.space == "A"
    assert atlas.files == (file,)
    assert atlas.sources[0] == str(file)
    assert list(map(len, atlas.sha256)) == [64]
    assert atlas.warnings == ()


def test_the_path_may_be_a_text(make: Make) -> None:
    file = make("tpl-A_atlas-B_dseg.nii.gz", table="tpl-A_atlas-B_dseg.tsv")
    assert by_path(str(file)) == by_path(file)


def test_the_table_may_leave_out_the_resolution(make: Make) -> None:
    file = make("tpl-A_res-02_atlas-B_dseg.nii.gz", table="tpl-A_atlas-B_dseg.tsv")
    assert by_path(file).lut.names == ("region 1", "region 2")


def test_the_table_may_stand_higher_in_a_bids_atlas_dataset(make: Make) -> None:
    file = make(
        "atlases/tpl-A/anat/tpl-A_atlas-B_seg-7n_res-1_dseg.nii.gz",
        table="../../atlas-B_seg-7n_dseg.tsv",
    )
    assert by_path(file).lut.names == ("region 1", "region 2")


def test_the_table_of_another_atlas_is_left_alone(make: Make) -> None:
    file = make("tpl-A_atlas-B_scale-100_dseg.nii.gz")
    make("tpl-A_atlas-B_scale-200_dseg.nii.gz", table="tpl-A_atlas-B_scale-200_dseg.tsv")
    make("tpl-A_atlas-C_dseg.nii.gz", table="tpl-A_atlas-C_dseg.tsv")
    assert by_path(file).lut.names == ("label-1", "label-2")


def test_the_table_that_says_most_is_taken_and_a_tie_is_refused(make: Make) -> None:
    name = "tpl-A_res-01_atlas-B_scale-2_dseg.nii.gz"
    general = make(name).with_name("tpl-A_atlas-B_dseg.tsv")
    general.write_text("index\tname\n1\twrong\n2\twrong too\n")
    file = make(name, table="tpl-A_atlas-B_scale-2_dseg.tsv")
    assert by_path(file).lut.names[0] == "region 1"
    make(name, table="res-01_atlas-B_scale-2_dseg.tsv")
    with pytest.raises(AtlasError, match=r"may be .*\.tsv or .*\.tsv"):
        by_path(file)


def test_without_a_table_regions_are_numbered_and_a_warning_says_so(make: Make) -> None:
    atlas = by_path(make("tpl-A_atlas-B_dseg.nii.gz", labels=(3, 7)))
    assert atlas.lut.ids == (3, 7)
    assert atlas.lut.names == ("label-3", "label-7")
    assert "No look-up table beside tpl-A_atlas-B_dseg.nii.gz" in atlas.warnings[0]


@pytest.mark.parametrize(
    ("name", "entities"),
    [
        ("my_rois.nii.gz", (("seg", "myrois"),)),
        ("Übung 2.nii", (("seg", "bung2"),)),
        ("___.nii.gz", (("seg", "regions"),)),
        ("space-A_desc-carpet_dseg.nii.gz", (("seg", "carpet"),)),
        ("space-A_seg-mine_scale-3_dseg.nii.gz", (("seg", "mine"), ("scale", "3"))),
        ("atlas-B_space-A_res-01_dseg.nii.gz", (("atlas", "B"),)),
        (SCHAEFER, (("atlas", "Schaefer2018"), ("seg", "7n"), ("scale", "100"))),
        (f"{TPL}_atlas-HOCPA_desc-th25_dseg.nii.gz", (("atlas", "HOCPA"), ("seg", "th25"))),
    ],
)
def test_outputs_get_bids_entities_from_the_name(
    make: Make, name: str, entities: tuple[tuple[str, str], ...]
) -> None:
    assert by_path(make(name)).entities == entities


def test_an_image_that_does_not_say_its_space_is_warned_of(make: Make) -> None:
    atlas = by_path(make("my_rois.nii.gz", table="my_rois.tsv"))
    assert atlas.space is None
    assert "my_rois.nii.gz does not say which space it is in" in atlas.warnings[0]


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("tpl-A_atlas-B_dseg.nii.gz", "A"),
        ("atlas-B_space-A_dseg.nii.gz", "A"),
        ("my_rois_space-A.nii.gz", "A"),
        ("tpl-A_cohort-2_atlas-B_dseg.nii.gz", "A+2"),
        ("space-A+2_atlas-B_dseg.nii.gz", "A+2"),
    ],
)
def test_the_space_is_read_from_the_name(make: Make, name: str, space: str) -> None:
    assert by_path(make(name)).space == space


def test_a_table_must_name_every_label(make: Make) -> None:
    file = make("x_atlas-B_dseg.nii.gz", labels=(1, 2, 5))
    (file.parent / "x_atlas-B_dseg.tsv").write_text("index\tname\n1\ta\n2\tb\n")
    with pytest.raises(AtlasError, match=r"no row for 1 of the 3 labels of .*: 5\. The table"):
        by_path(file)


def test_rows_without_a_voxel_are_kept_and_warned_of(make: Make) -> None:
    file = make("tpl-A_atlas-B_dseg.nii.gz", labels=(1, 3))
    (file.parent / "tpl-A_atlas-B_dseg.tsv").write_text("index\tname\n3\tc\n2\tb\n1\ta\n")
    atlas = by_path(file)
    assert set(atlas.lut.ids) == {1, 2, 3}
    assert "without a voxel in tpl-A_atlas-B_dseg.nii.gz: 2." in atlas.warnings[0]


def test_a_background_row_is_not_a_region(make: Make) -> None:
    file = make("tpl-A_atlas-B_dseg.nii.gz", labels=(1, 2))
    (file.parent / "tpl-A_atlas-B_dseg.tsv").write_text("index\tname\n0\tBackground\n1\ta\n2\tb\n")
    assert by_path(file).lut.ids == (1, 2)


def test_a_table_that_counts_from_0_is_refused(make: Make) -> None:
    file = make("tpl-A_atlas-B_dseg.nii.gz", labels=(1, 2))
    (file.parent / "tpl-A_atlas-B_dseg.tsv").write_text("index\tname\n0\tpole\n1\ta\n2\tb\n")
    with pytest.raises(AtlasError, match="0"):
        by_path(file)


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("gone.nii.gz", "no such image"),
        ("table.tsv", "expected an image"),
        ("several.nii.gz", r"holds 4 volumes; a label image has one.*<name>_probseg\.nii\.gz"),
        ("x.plabel.nii", "a CIFTI file, but neither of labels nor of maps"),
        ("x.dlabel.nii.gz", "CIFTI files are not compressed. Try: gunzip"),
        ("link.nii.gz", "a broken link.*datalad get"),
        ("text.nii.gz", "text.nii.gz"),
    ],
)
def test_what_is_not_a_label_image_gets_a_letter(
    make: Make, make_maps: Make, tmp_path: Path, name: str, letter: str
) -> None:
    make_maps("several.nii.gz", 4)
    make("x.plabel.nii")
    make("x.dlabel.nii.gz")
    (tmp_path / "table.tsv").touch()
    (tmp_path / "text.nii.gz").write_text("<html>")
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    with pytest.raises(AtlasError, match=letter):
        by_path(tmp_path / name)


# --- by name


@pytest.mark.parametrize(
    "name",
    [
        "Schaefer2018_seg-7n_scale-100",
        "Schaefer2018_desc-100Parcels7Networks",
        "Schaefer2018_scale-100_seg-7n",
        "atlas-Schaefer2018_seg-7n_scale-100",
        "Schaefer2018_seg-7n_scale-100_dseg",
    ],
)
def test_a_name_is_found_however_it_is_spelled(make: Make, tmp_path: Path, name: str) -> None:
    file = make(f"{TPL}/{SCHAEFER}", labels=range(1, 27))
    atlas = by_name(name, tmp_path)
    assert atlas.files == (file,)
    assert atlas.name == "Schaefer2018_seg-7n_scale-100"
    assert atlas.space == SPACE
    assert atlas.sources[0] == f"bids:templateflow:{TPL}/{SCHAEFER}"


def test_names_of_regions_come_out_of_the_templateflow_package(make: Make, tmp_path: Path) -> None:
    make(f"{TPL}/{SCHAEFER}", labels=range(1, 27))
    lut = by_name("Schaefer2018_seg-7n_scale-100", tmp_path).lut
    assert len(lut.ids) == 100
    assert lut.names[0] == "7Networks_LH_Vis_1"


def test_a_table_of_another_template_will_do(make: Make, tmp_path: Path) -> None:
    make(f"{TPL}/{TPL}_res-02_atlas-HOSPA_desc-th25_dseg.nii.gz")
    assert by_name("HOSPA_seg-th25", tmp_path).lut.names[0].startswith("Left Cerebral White")


def test_a_table_of_a_surface_will_not_do(make: Make, tmp_path: Path) -> None:
    make(f"{TPL}/{TPL}_res-02_atlas-Schaefer2018_desc-700Parcels7Networks_dseg.nii.gz")
    atlas = by_name("Schaefer2018_seg-7n_scale-700", tmp_path)
    assert atlas.lut.names == ("label-1", "label-2")


def test_a_packaged_table_that_counts_from_0_can_be_corrected(make: Make, tmp_path: Path) -> None:
    name = f"{TPL}/{TPL}_res-02_atlas-HOCPAL_desc-th25_dseg"
    make(f"{name}.nii.gz")
    with pytest.raises(AtlasError, match=r"counts from 0.* may stand beside the image: .*\.tsv"):
        by_name("HOCPAL_seg-th25", tmp_path)
    (tmp_path / f"{name}.tsv").write_text("index\tname\n1\tleft\n2\tright\n")
    assert by_name("HOCPAL_seg-th25", tmp_path).lut.names == ("left", "right")


def test_a_table_in_another_home_will_do(make: Make, tmp_path: Path) -> None:
    make("first/tpl-A/tpl-A_res-02_atlas-B_dseg.nii.gz")
    make("second/tpl-A/tpl-A_res-01_atlas-C_dseg.nii.gz", table="tpl-A_atlas-B_dseg.tsv")
    atlas = by_name("B", tmp_path / "first", tmp_path / "second", space="A")
    assert atlas.lut.names == ("region 1", "region 2")


def test_nothing_is_written_and_templateflow_is_not_imported(make: Make, tmp_path: Path) -> None:
    make(f"homes/{TPL}/{SCHAEFER}", labels=range(1, 27))
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; from pathlib import Path; from bidsmask.dataset.atlases import *; "
        f"find_atlas('Schaefer2018_seg-7n_scale-100', space={SPACE!r}, download=False, "
        f"homes=[Path({str(tmp_path / 'homes')!r}), *template_homes()]); "
        "sys.exit('templateflow' in sys.modules)"
    )
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, check=False)
    assert done.returncode == 0
    assert list(home.iterdir()) == []


def test_the_resolution_nearest_to_the_run_is_taken(make: Make, tmp_path: Path) -> None:
    for res, mm in (("01", 1.0), ("02", 2.0), ("03", 3.0)):
        make(f"{TPL}/{SCHAEFER.replace('res-02', f'res-{res}')}", range(1, 9), mm=mm)
    name = "Schaefer2018_seg-7n_scale-100"
    for mm, res in ((0.7, "01"), (1.4, "01"), (1.6, "02"), (2.4, "02"), (3.5, "03")):
        assert f"res-{res}" in by_name(name, tmp_path, mm=mm).files[0].name
    assert "res-02" in by_name(name, tmp_path).files[0].name


def test_homes_are_searched_in_order(make: Make, tmp_path: Path) -> None:
    for home in ("first", "second"):
        make(f"{home}/{TPL}/{SCHAEFER}", range(1, 9))
    for homes in (("first", "second"), ("second", "first")):
        atlas = by_name("Schaefer2018_seg-7n_scale-100", *(tmp_path / home for home in homes))
        assert atlas.files[0].parent.parent.name == homes[0]


def test_empty_and_damaged_stand_ins_are_passed_over(make: Make, tmp_path: Path) -> None:
    good = make(f"second/{TPL}/{SCHAEFER}", range(1, 9))
    for home, content in (("empty", b""), ("html", b"<html>")):
        (tmp_path / home / TPL).mkdir(parents=True)
        (tmp_path / home / TPL / SCHAEFER).write_bytes(content)
    homes = [tmp_path / home for home in ("empty", "html", "nowhere", "second")]
    assert by_name("Schaefer2018_seg-7n_scale-100", *homes).files == (good,)


@pytest.mark.parametrize(
    "file",
    [
        "tpl-A/anat/tpl-A_atlas-B_res-2_dseg.nii.gz",
        "atlas-B/atlas-B_space-A_res-2_dseg.nii.gz",
        "tpl-A/tpl-A_atlas-B_dseg.nii",
    ],
)
def test_an_atlas_of_a_dataset_of_the_user(make: Make, tmp_path: Path, file: str) -> None:
    image = make(file, table=Path(file).name.split(".")[0] + ".tsv")
    atlas = by_name("B", tmp_path, space="A")
    assert atlas.files == (image,)
    assert atlas.lut.names[0] == "region 1"
    assert atlas.sources[0] == str(image)


def test_a_cohort_is_part_of_the_space(make: Make, tmp_path: Path) -> None:
    make("tpl-A/cohort-1/tpl-A_cohort-1_atlas-B_dseg.nii.gz")
    assert by_name("B", tmp_path, space="A+1").space == "A+1"
    with pytest.raises(SpaceError, match=r"no B in A\+2; there is one in A\+1"):
        by_name("B", tmp_path, space="A+2")


def test_what_is_not_here_is_named_with_folders_and_command(tmp_path: Path) -> None:
    with pytest.raises(AtlasError) as caught:
        by_name("Schaefer2018_seg-7n_scale-100", tmp_path / "a", tmp_path / "b")
    letter = str(caught.value)
    assert letter.startswith(f"{SCHAEFER} is not in {tmp_path / 'a'}, {tmp_path / 'b'}. Downloads")
    assert (
        f"get('{SPACE}', resolution=2, atlas='Schaefer2018', desc='100Parcels7Networks', "
        "suffix='dseg', extension='.nii.gz')"
    ) in letter


def test_the_file_to_fetch_has_the_resolution_nearest_to_the_run() -> None:
    with pytest.raises(AtlasError, match="_res-01_atlas-Schaefer2018"):
        by_name("Schaefer2018_seg-7n_scale-100", mm=1.2)


def test_an_atlas_that_is_only_in_other_spaces_is_for_other_runs(make: Make) -> None:
    with pytest.raises(SpaceError) as caught:
        by_name("Schaefer2018_seg-7n_scale-100", space="T1w")
    letter = str(caught.value)
    assert "no Schaefer2018_seg-7n_scale-100 in T1w; there is one in MNI152NLin2009cAsym" in letter
    assert "--space" in letter
    with pytest.raises(SpaceError, match="in the native space of a run"):
        by_name("Schaefer2018_seg-7n_scale-100", space=None)


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("Schaefer2018_seg-7n_scale-450", r"Did you mean Schaefer2018_seg-7n_scale-500, "),
        ("HOCPA_seg-th30", r"Did you mean HOCPA_seg-th"),
        ("schaefer2018_seg-7n_scale-400", r"Did you mean Schaefer2018_seg-7n_scale-400"),
        ("Nowhere", "no atlas Nowhere in any folder"),
        ("DiFuMo_scale-65", r"Did you mean DiFuMo_scale-64, "),
        ("DiFuMo64", r"Did you mean DiFuMo_scale-64, "),
        ("DiFuMo_scale-64_dseg", r"Did you mean DiFuMo_scale-64, "),
        (
            "HOCPA_desc-th25_probseg",
            r"no atlas HOCPA_seg-th25 \(probability maps\).* HOCPA_seg-th25,",
        ),
        ("../../etc/passwd", "expected an image"),
        ("..", "neither an image"),
        ("Schaefer2018_res-02", "neither an image"),
        ("Schaefer2018_seg-7n_scale-400_../x", "expected an image"),
        ("", "neither an image"),
        ("_probseg", "neither an image"),
        ("*", "neither an image"),
    ],
)
def test_an_unknown_name_gets_a_letter(name: str, letter: str) -> None:
    with pytest.raises(AtlasError, match=letter):
        by_name(name)


@pytest.mark.parametrize("space", ["../x", "*", "", "a/b"])
def test_a_space_is_not_a_way_to_other_folders(make: Make, tmp_path: Path, space: str) -> None:
    make(f"{TPL}/{SCHAEFER}")
    with pytest.raises(SpaceError):
        by_name("Schaefer2018_seg-7n_scale-100", tmp_path, space=space)


# --- maps

DIFUMO = f"{TPL}_res-02_atlas-DiFuMo_desc-64dimensions_probseg.nii.gz"


def test_maps_with_their_table(make_maps: Make) -> None:
    table = "index\tname\tnetwork\n1\tInsula\tVAN\n2\tCuneus\t\n"
    file = make_maps("tpl-A_res-02_atlas-B_probseg.nii.gz", 2, table=table)
    atlas = by_path(file)
    assert atlas.kind == "probseg"
    assert atlas.entities == (("atlas", "B"),)
    assert atlas.lut.ids == (1, 2)
    assert atlas.lut.names == ("Insula", "Cuneus")
    assert atlas.lut.columns == (("network", ("VAN", "n/a")),)
    assert atlas.space == "A"
    assert atlas.warnings == ()
    assert list(map(len, atlas.sha256)) == [64]


def test_the_table_of_maps_may_leave_out_the_resolution(make_maps: Make) -> None:
    file = make_maps("d/tpl-A/anat/tpl-A_res-02_atlas-B_probseg.nii.gz", 1)
    (file.parents[2] / "atlas-B_probseg.tsv").write_text("name\nCuneus\n")
    (file.parents[2] / "atlas-B_dseg.tsv").write_text("index\tname\n1\tOther\n")
    assert by_path(file).lut.names == ("Cuneus",)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_volume_is_one_map(make_maps: Make, shape: tuple[int, ...]) -> None:
    atlas = by_path(make_maps("my_maps_probseg.nii.gz", *shape))
    assert atlas.kind == "probseg"
    assert atlas.entities == (("seg", "mymaps"),)
    assert atlas.lut.names == ("map-1",)
    assert "No table and no LabelMap beside my_maps_probseg.nii.gz" in atlas.warnings[0]


def test_names_of_maps_may_stand_in_the_sidecar(make_maps: Make) -> None:
    file = make_maps("tpl-A_res-02_atlas-B_probseg.nii.gz", 3)
    sidecar = file.with_name("tpl-A_atlas-B_probseg.json")
    sidecar.write_text(json.dumps({"LabelMap": ["Crus", "Cuneus", "Crus"]}))
    atlas = by_path(file)
    assert atlas.lut.names == ("Crus (1)", "Cuneus", "Crus (3)")
    assert "have got the number of the map: 'Crus'" in atlas.warnings[0]
    sidecar.write_text(json.dumps({"Manual": False}))
    assert by_path(file).lut.names == ("map-1", "map-2", "map-3")


@pytest.mark.parametrize(
    ("sidecar", "letter"),
    [
        ({"LabelMap": ["one", "two"]}, r"names for 2 maps, but there are 3 in tpl-A_atlas-B_prob"),
        ({"LabelMap": ["one", "two", ""]}, r"B_probseg\.json, LabelMap: Label 3 has no name"),
        ({"LabelMap": {"1": "one"}}, r"B_probseg\.json: LabelMap is no list of names"),
        ({"LabelMap": [1, 2, 3]}, "LabelMap is no list of names"),
        ([], "json"),
    ],
)
def test_a_sidecar_that_does_not_fit_the_maps_is_refused(
    make_maps: Make, sidecar: object, letter: str
) -> None:
    file = make_maps("tpl-A_atlas-B_probseg.nii.gz", 3)
    file.with_name("tpl-A_atlas-B_probseg.json").write_text(json.dumps(sidecar))
    with pytest.raises(AtlasError, match=letter):
        by_path(file)


@pytest.mark.parametrize("n_maps", [1, 3])
def test_a_table_has_as_many_rows_as_there_are_maps(make_maps: Make, n_maps: int) -> None:
    file = make_maps("tpl-A_atlas-B_probseg.nii.gz", n_maps, table="name\nLeft\nRight\n")
    with pytest.raises(
        AtlasError, match=rf"\.tsv has names for 2 maps, but there are {n_maps} in"
    ):
        by_path(file)


def test_maps_lie_along_the_fourth_axis(make_maps: Make) -> None:
    with pytest.raises(AtlasError, match=r"5 axes \(3, 3, 3, 1, 2\); maps lie along the fourth"):
        by_path(make_maps("tpl-A_atlas-B_probseg.nii.gz", 1, 2))


def test_of_maps_no_voxel_is_read(make_maps: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_maps("tpl-A_atlas-B_probseg.nii.gz", 3)
    monkeypatch.setattr("bidsmask.images.series.Series.single", None)
    monkeypatch.setattr(nib.arrayproxy.ArrayProxy, "__array__", None)
    assert len(by_path(file).lut.ids) == 3


@pytest.mark.parametrize("damage", [b"", b"<html>"])
def test_an_unreadable_image_of_maps_is_refused(make_maps: Make, damage: bytes) -> None:
    file = make_maps("tpl-A_atlas-B_probseg.nii.gz", 3)
    file.write_bytes(damage)
    with pytest.raises(AtlasError, match="tpl-A_atlas-B_probseg"):
        by_path(file)


@pytest.mark.parametrize(
    "name", ["DiFuMo_scale-64", "DiFuMo_desc-64dimensions", "atlas-DiFuMo_scale-64_probseg"]
)
def test_difumo_is_found_with_the_names_of_its_package(
    make_maps: Make, tmp_path: Path, name: str
) -> None:
    file = make_maps(f"{TPL}/{DIFUMO}", 64)
    atlas = by_name(name, tmp_path)
    assert atlas.kind == "probseg"
    assert atlas.files == (file,)
    assert atlas.name == "DiFuMo_scale-64"
    assert atlas.entities == (("atlas", "DiFuMo"), ("scale", "64"))
    assert atlas.sources[0] == f"bids:templateflow:{TPL}/{DIFUMO}"
    assert atlas.lut.ids == tuple(range(1, 65))
    assert atlas.lut.names[:2] == ("Superior frontal sulcus", "Fusiform gyrus")
    assert [title for title, _ in atlas.lut.columns] == [
        "Yeo_networks7", "Yeo_networks17", "GM", "WM", "CSF",
    ]  # fmt: skip
    assert atlas.warnings == ()


def test_names_that_difumo_repeats_get_their_number(make_maps: Make, tmp_path: Path) -> None:
    make_maps(f"{TPL}/{DIFUMO.replace('64d', '256d')}", 256)
    atlas = by_name("DiFuMo_scale-256", tmp_path)
    shared = [name for name in atlas.lut.names if name.startswith("Cerebellum VIIb (")]
    assert len(shared) == 2
    assert "number of the map: 'Cerebellum Crus II', 'Cerebellum V'," in atlas.warnings[0]


def test_a_packaged_table_of_maps_with_another_number_of_rows_is_refused(
    make_maps: Make, tmp_path: Path
) -> None:
    make_maps(f"{TPL}/{DIFUMO}", 63)
    with pytest.raises(AtlasError, match="names for 64 maps, but there are 63 in"):
        by_name("DiFuMo_scale-64", tmp_path)


def test_maps_to_fetch_are_named_with_the_command() -> None:
    with pytest.raises(AtlasError, match=f"{DIFUMO} is not in any folder.*") as caught:
        by_name("DiFuMo_scale-64")
    assert "desc='64dimensions', suffix='probseg', extension='.nii.gz'" in str(caught.value)


def test_a_name_of_labels_and_maps_is_that_of_the_labels(
    make: Make, make_maps: Make, tmp_path: Path
) -> None:
    labels = make("tpl-A/anat/tpl-A_atlas-B_dseg.nii.gz", table="tpl-A_atlas-B_dseg.tsv")
    maps = make_maps("tpl-A/anat/tpl-A_atlas-B_probseg.nii.gz", 2, table="name\nLeft\nRight\n")
    for name, image, kind in [
        ("B", labels, "dseg"),
        ("B_dseg", labels, "dseg"),
        ("B_probseg", maps, "probseg"),
    ]:
        atlas = by_name(name, tmp_path, space="A")
        assert (atlas.files, atlas.kind) == ((image,), kind)


def test_a_name_means_the_same_in_every_space(make: Make, make_maps: Make, tmp_path: Path) -> None:
    make("tpl-A/tpl-A_atlas-B_dseg.nii.gz")
    maps = make_maps("tpl-C/tpl-C_atlas-B_probseg.nii.gz", 2)
    with pytest.raises(SpaceError, match=r"no B in C; there is one in A\..*is there: B_probseg\."):
        by_name("B", tmp_path, space="C")
    assert by_name("B_probseg", tmp_path, space="C").files == (maps,)
    with pytest.raises(SpaceError, match=r"no B \(probability maps\) in A; there is one in C\."):
        by_name("B_probseg", tmp_path, space="A")


def test_a_name_of_maps_alone_needs_no_suffix(make_maps: Make, tmp_path: Path) -> None:
    file = make_maps("atlas-B/atlas-B_space-A_res-2_probseg.nii.gz", 2)
    assert by_name("B", tmp_path, space="A").files == (file,)
    with pytest.raises(SpaceError, match="MNI152NLin6Asym"):
        by_name("HOCPA", tmp_path)


def test_the_example_has_labels_and_maps() -> None:
    home = Path(__file__).parents[2] / "descriptors" / "examples" / "atlas"
    for name, kind in [("Halves", "dseg"), ("Halves_probseg", "probseg")]:
        atlas = by_name(name, home)
        assert (atlas.kind, atlas.lut.names) == (kind, ("Left", "Right"))
        assert atlas.warnings == ()


# --- tables of atlas packs


def test_an_atlas_pack_with_a_column_label(make: Make, tmp_path: Path) -> None:
    file = make("pack/atlas-4SMini/atlas-4SMini_space-A_res-01_dseg.nii.gz")
    table = file.with_name("atlas-4SMini_dseg.tsv")
    table.write_text("index\tlabel\tnetwork_label\n1\tP1\tVis\n2\tP2\tVis\n")
    atlas = by_name("4SMini", tmp_path / "pack", space="A")
    assert atlas.lut.names == ("P1", "P2")
    assert atlas.lut.columns == (("network_label", ("Vis", "Vis")),)
    assert atlas.warnings == (
        "atlas-4SMini_dseg.tsv: There is no column 'name'; the names are those of the column "
        "'label'. BIDS says 'name': rename the column.",
    )


# --- downloads


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.SimpleNamespace]:
    """A stand-in for TemplateFlow's client; nothing goes over the network."""
    api = types.SimpleNamespace(get=None)
    monkeypatch.setitem(sys.modules, "templateflow", types.SimpleNamespace(api=api))
    monkeypatch.setitem(sys.modules, "templateflow.api", api)
    monkeypatch.setattr(templates, "_answers", lambda host, port: True)
    templates.published()  # known before the package is replaced
    templates._fetched.cache_clear()
    yield api
    templates._fetched.cache_clear()


def fetch(name: str = "Schaefer2018_seg-7n_scale-100") -> Atlas:
    return find_atlas(name, space=SPACE, homes=(), download=True)


def test_a_download_asks_for_one_file(
    make: Make, monkeypatch: pytest.MonkeyPatch, client: types.SimpleNamespace
) -> None:
    file, asked = make(f"cache/{TPL}/{SCHAEFER}", range(1, 9)), []

    def get(**query: object) -> Path:
        asked.append(query)
        return file

    client.get = get
    assert fetch().files == (file,)
    assert asked == [
        {
            "template": SPACE,
            "resolution": 2,
            "atlas": "Schaefer2018",
            "desc": "100Parcels7Networks",
            "suffix": "dseg",
            "extension": ".nii.gz",
        }
    ]


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        (OSError("no network"), r"could not be downloaded \(no network\)"),
        (RuntimeError("no layout"), r"could not be downloaded \(no layout\)"),
        ([], "answered with 0 files"),
        (["a", "b"], "answered with 2 files"),
        ("empty.nii.gz", "cannot be opened"),
    ],
)
def test_a_failed_download_says_why(
    tmp_path: Path, client: types.SimpleNamespace, answer: object, letter: str
) -> None:
    (tmp_path / "empty.nii.gz").touch()

    def get(**_: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return tmp_path / answer if isinstance(answer, str) else answer

    client.get = get
    with pytest.raises(AtlasError, match=letter) as caught:
        fetch()
    assert SCHAEFER in str(caught.value)


def test_what_cannot_be_fetched_is_asked_for_once(client: types.SimpleNamespace) -> None:
    """Every run of a dataset wants the same files, and each refusal takes its time."""
    asked = []

    def get(**query: object) -> Path:
        asked.append(query)
        raise OSError("the proxy refuses")

    client.get = get
    for _ in range(3):
        with pytest.raises(AtlasError, match=r"could not be downloaded \(the proxy refuses\)"):
            fetch()
    assert len(asked) == 1


LOOK_FOR_NETWORK = templates._answers


@pytest.fixture
def proxy(
    monkeypatch: pytest.MonkeyPatch, client: types.SimpleNamespace
) -> Iterator[socket.socket]:
    """The only way out: a port of this machine, which answers as long as it is not closed."""
    monkeypatch.setattr(templates, "_answers", LOOK_FOR_NETWORK)
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield server


def test_the_client_is_asked_if_somebody_answers(
    make: Make, client: types.SimpleNamespace, proxy: socket.socket
) -> None:
    file = make(f"cache/{TPL}/{SCHAEFER}", range(1, 9))
    client.get = lambda **_: file
    assert fetch().files == (file,)


def test_without_network_the_client_is_not_asked(
    client: types.SimpleNamespace, proxy: socket.socket
) -> None:
    proxy.close()
    with pytest.raises(AtlasError, match=r"there is no network: 127\.0\.0\.1 does not answer"):
        fetch()
    assert client.get is None


# --- spaces


def test_an_atlas_in_the_space_of_the_run_passes(make: Make) -> None:
    check_space(by_path(make("tpl-A_atlas-B_dseg.nii.gz")), "A", "sub-01_bold")


def test_an_atlas_of_unknown_space_passes(make: Make) -> None:
    check_space(by_path(make("my_rois.nii.gz")), "A", "sub-01_bold")


def test_an_atlas_in_another_space_is_refused_with_a_remedy(make: Make) -> None:
    atlas = by_path(make("tpl-A_atlas-B_dseg.nii.gz"))
    with pytest.raises(SpaceError) as caught:
        check_space(atlas, "C", "sub-01_task-rest", ("A", "C"))
    assert str(caught.value) == (
        "B (tpl-A_atlas-B_dseg.nii.gz) is in the space A, but sub-01_task-rest is in C. Run with "
        "--space A, or give an atlas in C. Spaces in the dataset: A, C."
    )
    with pytest.raises(SpaceError, match=r"Let fMRIPrep write this run in A \(--output-sp"):
        check_space(atlas, None, "sub-01_task-rest", ("C",))


# --- real data


@pytest.mark.real
@needs_real_data
def test_schaefer_of_templateflow_is_found_with_its_names() -> None:
    atlas = by_name("Schaefer2018_seg-7n_scale-200", REAL / "templateflow")
    assert atlas.files[0].name.startswith(f"{TPL}_res-01_atlas-Schaefer2018_desc-200Parcels7")
    assert atlas.lut.ids == tuple(range(1, 201))
    assert atlas.lut.names[-1] == "7Networks_RH_Default_PCC_3"
    assert atlas.warnings == ()


@pytest.mark.real
@needs_real_data
def test_an_image_of_xcpengine_has_neither_space_nor_names() -> None:
    atlas = by_path(REAL / "atlases" / "schaefer400x7" / "schaefer400x7MNI.nii.gz")
    assert atlas.name == "seg-schaefer400x7MNI"
    assert len(atlas.lut.ids) == 400
    assert len(atlas.warnings) == 2
