"""Seeds: points that keep their names, in a space that is known."""

import csv
import dataclasses
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.seeds import SeedSet, check_seed_space, read_seeds
from bidsmask.errors import AtlasError, SpaceError
from bidsmask.vocabulary import BOLD_SPACES, NATIVE_SPACES

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "atlases" / "power264"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data in {REAL}")

TABLE = "name\tx\ty\tz\tradius\nPCC\t0\t-52\t26.5\t8\nmPFC\t-1\t49\t-5\tn/a\n"
MNI = "MNI152NLin2009cAsym"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table of seeds, and a sidecar with its space."""

    def write_table(text: str = TABLE, name: str = "seeds.tsv", space: object = None) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        if space is not None:
            path.with_suffix(".json").write_text(json.dumps({"Space": space}))
        return path

    return write_table


def refusal(path: Path, radius_mm: float | None = 6.0) -> str:
    with pytest.raises(AtlasError) as caught:
        read_seeds(path, default_radius_mm=radius_mm)
    assert str(path) in str(caught.value)
    return str(caught.value)


# --- laws

NAMES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12)
SEEDS = st.lists(
    st.tuples(
        NAMES.map(str.strip).filter(lambda name: name not in ("", "n/a")),
        *[st.floats(allow_nan=False, allow_infinity=False)] * 3,
        st.floats(0, 1e6),
    ),
    min_size=1,
    unique_by=lambda seed: seed[0],
)


@given(seeds=SEEDS, separator=st.sampled_from(["\t", ","]))
def test_any_seeds_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    seeds: list[tuple[str, float, float, float, float]],
    separator: str,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_seeds.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        header = ("name", "x", "y", "z", "radius")
        csv.writer(file, delimiter=separator).writerows([header, *seeds])
    found = read_seeds(path)
    assert found.lut.names == tuple(name for name, *_ in seeds)
    assert found.lut.ids == tuple(range(1, len(seeds) + 1))
    assert found.coordinates_mm == tuple(tuple(point) for _, *point, _ in seeds)
    assert found.radii_mm == tuple(radius for *_, radius in seeds)


# --- tables


def test_a_table_with_its_space(write: Write) -> None:
    path = write("name\tx\ty\tz\tradius\tnetwork\nPCC\t0\t-52\t26.5\t8\tDMN\n", space=MNI)
    seeds = read_seeds(path)
    assert seeds.name == "seg-seeds"
    assert seeds.entities == (("seg", "seeds"),)
    assert seeds.kind == "seeds"
    assert seeds.file == path
    assert seeds.sources == (str(path),)
    assert seeds.lut.ids == (1,)
    assert seeds.lut.names == ("PCC",)
    assert seeds.lut.columns == (("network", ("DMN",)),)
    assert seeds.coordinates_mm == ((0.0, -52.0, 26.5),)
    assert seeds.radii_mm == (8.0,)
    assert seeds.space == MNI
    assert seeds.sha256 == (hashlib.sha256(path.read_bytes()).hexdigest(),)
    assert seeds.warnings == ()


def test_seeds_are_a_value(write: Write) -> None:
    one, two = (read_seeds(write(), default_radius_mm=6.0) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert repr(one) == repr(pickle.loads(pickle.dumps(two)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "other"  # type: ignore[misc]


def test_seeds_without_a_radius_get_the_one_for_all(write: Write) -> None:
    assert read_seeds(write(), default_radius_mm=6.0).radii_mm == (8.0, 6.0)
    without = write("z\ty\tx\tname\n3\t2\t1\tPCC\n")
    assert read_seeds(without, default_radius_mm=0.0).radii_mm == (0.0,)
    assert read_seeds(without, default_radius_mm=0.0).coordinates_mm == ((1.0, 2.0, 3.0),)


@pytest.mark.parametrize("name", ["NA", "None", "nan", "1", "Gyrus, left"])
def test_odd_names_stay_names(write: Write, name: str) -> None:
    path = write(f"name\tx\ty\tz\n{name}\t1\t2\t3\n")
    assert read_seeds(path, default_radius_mm=5.0).lut.names == (name,)


def test_an_index_of_the_table_counts_nothing(write: Write) -> None:
    seeds = read_seeds(write("index,name,x,y,z\n7,PCC,1,2,3\n", "a.csv"), default_radius_mm=5.0)
    assert seeds.lut.ids == (1,)
    assert seeds.lut.columns == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'name', 'x', 'y', 'z'; columns found: none"),
        ("name\tx\ty\nPCC\t1\t2\n", "no column 'z'; columns found: name, x, y"),
        ("1\t2\t3\tPCC\n", "no column 'name', 'x', 'y', 'z'; columns found: 1, 2, 3, PCC"),
        ("name\tx\ty\tz\n", "no seeds"),
        (TABLE + "PCC\t1\t2\t3\t4\n", "name 'PCC' is there twice"),
        (TABLE + "\t1\t2\t3\t4\n", "Row 3 has no name"),
        (TABLE + "V1\t1\ttwo\t3\t4\n", "Row 3 (V1): y is 'two'"),
        (TABLE + "V1\t1,5\t2\t3\t4\n", "Row 3 (V1): x is '1,5'"),
        (TABLE + "V1\t1_5\t2\t3\t4\n", "Row 3 (V1): x is '1_5'"),
        (TABLE + "V1\t1\t2\t\t4\n", "Row 3 (V1): z is 'n/a'"),
        (TABLE + "V1\t1\t2\tnan\t4\n", "Row 3 (V1): z is 'nan'"),
        (TABLE + "V1\t-inf\t2\t3\t4\n", "Row 3 (V1): x is '-inf'"),
        (TABLE + "V1\t1\t2\t3\tbig\n", "Row 3 (V1): radius is 'big'"),
        (TABLE + "V1\t1\t2\t3\t-4\n", "Row 3 (V1): the radius -4 mm is negative"),
        (TABLE + "V1\t1\t2\t3\n", "Row 3 has 4 cells, the header 5"),
        ("name\tx\tx\ty\tz\nPCC\t1\t1\t2\t3\n", "column 'x' is there twice"),
    ],
)
def test_a_table_with_a_defect_is_refused_with_the_reason(
    write: Write, text: str, words: str
) -> None:
    assert words in refusal(write(text))


def test_a_seed_without_any_radius_is_refused_with_the_option(write: Write) -> None:
    letter = refusal(write(), radius_mm=None)
    assert "Row 2 (mPFC) has no radius" in letter
    assert "--seed-radius" in letter


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "seeds.tsv")


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("my seeds.tsv", "myseeds"),
        ("dmn_seeds.csv", "dmn"),
        ("space-A_seeds.tsv", "seeds"),
        ("tpl-A_cohort-1_res-2_seg-dmn_seeds.tsv", "dmn"),
        ("atlas-Power2011_space-A_seeds.tsv", "Power2011"),
        ("Übung 2.tsv", "bung2"),
        ("__.tsv", "seeds"),
    ],
)
def test_outputs_are_named_after_the_table(write: Write, file: str, label: str) -> None:
    text = TABLE.replace("\t", ",") if file.endswith("csv") else TABLE
    seeds = read_seeds(write(text, file), default_radius_mm=6.0)
    assert seeds.entities == (("seg", label),)
    assert seeds.name == f"seg-{label}"


# --- their space


def in_space(write: Write, name: str, space: object = None) -> SeedSet:
    return read_seeds(write(TABLE, name, space), default_radius_mm=6.0)


@pytest.mark.parametrize(
    ("name", "sidecar", "space"),
    [
        ("seeds.tsv", None, None),
        ("seeds.tsv", "A", "A"),
        ("space-A_seeds.tsv", None, "A"),
        ("space-A_seeds.tsv", "A", "A"),
        ("tpl-A_cohort-1_seeds.tsv", None, "A+1"),
        ("seeds.tsv", "A+1", "A+1"),
    ],
)
def test_the_space_stands_in_the_name_or_in_the_sidecar(
    write: Write, name: str, sidecar: object, space: str | None
) -> None:
    assert in_space(write, name, sidecar).space == space


@pytest.mark.parametrize(
    ("name", "sidecar", "words"),
    [
        ("space-A_seeds.tsv", "C", "The name of the table says A, but its sidecar says Space C"),
        ("seeds.tsv", ["A"], "Space is ['A'] in seeds.json"),
        ("seeds.tsv", "A:res-2", "Space is 'A:res-2' in seeds.json"),
        ("seeds.tsv", "", "Space is ''"),
    ],
)
def test_a_space_that_cannot_be_is_refused(
    write: Write, name: str, sidecar: object, words: str
) -> None:
    assert words in refusal(write(TABLE, name, sidecar))


def test_a_damaged_sidecar_is_refused(write: Write) -> None:
    path = write()
    path.with_suffix(".json").write_text("{")
    assert "seeds.json" in refusal(path)


def test_seeds_pass_in_their_space_and_in_no_other(write: Write) -> None:
    seeds = in_space(write, "seeds.tsv", "A")
    check_seed_space(seeds, "A", ("A", "C"))
    check_seed_space(seeds, "A")
    for space in ("C", "T1w", "A+1", None):
        with pytest.raises(SpaceError, match=r"seeds\.tsv are in the space A, .* --space A"):
            check_seed_space(seeds, space, ("A",))


@pytest.mark.parametrize("asked", [("A",), ("A:res-2",), ("A:res-1", "A:res-2"), ("A", "A")])
def test_one_template_that_is_asked_for_is_the_space_of_seeds_that_say_none(
    write: Write, asked: tuple[str, ...]
) -> None:
    check_seed_space(in_space(write, "seeds.tsv"), "A", asked)


@pytest.mark.parametrize(
    ("asked", "run_space", "found"),
    [
        ((), "A", "--space asks for no one space"),
        (("A", "C"), "A", "--space asks for A and C"),
        (("A:cohort-1", "A:cohort-2"), "A+1", "asks for A:cohort-1 and A:cohort-2"),
        (("T1w",), "T1w", "T1w is the space of one brain"),
        (("bold",), None, "the native space of a run is the space of one brain"),
    ],
)
def test_seeds_of_unknown_space_are_refused_with_a_remedy(
    write: Write, asked: tuple[str, ...], run_space: str | None, found: str
) -> None:
    with pytest.raises(AtlasError) as caught:
        check_seed_space(in_space(write, "seeds.tsv"), run_space, asked)
    letter = str(caught.value)
    assert found in letter
    assert '{"Space": "MNI152NLin2009cAsym"}' in letter
    assert "seeds.json beside the table" in letter


@pytest.mark.parametrize("space", sorted(NATIVE_SPACES))
def test_a_native_space_has_to_be_said_and_is_warned_of(write: Write, space: str) -> None:
    with pytest.raises(AtlasError, match="one brain"):
        check_seed_space(in_space(write, "unsaid.tsv"), space, (space,))
    seeds = in_space(write, "seeds.tsv", space)
    assert f"seeds.tsv: {space} is the space of one brain" in seeds.warnings[0]
    check_seed_space(seeds, space)
    if space in BOLD_SPACES:
        check_seed_space(seeds, None)
    else:
        with pytest.raises(SpaceError):
            check_seed_space(seeds, None)


# --- the example


def test_the_example_can_be_read() -> None:
    path = Path(__file__).parents[2] / "descriptors" / "examples" / "seeds.tsv"
    seeds = read_seeds(path, default_radius_mm=6.0)
    assert seeds.lut.names == ("PCC", "mPFC", "LeftMotor", "RightMotor")
    assert seeds.radii_mm == (8.0, 8.0, 6.0, 6.0)
    check_seed_space(seeds, MNI)


# --- real data


@pytest.mark.real
@needs_real_data
def test_the_264_seeds_of_power(write: Write) -> None:
    lines = (REAL / "power264CoorMNI.sclib").read_text().splitlines()[2:]
    cells = [line.removeprefix(":").strip("#").split("#") for line in lines if line.strip()]
    rows = ["\t".join((name, *point.split(","), radius)) for name, point, radius in cells]
    path = write("\n".join(["name\tx\ty\tz\tradius", *rows]), "space-MNI_desc-power264_seeds.tsv")
    seeds = read_seeds(path)
    assert seeds.entities == (("seg", "power264"),)
    assert len(seeds.lut.ids) == 264
    assert seeds.lut.names[0] == "Power1uncertain"
    assert seeds.coordinates_mm[0] == (-25.0, -98.0, -12.0)
    assert set(seeds.radii_mm) == {5.0}
    assert seeds.space == "MNI"


def test_a_letter_about_vertices_speaks_of_vertices(tmp_path: Path) -> None:
    path = tmp_path / "seeds.tsv"
    path.write_text("name\themi\tvertex\tradius\nPCC\tL\t7\t0\n")
    seeds = read_seeds(path)
    with pytest.raises(AtlasError, match=r"which space the vertices are.*\{\"Space\": \"fsLR\"\}"):
        check_seed_space(seeds, "fsLR")
    path.with_suffix(".json").write_text('{"Space": "fsnative"}')
    seeds = read_seeds(path)
    assert "the vertices are taken as they are for every run in fsnative" in seeds.warnings[0]
    with pytest.raises(SpaceError, match="or give vertices in fsLR"):
        check_seed_space(seeds, "fsLR")
