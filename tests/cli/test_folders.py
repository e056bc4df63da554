"""No option writes into a dataset that is read, or removes what bidsmask did not make."""

import contextlib
import hashlib
import io
import os
import shutil
import stat
from pathlib import Path

import pytest

from bidsmask.cli.main import main
from bidsmask.demo import cubic_grid
from bidsmask.workflows.work_folder import (
    MARK,
    TOP_WORKFLOW,
    make_subject_folders,
    remove_subject_folders,
    unmarked_folders,
)

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
SUBJECT = Path(TOP_WORKFLOW) / "sub_01_wf"


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_dataset):
    """One run of one subject. Copied, never changed."""
    return make_dataset(tmp_path_factory.mktemp("original"), volumes=40, grid=COARSE)


@pytest.fixture
def data(original, tmp_path):
    """A folder with a dataset to lose, ``fmriprep``, a second one, and files of somebody's."""
    shutil.copytree(original.root, tmp_path / "fmriprep")
    (tmp_path / "atlases").mkdir()
    for path in (original.atlas, original.atlas_table):
        shutil.copy(path, tmp_path / "atlases")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    (tmp_path / "link").symlink_to("fmriprep")
    (tmp_path / "mine" / "deep").symlink_to("../fmriprep/sub-01")
    return tmp_path


def bidsmask(data, *options, out="out"):
    arguments = [data / "fmriprep", data / out, "participant"]
    arguments += ["--atlases", *(data / "atlases").glob("*.nii.gz"), "--strategies", "simple"]
    return say(*arguments, *options)


def say(*arguments):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        exit_code = main([str(argument) for argument in arguments])
    return exit_code, said.getvalue()


def everything(folder):
    """Every path below, with its content; links are not followed."""
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink())
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


WORK_FOLDERS_THAT_ARE_REFUSED = {
    "the input": "fmriprep",
    "the input, with a slash": "fmriprep/",
    "the input, round about": "mine/../fmriprep/.",
    "a link to the input": "link",
    "in the input": "fmriprep/work",
    "a subject of the input": "fmriprep/sub-01",
    "in the input, by a link": "mine/deep/work",
    "deep in the input, not there yet": "fmriprep/a/b/c",
    "above the input": ".",
    "another dataset": "atlases",
    "in another dataset": "atlases/work",
    "the output": "out",
    "the output, round about": "mine/../out",
    "in the output": "out/work",
    "a subject of the output": "out/sub-01",
    "the locks of the output": "out/.bidsmask",
    "a file": "file",
    "below a file": "file/work",
}


@pytest.mark.parametrize("clean", [True, False], ids=["cleaned", "kept"])
@pytest.mark.parametrize("place", WORK_FOLDERS_THAT_ARE_REFUSED)
def test_a_work_folder_in_the_wrong_place_is_refused_before_anything_is_touched(
    data, place, clean, monkeypatch
):
    monkeypatch.chdir(data)
    before = everything(data)
    options = ["-d", f"atlases={data / 'atlases'}", *(["--clean-workdir"] if clean else [])]
    where = WORK_FOLDERS_THAT_ARE_REFUSED[place]
    for work in (where, data / where):  # from here, and in full
        exit_code, said = bidsmask(data, *options, "-w", work)
        assert exit_code == 2, said
        assert "Choose" in said.splitlines()[-1]
        assert everything(data) == before


def test_the_output_in_the_folder_of_intermediate_results_is_refused(data):
    exit_code, said = bidsmask(data, "-w", data / "mine", out=f"mine/{TOP_WORKFLOW}/out")
    assert exit_code == 2, said
    assert not (data / "mine" / TOP_WORKFLOW).exists()


def test_the_settings_file_is_no_way_round(data):
    (data / "settings.toml").write_text(
        f'[execution]\nwork_dir = "{data / "link"}"\nclean_workdir = true\n'
    )
    before = everything(data)
    exit_code, said = bidsmask(data, "--config-file", data / "settings.toml")
    assert exit_code == 2, said
    assert everything(data) == before


