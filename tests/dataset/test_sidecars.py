from __future__ import annotations

import gzip
import json
import os

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.sidecars import (
    T_R_RANGE_S,
    T_R_TOLERANCE_S,
    Folders,
    Metadata,
    content_problem,
    find_sidecars,
    header_t_r,
    read_json,
    read_metadata,
    repetition_time,
)
from bidsmask.errors import SidecarError

BOLD = "sub-01/ses-1/func/sub-01_ses-1_task-rest_space-MNI_desc-preproc_bold.nii.gz"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
times = st.floats(*T_R_RANGE_S)


def metadata(origin, **values):
    return Metadata(values=values, origins=dict.fromkeys(values, origin))


@given(json_values, st.none() | st.floats())
def test_a_repetition_time_is_plausible_or_there_is_a_problem(tmp_path_factory, value, header):
    image = tmp_path_factory.getbasetemp() / "sub-01_bold.nii.gz"
    said = metadata(image.with_name("sub-01_bold.json"), RepetitionTime=value)
    decided = repetition_time(image, said, header)
    assert (decided.t_r is None) == (decided.problem is not None)
    if decided.t_r is not None:
        assert decided.t_r == value
        assert T_R_RANGE_S[0] <= decided.t_r <= T_R_RANGE_S[1]


@given(times, times)
def test_two_times_that_differ_are_never_passed_over(tmp_path_factory, value, header):
    image = tmp_path_factory.getbasetemp() / "sub-01_bold.nii.gz"
    decided = repetition_time(image, metadata(image, RepetitionTime=value), header)
    differ = abs(value - header) > T_R_TOLERANCE_S
    assert bool(decided.problem or decided.warning) == differ


@given(st.fixed_dictionaries({}, optional={"TaskName": json_values, "StartTime": json_values}))
def test_kept_metadata_can_be_hashed_and_written(values):
    pairs = Metadata(values=values).pairs()
    hash(pairs)
    assert list(pairs) == sorted(pairs, key=lambda pair: pair[0])
    json.dumps(pairs, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "header", "t_r", "said"),
    [
        (2, 2.0, 2.0, ""),
        (2.0, 2.0005, 2.0, ""),  # rounding
        (2.0, None, 2.0, ""),  # the image reader says what is wrong with the image
        (2.0, 0.0, 2.0, "placeholder"),
        (2.0, 1.0, 2.0, "placeholder"),
        (1.0, 1.0, 1.0, ""),
        (2.0, 2000.0, 2.0, "placeholder"),
        (2.0, 0.002, 2.0, "placeholder"),
        (2.0, float("nan"), 2.0, "placeholder"),
        (2.0, -1.0, 2.0, "placeholder"),
        (2.0, 2.5, None, "2 s in"),
        (2.0, 2.5, None, "2.5 s in the header"),
        (2000, 2.0, None, "not milliseconds"),
        (0, 2.0, None, "between 0.1 and 20 s"),
        (-2, 2.0, None, "between 0.1 and 20 s"),
        (float("nan"), 2.0, None, "between"),
        (10**4000, 2.0, None, "between"),
        ("2.0", 2.0, None, "is '2.0', a number"),
        (None, 2.0, None, "is None, a number"),
        (True, 1.0, None, "is True, a number"),
        ([2.0], 2.0, None, "a number"),
    ],
)
def test_sidecar_and_header_are_compared(tmp_path, value, header, t_r, said):
    sidecar = tmp_path / "sub-01_bold.json"
    image = tmp_path / "sub-01_bold.nii.gz"
    decided = repetition_time(image, metadata(sidecar, RepetitionTime=value), header)
    letter = decided.problem or decided.warning or ""
    assert decided.t_r == t_r
    assert said in letter
    assert bool(letter) == bool(said)
    assert not letter or sidecar.name in letter
    assert len(letter) < 500


@pytest.mark.parametrize(
    ("header", "t_r", "said"),
    [
        (2.0, 2.0, "2 s of its header is used"),
        (0.0, None, "its header has 0 s"),
        (2000.0, None, "its header has 2000 s"),
        (None, None, "its header is not readable"),
    ],
)
def test_without_a_sidecar_a_plausible_header_is_taken(tmp_path, header, t_r, said):
    decided = repetition_time(tmp_path / "sub-01_bold.nii.gz", Metadata(), header)
    assert decided.t_r == t_r
    assert said in (decided.problem or decided.warning)


def test_volumes_that_are_not_evenly_spaced_cannot_be_cleaned(tmp_path):
    sidecar = tmp_path / "sub-01_bold.json"
    said = metadata(sidecar, VolumeTiming=[0, 1, 5])
    decided = repetition_time(tmp_path / "sub-01_bold.nii.gz", said, 2.0)
    assert "VolumeTiming and no RepetitionTime" in decided.problem


