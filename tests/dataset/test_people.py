import pytest

from bidsmask.dataset.people import read_covariates, read_ratings
from bidsmask.errors import DatasetError


def table(folder, *rows, name="participants.tsv"):
    path = folder / name
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    return path


def test_covariates_are_those_that_are_written(tmp_path):
    path = table(
        tmp_path, ("participant_id", "age", "site"), ("sub-02", "31.5", "007"), ("sub-01", "", "A")
    )
    path.with_suffix(".json").write_text('{"age": {"Units": "year"}, "height": {}}')
    found = read_covariates(path)
    assert found.names == ("age", "site")
    assert found.of == {"sub-02": ("31.5", "007"), "sub-01": ("n/a", "A")}
    assert found.descriptions == {"age": {"Units": "year"}}
    assert found.warnings == ()


def test_who_is_there_twice_with_the_same_values_is_named_and_counted_once(tmp_path):
    path = table(tmp_path, ("participant_id", "age"), *[("sub-01", "31")] * 2, ("02", "40"))
    found = read_covariates(path)
    assert found.of == {"sub-01": ("31",), "sub-02": ("40",)}
    assert [warning.split(":")[1].strip() for warning in found.warnings] == ["sub-01", "02"]


@pytest.mark.parametrize("other", ["sub-01", "01"])
def test_who_is_there_twice_with_different_values_is_refused_by_name(tmp_path, other):
    path = table(
        tmp_path, ("participant_id", "age", "sex"), ("sub-01", "31", "F"), (other, "32", "F")
    )
    with pytest.raises(DatasetError, match=r"sub-01 is there more than once.* in age") as refused:
        read_covariates(path)
    assert "--covariates" in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "letter"),
    [
        (
            [("subject", "age"), ("sub-01", "31")],
            "no column participant_id; columns found: subject",
        ),
        ([("participant_id", "age", "age"), ("sub-01", "1", "2")], "'age' is there twice"),
        ([("participant_id", "age"), ("sub-01",)], "Row 1 has 1 cells"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, rows, letter):
    with pytest.raises(DatasetError, match=letter) as refused:
        read_covariates(table(tmp_path, *rows))
    assert "participants.tsv" in str(refused.value)


def test_a_row_of_nobody_is_named(tmp_path):
    path = table(tmp_path, ("participant_id", "age"), ("n/a", "31"), ("sub-01", "30"))
    assert read_covariates(path).of == {"sub-01": ("30",)}
    assert "1 of its rows name no participant" in read_covariates(path).warnings[0]


def test_ratings_say_which_runs_are_meant(tmp_path):
    path = table(
        tmp_path,
        ("participant_id", "session_id", "strategy", "rating", "comment"),
        ("01", "1", "", "bad", "spikes"),
        ("sub-02", "", "24P", "good", ""),
        ("sub-03", "", "", "n/a", "not looked at"),
    )
    first, second = read_ratings(path)
    assert first.about == {"participant_id": "sub-01", "session_id": "ses-1"}
    assert (first.row, first.excludes, first.words) == (1, True, "bad (spikes)")
    assert second.about == {"participant_id": "sub-02"}
    assert (second.strategy, second.excludes) == ("24P", False)


@pytest.mark.parametrize(
    ("rows", "letter"),
    [
        ([("participant_id", "rating"), ("sub-01", "excude")], "row 1 is 'excude'.*'exclude'"),
        ([("participant_id", "verdict"), ("sub-01", "bad")], "no column rating"),
        ([("subject", "rating"), ("01", "bad")], "neither a column participant_id nor bids_name"),
    ],
)
def test_ratings_that_mean_nothing_are_refused(tmp_path, rows, letter):
    with pytest.raises(DatasetError, match=letter):
        read_ratings(table(tmp_path, *rows, name="ratings.tsv"))