def test_the_group_level_heeds_the_work_folder_too(data):
    before = everything(data)
    exit_code, _ = say(data / "fmriprep", data / "out", "group", "-w", data / "fmriprep")
    assert exit_code == 2
    assert everything(data) == before


def test_a_work_folder_with_files_of_somebody_keeps_them(data):
    before = everything(data / "mine")
    for _ in range(2):
        exit_code, said = bidsmask(data, "-w", data / "mine", "--clean-workdir")
        assert exit_code == 0, said
        assert "reused" not in said
        after = everything(data / "mine")
        assert before.items() <= after.items()
        assert {name.split("/")[0] for name in after.keys() - before.keys()} == {TOP_WORKFLOW}


def test_what_somebody_puts_beside_our_folders_stays(data):
    work = data / "new" / "work"
    assert bidsmask(data, "-w", work)[0] == 0
    assert (work / SUBJECT / MARK).is_file()
    notes = [work / "notes.txt", work / TOP_WORKFLOW / "notes.txt"]
    other = work / TOP_WORKFLOW / "sub_99_wf"
    other.mkdir()
    for path in (*notes, other / MARK, work / SUBJECT / "stale"):
        path.write_text("")
    exit_code, said = bidsmask(data, "-w", work, "--clean-workdir")
    assert exit_code == 0, said
    assert "reused" not in said
    assert not (work / SUBJECT / "stale").exists()
    assert all(path.exists() for path in notes)
    assert other.exists(), "another job may be at work on another subject"


@pytest.mark.parametrize("link", [False, True], ids=["folder", "link"])
def test_a_folder_with_our_name_but_without_our_mark_is_not_removed(data, link):
    work = data / "work"
    folder = work / SUBJECT
    if link:
        folder.parent.mkdir(parents=True)
        folder.symlink_to(data / "mine")
    else:
        folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    before = everything(data)
    exit_code, said = bidsmask(data, "-w", work, "--clean-workdir")
    assert exit_code == 2, said
    assert "by hand" in said
    assert str(folder) in said
    assert everything(data) == before


def test_a_link_with_the_name_of_our_workflow_is_not_followed(data):
    elsewhere = data / "elsewhere" / "sub_01_wf"
    elsewhere.mkdir(parents=True)
    (elsewhere / MARK).write_text("")
    (data / "work").mkdir()
    (data / "work" / TOP_WORKFLOW).symlink_to("../elsewhere")
    before = everything(data)
    exit_code, said = bidsmask(data, "-w", data / "work", "--clean-workdir")
    assert exit_code == 2, said
    assert everything(data) == before


def test_links_in_our_folders_are_removed_and_not_followed(data):
    assert bidsmask(data, "-w", data / "work")[0] == 0
    (data / "work" / SUBJECT / "link").symlink_to(data / "fmriprep")
    before = everything(data / "fmriprep")
    assert bidsmask(data, "-w", data / "work", "--clean-workdir")[0] == 0
    assert everything(data / "fmriprep") == before
    assert not (data / "work" / SUBJECT / "link").is_symlink()


def test_an_interrupted_removal_leaves_a_folder_that_is_still_ours(data, monkeypatch):
    folder = data / "work" / SUBJECT
    make_subject_folders(data / "work", [folder.name])
    (folder / "run").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove_subject_folders(data / "work", [folder.name])
    assert unmarked_folders(data / "work") == []
    remove_subject_folders(data / "work", [folder.name])
    assert not folder.exists()


def interrupted(path):
    raise KeyboardInterrupt


def test_without_a_work_folder_nothing_is_left_but_what_is_not_ours(data):
    hidden = data / "out" / ".bidsmask"
    assert bidsmask(data)[0] == 0
    assert not (hidden / "work").exists()
    old = hidden / "work" / SUBJECT
    old.mkdir(parents=True)
    (old / "thesis.txt").write_text("years of work")
    assert bidsmask(data)[0] == 0
    assert (old / "thesis.txt").exists()


def test_an_output_among_the_derivatives_of_the_input_has_its_work_folder_within(data):
    exit_code, said = bidsmask(data, "--clean-workdir", out="fmriprep/derivatives/bidsmask")
    assert exit_code == 0, said


