"""Tables of events: found by inheritance in the right dataset, read, and refused by name."""

import pytest

from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.events import ONE_CONDITION, find_events, read_events
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.sidecars import Folders
from bidsmask.errors import EventsError

TABLE = "onset\tduration\ttrial_type\n10\t2\tgo\n0\t2\tstop\n30\t0\tgo\n"


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "fmriprep" / "sub-01" / "ses-a" / "func"
    folder.mkdir(parents=True)
    name = "sub-01_ses-a_task-nback_run-2_space-MNI_res-2_desc-preproc_bold.nii.gz"
    return BoldRun(files=(folder / name,), entities=parse_name(name).entities)


@pytest.fixture
def raw(tmp_path):
    """Write tables of a raw dataset, by their places in it; gives its root."""

    def write(*places, root="raw", content=TABLE):
        for place in places:
            path = tmp_path / root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path / root

    return write


OWN = "sub-01/ses-a/func/sub-01_ses-a_task-nback_run-2_events.tsv"


@pytest.mark.parametrize(
    "place",
    [
        OWN,
        "sub-01/ses-a/func/sub-01_ses-a_task-nback_events.tsv",
        "sub-01/sub-01_task-nback_events.tsv",
        "task-nback_events.tsv",
        "task-nback_run-2_events.tsv",
    ],
)
def test_a_table_is_found_by_the_inheritance_principle(run, raw, place):
    root = raw(place)
    assert find_events(run, [root], Folders()) == root / place


def test_the_nearest_table_is_taken(run, raw):
    root = raw("task-nback_events.tsv", "sub-01/sub-01_task-nback_run-2_events.tsv", OWN)
    assert find_events(run, [root], Folders()) == root / OWN


def test_a_table_in_the_dataset_of_the_run_goes_first(run, raw):
    root, own = raw(OWN), raw(OWN, root="fmriprep")
    assert find_events(run, [root], Folders()) == own / OWN


@pytest.mark.parametrize(
    "place",
    [
        OWN.replace("run-2", "run-1"),
        OWN.replace("run-2", "run-02"),
        OWN.replace("nback", "rest"),
        OWN.replace("_run-2", "_run-2_acq-x"),
        "sub-01/ses-a/func/sub-01_ses-a_events.tsv",
        "sub-02/ses-a/func/sub-02_ses-a_task-nback_run-2_events.tsv",
    ],
)
def test_tables_of_other_runs_are_not_taken(run, raw, place):
    with pytest.raises(EventsError, match=r"looked for .*_task-nback_run-2_events\.tsv") as letter:
        find_events(run, [raw(place)], Folders())
    assert "--datasets raw=PATH" in str(letter.value)
    assert ("there is" in str(letter.value)) == place.startswith("sub-01/ses-a/func")


def test_two_datasets_with_a_table_are_not_chosen_between(run, raw):
    roots = [raw(OWN), raw(OWN, root="other")]
    with pytest.raises(EventsError, match="more than one table of events"):
        find_events(run, roots, Folders())


def test_the_same_dataset_twice_is_one(run, raw):
    assert find_events(run, [raw(OWN), raw(OWN)], Folders()).name.endswith("_events.tsv")


def test_an_empty_table_is_said(run, raw):
    with pytest.raises(EventsError, match="is empty"):
        find_events(run, [raw(OWN, content="")], Folders())


# --- reading


@pytest.fixture
def read(tmp_path):
    def read(content, run_end_s=60.0):
        path = tmp_path / "sub-01_task-nback_events.tsv"
        path.write_text(content)
        return read_events(path, run_end_s=run_end_s)

    return read


def test_events_come_in_the_order_of_their_onsets(read):
    events = read(TABLE)
    assert events.onsets_s.tolist() == [0, 10, 30]
    assert events.durations_s.tolist() == [2, 2, 0]
    assert events.trial_types == ("stop", "go", "go")
    assert events.conditions == ("go", "stop")
    assert events.of("go").tolist() == [False, True, True]
    assert events.warnings == ()


def test_without_trial_types_all_are_of_one_condition(read):
    events = read("onset\tduration\n-4\t1\n5\t1\n")
    assert events.conditions == (ONE_CONDITION,)
    assert events.onsets_s.tolist() == [-4, 5]
    assert "no column trial_type" in events.warnings[0]


def test_what_begins_after_the_run_is_left_out_and_said(read):
    events = read(TABLE, run_end_s=30.0)
    assert events.onsets_s.tolist() == [0, 10]
    assert "1 of 3 events begin after the run, which ends at 30 s" in events.warnings[0]
    assert "rows 3" in events.warnings[0]


def test_an_event_without_a_type_is_left_out_and_said(read):
    events = read("onset\tduration\ttrial_type\n1\t1\tgo\n2\t1\tn/a\n")
    assert events.trial_types == ("go",)
    assert "1 of 2 events have no trial_type" in events.warnings[0]


@pytest.mark.parametrize(
    ("content", "letter"),
    [
        ("onset\ttrial_type\n1\tgo\n", "there is no column duration; columns found: onset, trial"),
        ("time\n1\n", "no column onset and no column duration"),
        ("onset\tduration\nn/a\t1\n", r"row 1: the onset is 'n/a'; a number of seconds"),
        ("onset\tduration\n1\tn/a\n", "An event that is a moment has the duration 0"),
        ("onset\tduration\n1,5\t1\n", "the onset is '1,5'"),
        ("onset\tduration\n1\tinf\n", "the duration is 'inf'"),
        ("onset\tduration\n1\t-2\n", "the duration -2 s is negative"),
        ("onset\tduration\n1000\t1\n", "none of its 1 events .* ends, at 60 s"),
        ("onset\tduration\n", "none of its 0 events"),
        ("onset\tduration\n1\t2\t3\n", "Row 1 has 3 cells"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(read, content, letter):
    with pytest.raises(EventsError, match=letter) as error:
        read(content)
    assert "sub-01_task-nback_events.tsv" in str(error.value)
