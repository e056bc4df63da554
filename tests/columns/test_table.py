import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.columns.table import (
    LookUpTable,
    lut_from_frame,
    map_lut_from_rows,
    read_lut,
    read_map_lut,
    table_from_labels,
    table_from_maps,
)
from bidsmask.errors import AtlasError

TABLE = "index\tname\tnetwork\n3\tLeft\tVis\n1\tRight\tVis\n12\tTop\tn/a\n"


@pytest.fixture
def write_table(tmp_path):
    def write(text, name="atlas_dseg.tsv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def lut_refusal(path):
    with pytest.raises(AtlasError) as caught:
        read_lut(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


NAMES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63) + 1, 2**63 - 1).filter(bool),
        NAMES.map(str.strip).filter(lambda name: name not in ("", "n/a")),
    ),
    min_size=1,
    max_size=20,
    unique_by=(lambda row: row[0], lambda row: row[1]),
)


@given(rows=ROWS, separator=st.sampled_from(["\t", ","]))
def test_any_table_reads_back_as_it_was_written(tmp_path_factory, rows, separator):
    path = tmp_path_factory.getbasetemp() / "any_dseg.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([("index", "name"), *rows])
    lut = read_lut(path)
    assert list(zip(lut.ids, lut.names, strict=True)) == rows
    assert lut.warnings == ()


@given(rows=ROWS, background=st.sampled_from([0, 7, -1]))
def test_a_file_its_rows_and_their_frame_are_one_table(tmp_path_factory, rows, background):
    rows = [row for row in rows if row[0] != background] or [(3, "Left")]
    frame = pd.DataFrame([*rows, (background, "Background")], columns=["index", "name"])
    path = tmp_path_factory.getbasetemp() / "frame_dseg.tsv"
    frame.to_csv(path, sep="\t", index=False)
    lut = lut_from_frame(frame, background=background)
    assert lut == read_lut(path, background=background)
    assert lut == LookUpTable(ids=tuple(frame["index"])[:-1], names=tuple(frame["name"])[:-1])


@given(names=st.lists(st.text("aé 1", min_size=1).map(str.strip).filter(bool), min_size=1))
def test_maps_keep_their_order_and_each_has_a_name_of_its_own(names):
    lut = map_lut_from_rows(["name"], [[name] for name in names])
    assert lut.ids == tuple(range(1, len(names) + 1))
    assert len(set(lut.names)) == len(names)
    assert all(new.startswith(old) for new, old in zip(lut.names, names, strict=True))
    assert bool(lut.warnings) == (len(set(names)) < len(names))


def test_a_table_keeps_its_order_and_its_other_columns(write_table):
    lut = read_lut(write_table(TABLE))
    assert lut.ids == (3, 1, 12)
    assert lut.names == ("Left", "Right", "Top")
    assert lut.columns == (("network", ("Vis", "Vis", "n/a")),)


@pytest.mark.parametrize(
    ("text", "name", "encoding"),
    [
        (TABLE.replace("\n", "\r\n"), "excel.tsv", "utf-8-sig"),
        (TABLE.replace("\t", ","), "commas.csv", "utf-8"),
        (TABLE.replace("\t", ","), "commas.tsv", "utf-8"),
        (TABLE + "\n\n", "blank_lines.tsv", "utf-8"),
        (TABLE.replace("\n", "\t\t\n"), "columns_without_title.tsv", "utf-8"),
        (TABLE.replace("12", "12.0"), "float.tsv", "utf-8"),
        (TABLE.replace("index\t", "index \t").replace("Left", " Left "), "spaces.tsv", "utf-8"),
        (TABLE.replace("3\tLeft", "0\tBackground\t#000\n3\tLeft"), "background.tsv", "utf-8"),
        (TABLE.removesuffix("\n"), "no_last_line_end.tsv", "utf-8"),
    ],
)
def test_tables_as_people_save_them_read_the_same(write_table, text, name, encoding):
    assert read_lut(write_table(text, name, encoding)) == read_lut(write_table(TABLE))


def test_a_comma_in_a_quoted_name_is_part_of_it(write_table):
    path = write_table('index,name\n1,"Gyrus, left"\n', "atlas.csv")
    assert read_lut(path).names == ("Gyrus, left",)


