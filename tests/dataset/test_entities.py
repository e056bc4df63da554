from __future__ import annotations

import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.entities import (
    ENTITY_ORDER,
    Entities,
    build_name,
    is_label,
    parse_name,
)

labels = st.text(string.ascii_letters + string.digits + "+", min_size=1, max_size=8)
words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
unknown = st.text(string.ascii_lowercase, min_size=1).filter(lambda name: name not in ENTITY_ORDER)
entities = st.dictionaries(st.sampled_from(ENTITY_ORDER) | unknown, labels)
extensions = st.lists(words, max_size=3).map(lambda parts: "".join(f".{part}" for part in parts))


@given(entities, words, extensions)
def test_a_name_that_was_read_is_built_again(entities, suffix, extension):
    name = build_name(entities, suffix, extension)
    parsed = parse_name(name)
    assert dict(parsed.entities) == entities
    assert build_name(parsed.entities, parsed.suffix, parsed.extension) == name


@given(entities, st.randoms())
def test_the_order_in_which_entities_come_does_not_matter(entities, random):
    shuffled = list(entities.items())
    random.shuffle(shuffled)
    assert Entities(shuffled) == Entities(entities)
    assert hash(Entities(shuffled)) == hash(Entities(entities))


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_value_error(text):
    try:
        parsed = parse_name(text)
    except ValueError:
        return
    assert parsed.suffix


@pytest.mark.parametrize(
    ("name", "expected", "suffix", "extension"),
    [
        ("sub-01_bold.nii.gz", {"sub": "01"}, "bold", ".nii.gz"),
        ("sub-01_run-01_bold.nii", {"sub": "01", "run": "01"}, "bold", ".nii"),  # padding kept
        ("sub-01_space-fsLR_bold.dtseries.nii", {"sub": "01", "space": "fsLR"}, "bold",
         ".dtseries.nii"),
        ("sub-01_desc-24P+aCompCor_bold.json", {"sub": "01", "desc": "24P+aCompCor"}, "bold",
         ".json"),
        ("a/task-bar/sub-01_bold.nii", {"sub": "01"}, "bold", ".nii"),  # folders say nothing
        ("sub-01_odd-x_desc-y_bold", {"sub": "01", "odd": "x", "desc": "y"}, "bold", ""),
        ("participants.tsv", {}, "participants", ".tsv"),
    ],
)  # fmt: skip
def test_names_are_read(name, expected, suffix, extension):
    parsed = parse_name(name)
    assert (dict(parsed.entities), parsed.suffix, parsed.extension) == (
        expected,
        suffix,
        extension,
    )


@pytest.mark.parametrize(
    "name",
    [
        "sub-01.nii.gz",  # no suffix
        "sub-01_task-re-st_bold.nii.gz",  # a dash in a label
        "sub-01_task-re_st_bold.nii.gz",  # an underscore in a label
        "sub-01__bold.nii.gz",
        "sub-01_task-_bold.nii.gz",
        "sub-01_sub-01_bold.nii.gz",  # twice
        "sub-é_bold.nii.gz",
        "sub-01_task-a.b_bold.nii.gz",
        "._sub-01_bold.nii.gz",  # AppleDouble
        "sub-01_bold..nii",
        "sub-01_bold.nii.gz~",
        "",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="not a BIDS file name"):
        parse_name(name)


def test_stat_and_desc_come_last_and_unknown_entities_before_them():
    built = build_name({"desc": "d", "stat": "s", "zzz": "z", "res": "2", "sub": "1"}, "bold", "")
    assert built == "sub-1_res-2_zzz-z_stat-s_desc-d_bold"


@pytest.mark.parametrize("label", ["../x", "a b", "a-b", "a_b", "", "a\n", "é"])
def test_a_label_that_bids_does_not_allow_is_refused(label):
    assert not is_label(label)
    with pytest.raises(ValueError, match="is not a label"):
        build_name({"sub": label}, "bold", ".nii")


@pytest.mark.parametrize(("suffix", "extension"), [("", ".nii"), ("a/b", ".nii"), ("bold", "/x")])
def test_a_suffix_or_extension_that_leaves_the_folder_is_refused(suffix, extension):
    with pytest.raises(ValueError, match="is not a"):
        build_name({"sub": "01"}, suffix, extension)


def test_entities_travel_between_processes():
    entities = Entities({"task": "rest", "sub": "01"})
    assert pickle.loads(pickle.dumps(entities)) == entities
    assert repr(entities) == "Entities({'sub': '01', 'task': 'rest'})"


def test_entities_are_compared_by_their_labels_verbatim():
    assert Entities({"run": "1"}) != Entities({"run": "01"})
