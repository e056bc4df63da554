import numpy as np
import pandas as pd
import pytest

from bidsmask.maskers.naming import region_table

PRESENT = np.array([0, 3, 5, 7])


def names(**how):
    return region_table(PRESENT, 0, **how).frame["name"].tolist()


def test_regions_without_names_are_called_after_their_labels():
    assert names() == ["Background", "3", "5", "7"]


@pytest.mark.parametrize("spelling", ["background", "Background"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_the_name_of_the_background_may_stand_anywhere(spelling, place):
    labels = ["a", "b", "c"]
    labels.insert(place, spelling)
    assert names(labels=labels) == ["Background", "a", "b", "c"]


def test_an_empty_list_of_names_is_none():
    assert names(labels=[]) == names()


def test_too_few_names_are_refused_and_those_without_one_named():
    with pytest.raises(ValueError, match=r"3 regions \(3, 5, 7\).*1 names.*Without a name: 5, 7"):
        names(labels=["a"])


def test_too_many_names_are_refused():
    with pytest.raises(ValueError, match=r"3 regions \(3, 5, 7\), and there are 6 names"):
        names(labels=list("abcdef"))


@pytest.mark.parametrize("word", ["Unknown", "???", "none"])
def test_one_name_more_is_that_of_the_background_if_it_is_called_so(word):
    assert names(labels=[word, "a", "b", "c"]) == ["Background", "a", "b", "c"]


def test_another_label_may_be_the_background():
    table = region_table(PRESENT, 5, labels=["a", "b", "c"])
    assert list(table.names) == ["a", "b", "Background", "c"]


def test_a_background_that_is_not_there_has_no_row():
    assert region_table(PRESENT[1:], 0).index.tolist() == [3, 5, 7]


def test_rows_are_matched_by_label_and_further_columns_kept():
    lut = pd.DataFrame(
        {"index": [7, 3, 99, 5], "name": ["g", "c", "?", "e"], "network": ["N", "M", "-", "L"]}
    )
    table = region_table(PRESENT, 0, lut=lut).frame
    assert table["name"].tolist() == ["Background", "c", "e", "g"]
    assert table["network"].tolist() == ["n/a", "M", "L", "N"]
    kept = region_table(PRESENT, 0, lut=lut, keep_absent=True)
    assert kept.region_names == ["c", "e", "g", "?"]


def test_a_label_that_the_table_does_not_name_is_refused():
    with pytest.raises(ValueError, match="no row for 2 labels of the image: 5, 7"):
        names(lut=pd.DataFrame({"index": [3], "name": ["c"]}))


def test_a_table_that_counts_from_0_where_the_image_counts_from_1_is_refused():
    lut = pd.DataFrame({"index": range(8), "name": list("abcdefgh")})
    with pytest.raises(ValueError, match="counts from 0"):
        names(lut=lut)


@pytest.mark.parametrize(("suffix", "separator"), [("tsv", "\t"), ("csv", ",")])
def test_a_table_may_be_a_file(tmp_path, suffix, separator):
    path = tmp_path / f"lut.{suffix}"
    rows = ["index,name", "3,NA", "5,nan", "7,g"]
    path.write_text("\ufeff" + "\n".join(rows).replace(",", separator) + "\n", "utf-8")
    for given in (path, str(path)):
        assert names(lut=given) == ["Background", "NA", "nan", "g"]


def test_the_caller_s_table_is_not_changed():
    lut = pd.DataFrame({"index": [7, 3, 5], "name": ["g", "c", "e"]})
    before = lut.copy()
    names(lut=lut)
    pd.testing.assert_frame_equal(lut, before)


def test_names_come_from_one_place():
    with pytest.raises(ValueError, match="not both"):
        names(labels=["a"], lut=pd.DataFrame({"index": [3], "name": ["a"]}))


def test_a_table_without_names_is_refused():
    with pytest.raises(ValueError, match="no column 'name'"):
        names(lut=pd.DataFrame({"index": [3]}))