def test_a_quotation_mark_that_is_never_closed_is_a_character(write_table):
    path = write_table('index\tname\n1\t"Gyrus\n2\tSulcus\n')
    assert read_lut(path).names == ('"Gyrus', "Sulcus")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'index'; columns found: none"),
        ("name\tlabel\nLeft\t1\n", "no column 'index'; columns found: name, label"),
        ("index\tregion\n1\tLeft\n", "no column 'name'; columns found: region"),
        ("index\tname\tindex\n1\tLeft\t2\n", "column 'index' is there twice"),
        ("index\tname\n", "no regions"),
        ("index\tname\n0\tBackground\n", "no regions"),
        (TABLE + "3\tAgain\tVis\n", "label 3 is there twice"),
        (TABLE + "4\tLeft\tVis\n", "name 'Left' is there twice"),
        (TABLE + "4\t\tVis\n", "Label 4 has no name"),
        (TABLE + "4\tn/a\tVis\n", "Label 4 has no name"),
        (TABLE + '4\t""\tVis\n', "Label 4 has no name"),
        (TABLE + "99999999999999999999\tDown\tVis\n", "too large"),
        (TABLE + "-1e999999\tDown\tVis\n", "too large"),
        (TABLE + "1_0\tDown\tVis\n", "'1_0' is not a whole number"),
        (TABLE + "\tDown\tVis\n", "'n/a' is not a whole number"),
        (TABLE + "4.5\tDown\tVis\n", "'4.5' is not a whole number"),
        (TABLE + "nan\tDown\tVis\n", "'nan' is not a whole number"),
        (TABLE + "inf\tDown\tVis\n", "'inf' is not a whole number"),
        (TABLE + "four\tDown\tVis\n", "'four' is not a whole number"),
        (TABLE + "4\tDown\n", "Row 4 has 2 cells, the header 3"),
        (TABLE + "4\tDown\tVis\tmore\n", "Row 4 has 4 cells, the header 3"),
        (TABLE + "0\tFrontal Pole\tVis\n", "counts from 0"),
        ("index,name\n1," + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_table_with_a_defect_is_refused_with_the_reason(write_table, text, words):
    assert words in lut_refusal(write_table(text))


def test_a_table_that_is_no_text_or_no_file_is_refused(write_table, tmp_path, monkeypatch):
    assert "UTF-8" in lut_refusal(write_table("index\tname\n1\tRégion\n", encoding="latin-1"))
    assert "cannot be read" in lut_refusal(tmp_path / "missing.tsv")
    monkeypatch.setattr("bidsmask.columns.table._MAX_TABLE_BYTES", 10)
    assert "less than" in lut_refusal(write_table(TABLE))


def test_columns_of_a_table_have_its_length():
    with pytest.raises(AtlasError, match="2 labels"):
        LookUpTable(ids=(1, 2), names=("Left",))


@pytest.mark.parametrize("name", ["NA", "N/A", "None", "nan", "null", "-", "True", "7", "1e3"])
def test_what_looks_like_a_missing_value_or_a_number_is_a_name(write_table, name):
    path = write_table(f"index\tname\n1\t{name}\n2\tother\n")
    assert read_lut(path).names == (name, "other")
    assert lut_from_frame(pd.DataFrame({"index": [1], "name": [name]})).names == (name,)


def test_the_background_may_be_called_in_quotation_marks(write_table):
    path = write_table('index\tname\n0\t"Background"\n1\t"White Matter"\n')
    assert read_lut(path).names == ("White Matter",)


def test_another_background_leaves_0_to_a_region(write_table):
    path = write_table("index\tname\n-1\tLeft\n0\tRight\n5\tNot of interest\n")
    lut = read_lut(path, background=5)
    assert (lut.ids, lut.names) == ((-1, 0), ("Left", "Right"))
    with pytest.raises(AtlasError, match="counts from 0"):
        read_lut(path)


def test_large_labels_are_read_exactly(write_table):
    path = write_table(f"index\tname\n{2**53 + 1}.0\tLeft\n{2**63 - 1}\tRight\n")
    assert read_lut(path).ids == (2**53 + 1, 2**63 - 1)


# ---- other spellings


def test_a_column_label_is_taken_for_the_names_and_a_warning_says_so(write_table):
    lut = read_lut(write_table("index\tlabel\tnetwork\n1\tLeft\tVis\n"))
    assert lut == LookUpTable(ids=(1,), names=("Left",), columns=(("network", ("Vis",)),))
    (warning,) = lut.warnings
    assert warning.startswith("atlas_dseg.tsv: There is no column 'name'")
    assert "BIDS says 'name'" in warning


def test_with_a_column_name_a_column_label_is_one_more(write_table):
    lut = read_lut(write_table("index\tlabel\tname\n1\tL\tLeft\n"))
    assert lut == LookUpTable(ids=(1,), names=("Left",), columns=(("label", ("L",)),))
    assert lut.warnings == ()


@pytest.mark.parametrize("header", ["Component\tDifumo_names", "component\tdifumo_names"])
def test_columns_of_difumo_need_no_warning(write_table, header):
    lut = read_map_lut(write_table(f"{header}\tGM\n1\tInsula\t0.5\n2\tCuneus\t\n"))
    assert lut == LookUpTable(
        ids=(1, 2), names=("Insula", "Cuneus"), columns=(("GM", ("0.5", "n/a")),)
    )
    assert lut.warnings == ()


# ---- maps


def test_maps_with_one_name_get_their_numbers_and_a_warning_says_so(write_table):
    lut = read_map_lut(write_table("index\tname\n1\tVIIb\n2\tCuneus\n3\tVIIb\n"))
    assert lut.names == ("VIIb (1)", "Cuneus", "VIIb (3)")
    assert "atlas_dseg.tsv: Names that several maps share" in lut.warnings[0]
    assert "'VIIb'" in lut.warnings[0]


@pytest.mark.parametrize("index", [(1, 2, 3), (0, 1, 2), (10, 11, 49)])
def test_maps_are_numbered_from_1_however_the_table_counts(write_table, index):
    rows = "".join(f"{number}\tregion {row}\n" for row, number in enumerate(index))
    lut = read_map_lut(write_table("index\tname\n" + rows))
    assert lut == LookUpTable(ids=(1, 2, 3), names=("region 0", "region 1", "region 2"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name\n", "no regions"),
        ("index\n1\n", "no column 'name'; columns found: none"),
        ("name\tx\nLeft\t1\n\t2\n", "Label 2 has no name"),
        ("index\tname\n2\tLeft\n1\tRight\n", "index of row 2 is 1, after 2"),
        ("index\tname\n1\tLeft\n1\tRight\n", "index of row 2 is 1, after 1"),
        ("index\tname\nx\tLeft\n", "'x' is not a whole number"),
        ("name\tx\nA (2)\t\nA\t\nA\t\n", "The name 'A (2)' is there twice"),
        ("name\tx\nLeft\n", "Row 1 has 1 cells, the header 2"),
    ],
)
def test_a_table_of_maps_with_a_defect_is_refused(write_table, text, words):
    path = write_table(text)
    with pytest.raises(AtlasError) as caught:
        read_map_lut(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


# ---- frames


def test_a_frame_keeps_its_order_and_its_other_columns():
    frame = pd.DataFrame(
        {"name": ["Left", "Right"], "index": [3.0, 1.0], "volume": [1.5, np.nan]}, index=[8, 9]
    )
    assert lut_from_frame(frame) == LookUpTable(
        ids=(3, 1), names=("Left", "Right"), columns=(("volume", ("1.5", "n/a")),)
    )


def test_a_frame_may_have_a_blank_row():
    frame = pd.DataFrame({"index": [1, None], "name": ["Left", None]})
    assert lut_from_frame(frame) == LookUpTable(ids=(1,), names=("Left",))


def test_numbers_that_name_regions_become_text():
    assert lut_from_frame(pd.DataFrame({"index": [1, 2], "name": [17, 4]})).names == ("17", "4")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", " "])
def test_a_missing_value_in_a_frame_is_no_name(missing):
    frame = pd.DataFrame({"index": [1, 2], "name": ["Left", missing]})
    with pytest.raises(AtlasError, match="Label 2 has no name"):
        lut_from_frame(frame)


def test_a_frame_that_counts_from_0_is_refused_and_is_not_changed():
    frame = pd.DataFrame({"index": [0, 1], "name": ["Frontal Pole", "Insula"]})
    before = frame.copy()
    with pytest.raises(AtlasError, match="counts from 0"):
        lut_from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)


# ---- without a table


def test_labels_without_a_table_are_called_after_themselves():
    assert table_from_labels(np.array([2, 5])) == LookUpTable(
        ids=(2, 5), names=("label-2", "label-5")
    )


def test_maps_without_a_table_are_numbered():
    assert table_from_maps(2) == LookUpTable(ids=(1, 2), names=("map-1", "map-2"))
