from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.selection import Selection, agrees, read_filter_file
from bidsmask.errors import SettingsError

RUN = {"sub": "01", "ses": "a", "task": "rest", "run": "01", "space": "MNI", "res": "2"}

labels = st.dictionaries(st.sampled_from(["sub", "run", "acq"]), st.sampled_from(["1", "01", "a"]))


@given(labels)
def test_a_file_agrees_with_its_own_labels(labels):
    assert agrees(labels, tuple(labels.items()))
    assert agrees(labels, tuple((entity, "*") for entity in labels))
    assert not any(agrees(labels, ((entity, None),)) for entity in labels)


@given(labels, st.sampled_from(["acq", "run"]), st.sampled_from(["1", "a", None, "*"]))
def test_one_of_a_list_is_as_good_as_itself(labels, entity, wanted):
    assert agrees(labels, ((entity, (wanted,)),)) == agrees(labels, ((entity, wanted),))


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ((("run", "1"),), True),
        ((("run", "001"),), True),
        ((("run", "2"),), False),
        ((("sub", "1"),), False),  # participants are names, not numbers
        ((("echo", None),), True),
        ((("echo", "*"),), False),
        ((("echo", (None, "1")),), True),
        ((("task", ("nback", "rest")),), True),
        ((("task", ("nback",)),), False),
        ((("task", ()),), False),
        ((("task", "rest"), ("run", "2")), False),
    ],
)
def test_criteria(criteria, expected):
    assert agrees(RUN, criteria) is expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), True),
        (Selection(sessions=("ses-a",), tasks=("task-rest",), runs=("run-1",)), True),
        (Selection(sessions=("b", "a")), True),
        (Selection(sessions=("b",)), False),
        (Selection(sessions=("a",), tasks=("nback",)), False),
        (Selection(spaces=("MNI",)), True),
        (Selection(spaces=("space-MNI:res-2",)), True),
        (Selection(spaces=("MNI:res-native",)), False),
        (Selection(spaces=("MNI:res-1", "T1w")), False),
        (Selection(spaces=("bold",)), False),
        (Selection(filters=(("bold", (("run", "2"),)),)), False),
        (Selection(filters=(("mask", (("run", "2"),)),)), True),
    ],
)
def test_selections(selection, expected):
    assert selection.accepts(RUN) is expected


@pytest.mark.parametrize("space", ["bold", "func", "run", "native"])
def test_the_native_space_has_names(space):
    assert Selection(spaces=(space,)).accepts({"sub": "01"})
    assert not Selection(spaces=(space,)).accepts({"sub": "01", "space": "T1w"})


@pytest.mark.parametrize(
    ("asked", "named", "others"),
    [
        ("fsaverage3", "fsaverage_den-642", "fsaverage4 fsaverage"),
        ("fsaverage4", "fsaverage_den-3k", "fsaverage3 fsaverage_den-10k"),
        ("fsaverage5", "fsaverage_den-10k", "fsaverage6 fsaverage_den-41k fsaverage"),
        ("fsaverage6", "fsaverage_den-41k", "fsaverage5 fsaverage_den-164k"),
        ("fsaverage:den-3k", "fsaverage4", "fsaverage fsaverage_den-10k"),
        ("fsaverage:den-10k", "fsaverage5", "fsaverage fsaverage_den-41k fsaverage6"),
        ("fsaverage:den-164k", "fsaverage", "fsaverage6 fsaverage_den-10k"),
        ("fsaverage", "fsaverage_den-164k", "fsaverage5 fsaverage6"),
        ("fsLR:den-32k", "fsLR_den-32k", "fsLR fsLR_den-164k"),
    ],
)
def test_a_mesh_of_fsaverage_is_found_by_both_of_its_names(asked, named, others):
    def found(name):
        space, *rest = name.split("_")
        labels = {"space": space, **dict(part.split("-") for part in rest)}
        return Selection(spaces=(asked,)).accepts(labels)

    assert found(named)
    assert found(asked.replace(":", "_"))
    assert not any(map(found, others.split()))


def test_participants_are_known_without_their_prefix_each_once():
    assert Selection(participants=("sub-02", "01", "02")).subjects == ("02", "01")


def test_what_the_user_decides_is_known():
    selection = Selection(spaces=("MNI:res-2",), filters=(("bold", (("desc", None),)),))
    assert [e for e in ("space", "res", "desc", "echo") if selection.decides("bold", e)] == [
        "space", "res", "desc"
    ]  # fmt: skip
    assert not selection.decides("mask", "space")


def read(tmp_path, content):
    path = tmp_path / "filter.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_filter_file(path)


def test_a_filter_file_is_read(tmp_path):
    filters, warnings = read(
        tmp_path,
        {
            "bold": {"acquisition": "ap", "echo": None, "run": [1, "02"], "direction": "*"},
            "mask": {"desc": "desc-brain", "extension": "nii.gz", "datatype": "func"},
        },
    )
    assert filters == (
        ("bold", (("acq", "ap"), ("echo", None), ("run", ("1", "02")), ("dir", "*"))),
        ("mask", (("desc", "brain"), ("extension", ".nii.gz"), ("datatype", "func"))),
    )
    assert warnings == ()


def test_queries_and_entities_that_nobody_knows_draw_a_warning(tmp_path):
    filters, warnings = read(tmp_path, {"t1w": {"x": [{}]}, "bold": {"odd": "x"}, "fmap": {}})
    assert filters == (("bold", (("odd", "x"),)),)
    assert '"t1w", "fmap" is not looked for' in warnings[0]
    assert 'no entity "odd"' in warnings[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('{"bold": {"run": ' + "1" * 5000 + "}}", "cannot be read"),
        ("[1]", "is a JSON object"),
        ({"bold": "x"}, '"bold" has to be an object'),
        ({"bold": {"run": True}}, '"run" cannot be true'),
        ({"bold": {"run": 1.5}}, "cannot be 1.5"),
        ({"bold": {"run": {}}}, "cannot be {}"),
        ({"bold": {"run": [["1"]]}}, "cannot be"),
        ({"bold": {"session": "../../x"}}, '"session" cannot be "../../x"'),
        ({"mask": {"extension": "/x.nii"}}, "cannot be"),
    ],
)
def test_what_cannot_be_a_filter_is_refused(tmp_path, content, message):
    with pytest.raises(SettingsError, match=r"filter\.json") as error:
        read(tmp_path, content)
    assert message in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("damage", [lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\x00x"),
                                    lambda p: None])  # fmt: skip
def test_a_filter_file_that_cannot_be_read_is_refused(tmp_path, damage):
    damage(tmp_path / "filter.json")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_filter_file(tmp_path / "filter.json")


def test_the_parser_pays_for_the_standard_library_only():
    code = (
        "import sys, bidsmask.dataset.selection\n"
        "print({'numpy', 'pandas', 'bids', 'nibabel'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
