import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.columns.table import LookUpTable, read_lut, table_from_labels
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


@settings(max_examples=50)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 2**40),
            st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20),
        ),
        min_size=1,
        max_size=20,
        unique_by=(lambda row: row[0], lambda row: row[1]),
    )
)
def test_any_names_read_back_in_the_order_of_the_file(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any_dseg.tsv"
    lines = ["index\tname", *(f"{index}\t{name}" for index, name in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lut = read_lut(path)
    assert list(zip(lut.ids, lut.names, strict=True)) == rows


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


def test_a_quotation_mark_in_a_tsv_is_a_character(write_table):
    path = write_table('index\tname\n1\t"Gyrus\n2\tSulcus\n')
    assert read_lut(path).names == ('"Gyrus', "Sulcus")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'index'; columns found: none"),
        ("name\tlabel\nLeft\t1\n", "no column 'index'; columns found: name, label"),
        ("index\tlabel\n1\tLeft\n", "no column 'name'"),
        ("index\tname\tindex\n1\tLeft\t2\n", "column 'index' is there twice"),
        ("index\tname\n", "no regions"),
        ("index\tname\n0\tBackground\n", "no regions"),
        (TABLE + "3\tAgain\tVis\n", "label 3 is there twice"),
        (TABLE + "4\tLeft\tVis\n", "name 'Left' is there twice"),
        (TABLE + "4\t\tVis\n", "Label 4 has no name"),
        (TABLE + "-4\tDown\tVis\n", "label -4 cannot be"),
        (TABLE + "99999999999999999999\tDown\tVis\n", "cannot be"),
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


def test_labels_without_a_table_are_called_after_themselves():
    assert table_from_labels(np.array([2, 5])) == LookUpTable(
        ids=(2, 5), names=("label-2", "label-5")
    )