@pytest.mark.parametrize(
    ("step", "unit", "expected"),
    [(2.0, "sec", 2.0), (2000.0, "msec", 2.0), (2e6, "usec", 2.0), (2.0, "unknown", 2.0),
     (0.0, "sec", 0.0), (2.0, "hz", None)],
)  # fmt: skip
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_header_times_are_read_in_seconds(tmp_path, step, unit, expected, kind):
    image = kind(np.zeros((1, 1, 1, 2), dtype=np.int16), np.eye(4))
    image.header["pixdim"][4] = step
    image.header.set_xyzt_units("mm", unit)
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(gzip.compress(image.to_bytes()))
    assert header_t_r(path) == pytest.approx(expected)


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 1000, gzip.compress(b"x" * 1000), gzip.compress(b"x" * 1000)[:20]],
    ids=["empty", "no-header", "compressed", "truncated"],
)
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_a_header_that_cannot_be_read_has_no_time(tmp_path, content, extension):
    path = tmp_path / f"bold{extension}"
    path.write_bytes(content)
    assert header_t_r(path) is None


def test_the_closest_sidecar_wins_key_by_key(dataset):
    image = dataset.write(BOLD)
    said = {
        "task-rest_bold.json": {"A": "root", "B": "root", "C": "root", "D": "root"},
        "sub-01/sub-01_bold.json": {"B": "subject", "C": "subject", "D": "subject"},
        "sub-01/ses-1/sub-01_ses-1_task-rest_bold.json": {"C": "session", "D": "session"},
        BOLD.replace(".nii.gz", ".json"): {"D": "file"},
        # none of these applies
        "task-nback_bold.json": {"A": "no"},
        "task-rest_sbref.json": {"A": "no"},
        "sub-02/sub-02_bold.json": {"A": "no"},
        "sub-01/ses-2/sub-01_ses-2_bold.json": {"A": "no"},
        BOLD.replace("_desc-preproc_bold.nii.gz", "_echo-1_bold.json"): {"A": "no"},
        BOLD.replace("preproc_bold.nii.gz", "brain_mask.json"): {"A": "no"},
        "sub-01/ses-1/func/README.json": {"A": "no"},
    }
    for where, content in said.items():
        dataset.write(where, content)
    found = read_metadata(image, root=dataset.root, folders=Folders())
    assert found.values == {"A": "root", "B": "subject", "C": "session", "D": "file"}
    assert found.origins["B"] == dataset.root / "sub-01/sub-01_bold.json"


def test_in_one_folder_the_more_specific_sidecar_is_closer(dataset):
    image = dataset.write(BOLD)
    general = dataset.write("bold.json", {})
    specific = dataset.write("task-rest_space-MNI_bold.json", {})
    middle = dataset.write("task-rest_bold.json", {})
    found = find_sidecars(image, root=dataset.root, folders=Folders())
    assert found == [general, middle, specific]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"RepetitionTime": 2', "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"a": ' * 100_000, "cannot be read as JSON"),
        (b'{"a": "\xe9"}', "cannot be read as JSON"),  # latin-1
        (b"[1, 2]", "holds no JSON object"),
        (b"null", "holds no JSON object"),
        (b"", "is empty (0 bytes)"),
        (b"/annex/objects/MD5E-s3--x.json\n", "`datalad get "),
        (b" " * (16 * 2**20 + 1), "larger than 16 MB"),
    ],
)
def test_a_sidecar_that_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "sub-01_bold.json"
    path.write_bytes(content)
    with pytest.raises(SidecarError) as error:
        read_json(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_byte_order_mark_is_no_defect(tmp_path):
    path = tmp_path / "sub-01_bold.json"
    path.write_bytes(b'\xef\xbb\xbf{"RepetitionTime": 2.0}')
    assert read_json(path) == {"RepetitionTime": 2.0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to("/nowhere/x"), "`datalad get "),
        (lambda path: path.symlink_to(path.name), "cannot be read"),  # to itself
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is a pipe"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("/annex/objects/MD5E-s3--x\n"), "`datalad get "),
        (lambda path: None, "No such file"),
    ],
)
def test_content_that_cannot_be_read_is_told_from_content_that_can(tmp_path, make, message):
    path = tmp_path / "a file"
    make(path)
    assert message in content_problem(path)
    assert str(path) in content_problem(path)


def test_content_that_can_be_read_has_no_problem(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    link = tmp_path / "link"
    link.symlink_to(path)
    assert content_problem(path) is content_problem(link) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_problem(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0)
    assert "no permission" in content_problem(path)


def test_the_path_in_a_datalad_command_can_be_pasted(tmp_path):
    path = tmp_path / "it's here"
    path.symlink_to("/nowhere")
    assert "it'\"'\"'s here'`" in content_problem(path)