@pytest.mark.parametrize("place", ["fmriprep/db", "link/db", "atlases", "out", "out/db", "file"])
def test_an_index_in_a_dataset_is_refused(data, place):
    before = everything(data)
    options = ["-d", f"atlases={data / 'atlases'}", "--bids-database-dir", data / place]
    exit_code, said = bidsmask(data, *options)
    assert exit_code == 2, said
    assert "--bids-database-dir" in said
    assert everything(data) == before


def test_an_index_beside_files_of_somebody_leaves_them(data):
    before = everything(data / "mine")
    assert bidsmask(data, "--bids-database-dir", data / "mine")[0] == 0
    after = everything(data / "mine")
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"layout_index.sqlite"}


@pytest.mark.parametrize("place", ["mine", "fmriprep", "fmriprep/demo", "link/demo", "file"])
def test_a_demo_among_files_of_somebody_is_refused(data, place):
    before = everything(data)
    exit_code, said = say("--demo", data / place)
    assert exit_code == 2, said
    assert "--demo" in said
    assert everything(data) == before


@pytest.mark.parametrize("name", [".bidsmask", "logs"])
def test_a_folder_of_ours_that_leads_out_of_the_output_is_not_followed(data, name):
    (data / "out").mkdir()
    (data / "out" / name).symlink_to(data / "fmriprep")
    before = everything(data)
    exit_code, said = bidsmask(data)
    assert exit_code == 73, said
    assert "link" in said
    assert everything(data) == before


@pytest.mark.parametrize("out", ["atlases", "atlases/sub-01"])
def test_an_output_in_another_dataset_that_is_read_is_refused(data, out):
    before = everything(data)
    exit_code, said = bidsmask(data, "-d", f"atlases={data / 'atlases'}", out=out)
    assert exit_code == 2, said
    assert everything(data) == before


@pytest.mark.parametrize("out", ["fmriprep/out", "fmriprep/logs/x", ".", "mine/../."])
def test_an_output_in_a_dataset_or_around_one_is_refused(data, out):
    before = everything(data)
    exit_code, said = bidsmask(data, "-w", data / "mine", out=out)
    assert exit_code == 2, said
    assert "never written to" in said
    assert everything(data) == before


def test_a_dataset_in_sourcedata_of_the_output_is_read(data):
    (data / "out" / "sourcedata").mkdir(parents=True)
    (data / "fmriprep").rename(data / "out" / "sourcedata" / "fmriprep")
    (data / "fmriprep").symlink_to("out/sourcedata/fmriprep")
    exit_code, said = bidsmask(data)
    assert exit_code == 0, said


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        (["lab={}/no/where"], "no such folder"),
        (["lab={}/file"], "no such folder"),
        (["preprocessed={}/atlases"], "name of its own"),
        (["a b={}/atlases"], "name of its own"),
        (["../x={}/atlases"], "name of its own"),
        (["lab={}/atlases", "lab={}/fmriprep"], "name of its own"),
    ],
)
@pytest.mark.parametrize("level", ["participant", "group"])
def test_datasets_are_there_and_have_names(data, datasets, words, level):
    named = [each.format(data) for each in datasets]
    exit_code, said = say(data / "fmriprep", data / "out", level, "--datasets", *named)
    assert exit_code == 2, said
    assert "--datasets" in said
    assert words in said
    assert not (data / "out").exists()


@pytest.mark.parametrize("place", ["work", f"work/{TOP_WORKFLOW}/db", "."])
def test_an_index_around_or_among_intermediate_results_is_refused(data, place):
    (data / "sub").mkdir()
    where = data / "sub" / place
    options = ["-w", data / "sub" / "work", "--bids-database-dir", where]
    exit_code, said = bidsmask(data, *options)
    assert exit_code == 2, said
    assert "--bids-database-dir" in said
    assert everything(data / "sub") == {}


@pytest.mark.parametrize("name", ["work", "records", "earlier", "withdrawn", "retired"])
def test_a_link_in_our_hidden_folder_that_leads_out_is_not_followed(data, name):
    hidden = data / "out" / ".bidsmask"
    hidden.mkdir(parents=True)
    (hidden / name).symlink_to(data / "mine")
    before = everything(data)
    exit_code, said = bidsmask(data)
    assert exit_code == 73, said
    assert everything(data) == before


