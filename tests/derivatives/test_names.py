"""Names of outputs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.entities import ENTITY_ORDER, parse_name
from bidsmask.derivatives.names import LONGEST_NAME, output_name, run_folder
from bidsmask.errors import LongNameError

LABELS = st.text("0123456789abcXYZ+", min_size=1, max_size=6)
SOURCE_ENTITIES = ("ses", "task", "acq", "dir", "run", "echo", "part", "space", "res", "desc")
RUNS = st.fixed_dictionaries({"sub": LABELS}, optional=dict.fromkeys(SOURCE_ENTITIES, LABELS))


@given(run=RUNS)
def test_every_entity_of_the_source_but_desc_is_kept_verbatim(run: dict[str, str]) -> None:
    name = output_name(run, suffix="timeseries", extension=".tsv", desc="36P", stat="mean")
    entities = dict(parse_name(name.name).entities)
    assert entities == {**run, "desc": "36P", "stat": "mean"}


@given(run=RUNS, atlas=st.dictionaries(st.sampled_from(["atlas", "seg", "scale"]), LABELS))
def test_entities_stand_in_the_order_of_bids(run: dict[str, str], atlas: dict[str, str]) -> None:
    name = output_name(
        run, suffix="relmat", extension=".tsv", atlas=tuple(atlas.items()), stat="mean", desc="x"
    ).name
    keys = [part.split("-")[0] for part in name.split("_")[:-1]]
    assert keys == sorted(keys, key=ENTITY_ORDER.index)
    assert keys[-2:] == ["stat", "desc"]


@given(run=RUNS)
def test_outputs_stay_below_the_folder_of_their_subject(run: dict[str, str]) -> None:
    path = output_name(run, suffix="qc", extension=".tsv")
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path.parts[0] == f"sub-{run['sub']}"


@given(run=RUNS)
def test_the_same_name_in_all_spaces_has_no_space(run: dict[str, str]) -> None:
    name = output_name(run, suffix="design", extension=".tsv", with_space=False).name
    assert not {"space", "res", "cohort"} & set(parse_name(name).entities)


def test_a_session_has_a_folder() -> None:
    run = {"sub": "01", "ses": "pre", "task": "rest"}
    assert run_folder(run) == Path("sub-01/ses-pre/func")
    assert str(output_name(run, suffix="qc", extension=".tsv", desc="bidsmask")) == (
        "sub-01/ses-pre/func/sub-01_ses-pre_task-rest_desc-bidsmask_qc.tsv"
    )


def test_a_cohort_joins_its_space() -> None:
    run = {"sub": "01", "task": "rest", "space": "MNIInfant", "cohort": "1", "res": "2"}
    assert output_name(run, suffix="dseg", extension=".nii.gz", atlas=[("seg", "me")]).name == (
        "sub-01_task-rest_space-MNIInfant+1_seg-me_res-2_dseg.nii.gz"
    )


def test_an_entity_that_bids_does_not_know_is_kept_before_stat() -> None:
    run = {"sub": "01", "task": "rest", "foo": "bar", "space": "T1w", "desc": "preproc"}
    assert output_name(run, suffix="bold", extension=".tsv", stat="coverage").name == (
        "sub-01_task-rest_space-T1w_foo-bar_stat-coverage_bold.tsv"
    )


@pytest.mark.parametrize("label", ["../../etc", "a_b", "a-b", "", "a/b", "é"])
def test_a_label_that_could_leave_the_folder_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        output_name({"sub": "01"}, suffix="bold", extension=".tsv", desc=label)
    with pytest.raises(ValueError, match="label"):
        output_name({"sub": label}, suffix="bold", extension=".tsv")


def test_a_name_that_is_too_long_is_refused_with_both_numbers() -> None:
    short = output_name({"sub": "01"}, suffix="bold", extension=".tsv", desc="x").name
    room = LONGEST_NAME - len(short) + 1
    longest = output_name({"sub": "01"}, suffix="bold", extension=".tsv", desc="x" * room)
    assert len(longest.name) == LONGEST_NAME
    with pytest.raises(LongNameError, match=r"has 256 characters, but .* 255"):
        output_name({"sub": "01"}, suffix="bold", extension=".tsv", desc="x" * (room + 1))
