"""Tables that strategies ask for besides fMRIPrep's: which belong to a run, and which letters."""

from __future__ import annotations

import pytest

from bidsmask.dataset.run_tables import find_tables
from bidsmask.dataset.sidecars import Folders
from bidsmask.dataset.strategies import TableQuery

RUN = "sub-01_ses-a_task-rest_run-1"
FUNC = "sub-01/ses-a/func"


def query(desc="ICA", suffix="mixing", dataset=None, **entities):
    criteria = (*entities.items(), ("desc", desc), ("suffix", suffix))
    return TableQuery(dataset=dataset, criteria=criteria)


@pytest.fixture
def world(dataset, new_dataset):
    """A run, and another dataset; what is found for a query."""
    bold = dataset.add_run(RUN, grid="space-MNI_res-2")
    other = new_dataset("other")

    def find(*queries):
        found = find_tables(
            bold, queries, root=dataset.root, folders=Folders(), datasets={"tedana": other.root}
        )
        return found[0] if len(queries) == 1 else found

    return dataset, other, find


@pytest.mark.parametrize(
    "name",
    [
        f"{FUNC}/{RUN}_desc-ICA_mixing.tsv",
        f"{FUNC}/sub-01_ses-a_task-rest_run-01_desc-ICA_mixing.tsv",
        f"{FUNC}/{RUN}_part-mag_desc-ICA_mixing.tsv",
        f"{FUNC}/{RUN}_space-MNI152NLin6Asym_res-2_desc-ICA_mixing.tsv",
        f"{RUN}_desc-ICA_mixing.tsv",
        f"sub-01/{RUN}_desc-ICA_mixing.tsv",
        f"sub-01/func/{RUN}_desc-ICA_mixing.tsv",
        f"{RUN}/desc-ICA_mixing.tsv",
        f"{RUN}_tedana/desc-ICA_mixing.tsv",
        f"{FUNC}/task-rest_run-01/desc-ICA_mixing.tsv",
        f"{FUNC}/{RUN}/ica_mixing.tsv",
        f"{FUNC}/{RUN}_ica_mixing.tsv",
    ],
)
@pytest.mark.parametrize("named", [None, "tedana"])
def test_a_table_is_found_by_its_name_or_that_of_its_folder(world, name, named):
    _, other, find = world
    path = other.write(name, "ICA_0\n1\n")
    other.write(name.replace("run-", "run-2"), "ICA_0\n1\n")
    found = find(query(dataset=named))
    if "_tedana/" in name:  # a name that is no list of entities says nothing
        assert found.path is None
        assert f"call it {RUN}_desc-ICA_mixing.tsv" in found.problem
        return
    assert (found.path, found.root, found.problem) == (path, other.root, None)


def test_the_table_beside_the_bold_comes_first(world):
    dataset, other, find = world
    name = f"{FUNC}/{RUN}_desc-aroma_timeseries.tsv"
    mine, theirs = dataset.write(name, "a\n1\n"), other.write(name, "a\n1\n")
    aroma = ("aroma", "timeseries")
    assert find(query(*aroma)).path == mine
    assert find(query(*aroma, dataset="tedana")).path == theirs
    assert find(query(*aroma, dataset="preprocessed")).path == mine


def test_one_query_after_the_other_is_answered(world):
    _, other, find = world
    mixing = other.write(f"{FUNC}/{RUN}_desc-ICA_mixing.tsv", "a\n1\n")
    found = find(query(), query("tedana", "metrics"))
    assert [table.path for table in found] == [mixing, None]
    assert query().metrics == query("tedana", "metrics")
    assert query("melodic").metrics == query("aroma", "metrics")
    assert query("mine").metrics == query("mine", "metrics")


@pytest.mark.parametrize(
    "other_name",
    [
        f"{FUNC}/{RUN}_space-MNI152NLin6Asym_res-2_desc-ICA_mixing.tsv",
        f"{RUN}/desc-ICA_mixing.tsv",
        f"{FUNC}/{RUN}_ica_mixing.tsv",
    ],
)
def test_two_tables_are_never_chosen_between(world, other_name):
    _, other, find = world
    other.write(f"{FUNC}/{RUN}_desc-ICA_mixing.tsv", "a\n1\n")
    other.write(other_name, "a\n1\n")
    found = find(query())
    assert found.path is None
    assert f"{FUNC}/{RUN}_desc-ICA_mixing.tsv of tedana" in found.problem
    assert f"{other_name} of tedana" in found.problem
    assert str(other.root) not in found.problem  # letters travel with the outputs


def test_an_entity_in_the_strategy_chooses_between_two(world):
    _, other, find = world
    plain = other.write(f"{FUNC}/{RUN}_desc-ICA_mixing.tsv", "a\n1\n")
    placed = other.write(f"{FUNC}/{RUN}_space-MNI152NLin6Asym_desc-ICA_mixing.tsv", "a\n1\n")
    assert find(query(space=None)).path == plain
    assert find(query(space="MNI152NLin6Asym")).path == placed


@pytest.mark.parametrize(
    "name",
    [
        f"{FUNC}/sub-01_ses-a_task-rest_run-2_desc-ICA_mixing.tsv",
        f"{FUNC}/sub-01_ses-a_task-rest_desc-ICA_mixing.tsv",
        f"{FUNC}/{RUN}_echo-1_desc-ICA_mixing.tsv",
        f"{FUNC}/{RUN}_desc-PCA_mixing.tsv",
        "sub-02_ses-a_task-rest_run-1/desc-ICA_mixing.tsv",
        "sub-01/ses-b/func/task-rest_run-1/desc-ICA_mixing.tsv",
    ],
)
def test_the_table_of_another_run_is_not_taken(world, name):
    _, other, find = world
    other.write(name, "a\n1\n")
    found = find(query())
    assert found.path is None
    assert f"No table desc-ICA_mixing.tsv for {RUN}" in found.problem
    assert f"looked for {RUN}_desc-ICA_mixing.tsv in {FUNC} of preprocessed and" in found.problem
    assert found.problem.endswith("--datasets NAME=PATH.")
    assert find(query(dataset="tedana")).problem.endswith("or leave this strategy out.")


def test_the_echo_may_be_asked_for(world):
    _, other, find = world
    path = other.write(f"{FUNC}/{RUN}_echo-1_desc-ICA_mixing.tsv", "a\n1\n")
    assert find(query(echo="1")).path == path


def test_who_renames_a_table_as_the_letter_says_is_helped(world):
    _, other, find = world
    path = other.write(f"{FUNC}/desc-ICA_mixing.tsv", "a\n1\n")
    letter = find(query()).problem
    assert "There is desc-ICA_mixing.tsv, and neither its name nor its folder says" in letter
    path.rename(path.with_name(letter.rpartition("call it ")[2].rstrip(".")))
    assert find(query()).problem is None


def test_an_empty_table_is_named(world):
    _, other, find = world
    other.write(f"{FUNC}/{RUN}_desc-ICA_mixing.tsv", "")
    found = find(query())
    assert found.path is None
    assert "is empty (0 bytes)" in found.problem