@pytest.mark.parametrize(
    "name",
    [
        *(".bidsmask/jobs/door.lock", ".bidsmask/dataset.lock", ".bidsmask/status.lock"),
        *("dataset_description.json", "descriptions.tsv", "README.md", ".bidsignore"),
        *("logs/status.tsv", "logs/CITATION.md", "sub-01.html"),
    ],
)
def test_no_file_is_written_through_a_link(data, name):
    link = data / "out" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    target = data / "mine" / "not_there_yet"
    link.symlink_to(target)
    before = everything(data / "mine")
    bidsmask(data)
    assert everything(data / "mine") == before
    target.write_text("years of work")
    bidsmask(data)
    assert target.read_text() == "years of work"


def test_no_lock_of_another_job_is_opened_through_a_link(data):
    jobs = data / "out" / ".bidsmask" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "1-abc.json").write_text('{"Host": "x", "Subjects": ["02"]}')
    (jobs / "1-abc.lock").symlink_to(data / "mine" / "thesis.txt")
    exit_code, said = bidsmask(data)
    assert exit_code == 73, said
    assert "symbolic link" in said
    assert (data / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["sub-01", "sub-01/func", "sub-01/figures"])
def test_no_folder_is_written_through_a_link(data, name):
    link = data / "out" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(data / "mine")
    before = everything(data / "mine")
    assert bidsmask(data)[0] != 0
    assert everything(data / "mine") == before


# Intermediate results that are ours alone


def test_intermediate_results_are_open_to_their_owner_alone(data):
    old = os.umask(0)
    try:
        for _ in range(2):
            exit_code, said = bidsmask(data, "-w", data / "work")
            assert exit_code == 0, said
    finally:
        os.umask(old)
    for folder in (data / "work" / TOP_WORKFLOW, data / "work" / SUBJECT):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


class Evil:
    """A harmless pickle of the kind that is not to be loaded: it makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.fixture
def poisoned(data):
    """A work folder, every pickle of which makes a file when it is loaded."""
    import gzip
    import pickle

    assert bidsmask(data, "-w", data / "work")[0] == 0
    for path in (data / "work").rglob("*.pklz"):
        path.write_bytes(gzip.compress(pickle.dumps(Evil(data / "PWNED"))))
    return data


def group_can_write(folder):
    folder.chmod(0o770)


def others_can_write(folder):
    folder.chmod(0o703)


def belongs_to_somebody_else(folder):
    os.chown(folder, 12345, 12345)


def is_a_link(folder):
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to("elsewhere")


TAMPERED = [group_can_write, others_can_write, belongs_to_somebody_else, is_a_link]


@pytest.mark.parametrize("folder", [TOP_WORKFLOW, SUBJECT], ids=["all", "subject"])
@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda each: each.__name__)
def test_results_that_somebody_else_could_change_are_not_loaded(poisoned, tamper, folder):
    if tamper is belongs_to_somebody_else and os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    tamper(poisoned / "work" / folder)
    before = everything(poisoned)
    exit_code, said = bidsmask(poisoned, "-w", poisoned / "work", "--smoothing-fwhm", "4")
    assert exit_code == 2, said
    assert "cannot be trusted" in said
    assert everything(poisoned) == before
    assert not (poisoned / "PWNED").exists()


def test_what_is_in_a_folder_of_ours_is_loaded_which_is_why_it_is_guarded(poisoned):
    bidsmask(poisoned, "-w", poisoned / "work", "--smoothing-fwhm", "4")
    assert (poisoned / "PWNED").exists()


@pytest.mark.parametrize("name", ["$(touch PWNED)", "`touch PWNED`", 'a"; touch PWNED; "'])
def test_no_name_of_a_work_folder_is_read_by_a_shell(data, name, monkeypatch):
    monkeypatch.chdir(data)
    exit_code, said = bidsmask(data, "-w", data / name, "--write-graph")
    assert exit_code == 2, said
    assert "shell" in said
    assert not (data / "PWNED").exists()
