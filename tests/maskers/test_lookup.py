import numpy as np
import pandas as pd
import pytest

from bidsmask.maskers.lookup import region_table

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


def test_too_few_names_leave_some_unknown_with_a_warning():
    with pytest.warns(UserWarning, match="Too many indices for the names"):
        assert names(labels=["a"]) == ["Background", "a", "unknown", "unknown"]


def test_too_many_names_are_cut_with_a_warning():
    with pytest.warns(UserWarning, match="Too many names for the indices"):
        assert names(labels=list("abcdef")) == ["Background", "a", "b", "c"]


def test_another_label_may_be_the_background():
    table = region_table(PRESENT, 5, labels=["a", "b", "c"])
    assert list(table.names) == ["a", "b", "Background", "c"]


def test_a_background_that_is_not_there_has_no_row():
    assert region_table(PRESENT[1:], 0).index.tolist() == [3, 5, 7]


def test_rows_are_matched_by_label_and_further_columns_kept():
    lut = pd.DataFrame({"index": [7, 3, 99], "name": ["g", "c", "?"], "network": ["N", "M", "-"]})
    table = region_table(PRESENT, 0, lut=lut).frame
    assert table["name"].tolist() == ["Background", "c", "unknown", "g"]
    assert table["network"].tolist()[1:4:2] == ["M", "N"]


@pytest.mark.parametrize(("suffix", "separator"), [("tsv", "\t"), ("csv", ",")])
def test_a_table_may_be_a_file(tmp_path, suffix, separator):
    path = tmp_path / f"lut.{suffix}"
    path.write_text(f"\ufeffindex{separator}name\n3{separator}c\n7{separator}g\n", "utf-8")
    for given in (path, str(path)):
        assert names(lut=given) == ["Background", "c", "unknown", "g"]


def test_the_caller_s_table_is_not_changed():
    lut = pd.DataFrame({"index": [7, 3], "name": ["g", "c"]})
    before = lut.copy()
    names(lut=lut)
    pd.testing.assert_frame_equal(lut, before)


def test_names_come_from_one_place():
    with pytest.raises(ValueError, match="not both"):
        names(labels=["a"], lut=pd.DataFrame({"index": [3], "name": ["a"]}))


def test_a_table_without_names_is_refused():
    with pytest.raises(ValueError, match="no column 'name'; its columns are: index"):
        names(lut=pd.DataFrame({"index": [3]}))
