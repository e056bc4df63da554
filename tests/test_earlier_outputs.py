"""What is in the output was made by one request: nothing is replaced or moved in silence."""

import contextlib
import gzip
import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.demo import cubic_grid

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
SPACE = "space-MNI152NLin2009cAsym"
ANY_DESC = {"bold": {"desc": "*"}}


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_dataset):
    """One run of each of two subjects. Copied, never changed."""
    folder = tmp_path_factory.mktemp("original")
    return make_dataset(folder, subjects=("01", "02"), volumes=40, grid=COARSE)


@pytest.fixture
def world(original, tmp_path):
    """A copy of the dataset, an output that is not there yet, and words to work with them."""
    shutil.copytree(original.root, tmp_path / "fmriprep")
    return World(tmp_path, original.atlas)


class World:
    def __init__(self, folder, atlas):
        self.folder, self.atlas = folder, atlas
        self.root, self.out = folder / "fmriprep", folder / "out"

    def ask(self, *options, root=None, bids_filter=None, atlas=None, strategies=("simple",)):
        """Run the command; give exit code and what it said."""
        arguments = [root or self.root, self.out, "participant", "--strategies", *strategies]
        arguments += ["--atlases", atlas or self.atlas, "-w", self.folder / "work", "--min-dof", 0]
        if bids_filter:
            (self.folder / "filter.json").write_text(json.dumps(bids_filter))
            arguments += ["--bids-filter-file", self.folder / "filter.json"]
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            exit_code = main([str(argument) for argument in (*arguments, *options)])
        return exit_code, said.getvalue()

    def bold(self, subject="01", root=None):
        (path,) = (root or self.root).glob(f"sub-{subject}/func/*{SPACE}_desc-preproc_bold.nii.gz")
        return path

    def series(self, subject="01"):
        (path,) = self.out.glob(f"sub-{subject}/func/*desc-simple_timeseries.tsv")
        return path

    def results(self):
        """Checksums of all that a request has left, but for its log."""
        return {
            path.relative_to(self.out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and not {"logs", ".bidsmask"} & set(path.parts)
        }

    def status(self):
        table = pd.read_csv(self.out / "logs" / "status.tsv", sep="\t").set_index("run")
        return table["status"].to_dict()


def change(path, seed=3):
    """Add noise to an image, in place."""
    image = nib.load(path)
    voxels = np.asarray(image.dataobj).astype(np.float32)
    voxels += np.random.default_rng(seed).normal(0, 5, voxels.shape)
    changed = nib.Nifti1Image(voxels, image.affine, image.header, dtype=np.float32)
    path.write_bytes(gzip.compress(changed.to_bytes(), compresslevel=1))


def another_desc(world):
    """Another version of the same run, smoothed by AROMA."""
    bold = world.bold()
    other = bold.with_name(bold.name.replace("preproc", "smoothAROMAnonaggr"))
    shutil.copy(bold, other)
    change(other)
    sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
    shutil.copy(sidecar, other.with_name(other.name.replace(".nii.gz", ".json")))
    return {"bids_filter": {"bold": {"desc": "smoothAROMAnonaggr"}}}, other


def not_compressed(world):
    bold = world.bold()
    other = bold.with_name(bold.name.removesuffix(".gz"))
    other.write_bytes(gzip.decompress(bold.read_bytes()))
    bold.unlink()
    return {}, other


def another_dataset(world):
    root = world.folder / "denoised"
    shutil.copytree(world.root, root)
    change(world.bold(root=root))
    return {"root": root}, world.bold(root=root)


def another_file_with_the_same_bytes(world):
    options, other = another_desc(world)
    shutil.copy(world.bold(), other)
    return options, other


OTHERS = [another_desc, not_compressed, another_dataset, another_file_with_the_same_bytes]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.__name__)
def test_results_of_one_file_are_not_replaced_by_those_of_another(world, other):
    one = ["--participant-label", "01"]
    first = world.bold()
    assert world.ask(*one)[0] == 0
    before = world.results()
    options, second = other(world)
    for more in (["--dry-run"], []):
        exit_code, said = world.ask(*one, *more, **options)
        assert exit_code == 1, said
        assert str(first) in said
        assert str(second) in said
        assert "Choose another output folder" in said
        assert world.results() == before
    assert "0 of 1 run done" in said
    run = f"sub-01_task-rest_{SPACE}"
    assert world.status() == {run: "done", second.name: "failed"}


@pytest.mark.parametrize("other", OTHERS[:1] + OTHERS[2:3], ids=lambda other: other.__name__)
def test_the_runs_that_replace_nothing_are_done(world, other):
    assert world.ask("--participant-label", "01")[0] == 0
    before = world.results()
    options, second = other(world)
    if "bids_filter" in options:
        options["bids_filter"]["bold"]["desc"] = ["smoothAROMAnonaggr", None]
        for path in world.root.glob("sub-02/func/*_desc-preproc_bold.*"):
            path.rename(path.with_name(path.name.replace("_desc-preproc", "")))
    exit_code, said = world.ask(**options)
    assert exit_code == 1, said
    assert "1 of 2 runs done" in said
    assert world.series("02").exists()
    after = world.results()
    of_run = {name: value for name, value in before.items() if name.startswith("sub-01/")}
    assert of_run.items() <= after.items()
    page = (world.out / "sub-01.html").read_text()
    assert second.name in page
    assert f"sub-01_task-rest_{SPACE}" in page


def test_two_files_asked_for_at_once_are_both_named(world):
    _, second = another_desc(world)
    exit_code, said = world.ask("--participant-label", "01", bids_filter=ANY_DESC)
    assert exit_code == 1, said
    assert str(world.bold()) in said
    assert str(second) in said
    assert not [*world.out.rglob("*_timeseries.tsv")]


def test_two_atlases_that_would_share_their_names_are_both_named(world):
    folder = world.folder / "other"
    folder.mkdir()
    for path in world.atlas.parent.iterdir():
        shutil.copy(path, folder)
    exit_code, said = world.ask("--atlases", world.atlas, folder / world.atlas.name)
    assert exit_code == 2, said
    letter = said.splitlines()[-1]
    assert str(world.atlas) in letter
    assert str(folder / world.atlas.name) in letter
    assert not world.out.exists()


def test_two_strategies_that_would_share_their_names_are_both_named(world):
    exit_code, said = world.ask(strategies=("simple", "24P", "simple"))
    assert exit_code == 2, said
    assert "simple and simple" in said.splitlines()[-1]
    assert not world.out.exists()


def test_a_dataset_that_was_moved_is_the_same(world):
    assert world.ask()[0] == 0
    before = world.results()
    moved = world.folder / "elsewhere" / "fmriprep"
    shutil.move(world.root, moved)
    exit_code, said = world.ask(root=moved)
    assert exit_code == 0, said
    assert "replaces" not in said
    assert "bids:preprocessed: in the sidecars of earlier results meant ../fmriprep" in said
    series = [name for name in before if name.endswith("timeseries.tsv")]
    assert {name: before[name] for name in series}.items() <= world.results().items()


def test_a_file_that_was_made_anew_replaces_its_results_and_says_so(world):
    assert world.ask()[0] == 0
    before = world.series().read_bytes()
    change(world.bold())
    exit_code, said = world.ask()
    assert exit_code == 0, said
    assert f"sub-01_task-rest_{SPACE}: replaces results made from the same files" in said
    assert "(BOLD)" in said
    assert world.series().read_bytes() != before
    assert "replaces" not in world.ask()[1]


def test_another_table_of_confounds_is_said(world):
    assert world.ask("--participant-label", "01")[0] == 0
    (table,) = world.root.glob("sub-01/func/*_desc-confounds_timeseries.tsv")
    table.rename(table.with_name(table.name.replace("timeseries", "regressors")))
    exit_code, said = world.ask("--participant-label", "01")
    assert exit_code == 0, said
    assert re.search(
        r"replaces results made with another file \(Confounds: \S+timeseries.tsv, now \S+regr",
        said,
    )


def test_a_refusal_is_forgotten_with_the_next_request_for_its_subject(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one)[0] == 0
    page = (world.out / "sub-01.html").read_text()
    options, second = another_desc(world)
    assert world.ask(*one, **options)[0] == 1
    assert second.name in world.status()
    assert world.ask(*one)[0] == 0
    assert second.name not in world.status()
    assert (world.out / "sub-01.html").read_text() == page


# Other settings


@pytest.fixture(scope="module")
def done(original, tmp_path_factory):
    """A world in which both runs are done. Shared: look, and do not touch."""
    folder = tmp_path_factory.mktemp("done")
    shutil.copytree(original.root, folder / "fmriprep")
    world = World(folder, original.atlas)
    assert world.ask()[0] == 0
    return world


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--smoothing-fwhm", "6"), r"smoothing_fwhm_mm=0 \(now 6\)"),
        (("--min-coverage", "0.7"), r"min_coverage=0.5 \(now 0.7\)"),
        (("--censor-output", "drop"), r"censor_output=na \(now drop\)"),
        (("--fd-threshold", "0.4"), r"desc-simple\S*fd_threshold_mm=\S+ \(now 0.4\)"),
        (
            ("--filter", "butterworth", "--low-pass", "0.09"),
            r"low_pass_hz=\w+ \(now .*0.09\)",
        ),
        (("--no-detrend", "--filter", "none"), r"desc-simple\S*detrend=yes.* \(now no"),
        (("--standardize", "psc"), r"desc-simple\S*standardize=\w+ \(now psc\)"),
        (("--dummy-scans", "2"), r"desc-simple\S*dummy_scans=\w+ \(now 2\)"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_other_settings_say_what_they_replace(done, options, words):
    before = done.results()
    exit_code, said = done.ask(*options, "--dry-run")
    assert exit_code == 0, said
    line = rf"sub-01_task-rest_{SPACE} and 1 other run: replaces results made with .*{words}"
    assert re.search(line, said), said
    assert said.count("replaces") == 1, "one line for all runs"
    assert done.results() == before


@pytest.mark.parametrize(
    "options", [("--statistic", "median"), ("--statistic", "median", "mean"), ("--fisher-z",)]
)
def test_what_has_names_of_its_own_replaces_nothing(done, options):
    exit_code, said = done.ask(*options, "--dry-run")
    assert exit_code == 0, said
    assert "replaces" not in said
    assert "stays as it was made" in said


def test_what_was_said_is_logged_and_said_once(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one)[0] == 0
    assert [*world.out.glob("logs/*/warnings.txt")] == []
    options = [*one, "--statistic", "median", "--smoothing-fwhm", "6"]
    exit_code, said = world.ask(*options)
    assert exit_code == 0, said
    (line,) = re.findall(r"sub-01\S*: replaces .*", said)
    assert re.search(
        r"stat-mean desc-simple.*\) is moved to .bidsmask/retired.*4 files, such as sub-01", said
    )
    assert "smoothing_fwhm_mm=0 (now 6)" in line
    assert "statistic" not in line
    (log,) = world.out.glob("logs/*/warnings.txt")
    assert line in log.read_text()
    assert "replaces" not in world.ask(*options)[1]


def test_what_is_not_asked_for_again_and_still_holds_stays_and_counts(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one, strategies=("simple", "24P"))[0] == 0
    before, names = world.results(), of_run(world)
    exit_code, said = world.ask(*one, strategies=("36P",))
    assert exit_code == 0, said
    assert re.search(r"not asked for this time \(.*desc-24P.*\) stays.*such as sub-01", said)
    assert "replaces" not in said
    after = world.results()
    tables = ("_qc.tsv", "_qc.json")  # of the strategies of the last request
    assert {n: after.get(n) for n in names if not n.endswith(tables)} == {
        n: before[n] for n in names if not n.endswith(tables)
    }
    labels = (world.out / "descriptions.tsv").read_text()
    assert all(f"desc-{name}\t" in labels for name in ("simple", "24P", "36P"))
    assert main([str(world.out), "--check"]) == 0
    # What an earlier request has left is replaced as loudly as what the last one has.
    exit_code, said = world.ask(*one, "--fd-threshold", "0.3", "--dry-run")
    assert re.search(r"replaces results made with desc-simple\S*fd_threshold_mm", said), said
    # Asked for once more, it is part of the record again, and the others stay.
    assert world.ask(*one, strategies=("simple", "24P"))[0] == 0
    assert {n: world.results()[n] for n in names} == {n: before[n] for n in names}
    assert [path for path in world.out.rglob("*desc-36P_timeseries.tsv")]
    assert main([str(world.out), "--check"]) == 0
    assert not (world.out / ".bidsmask" / "retired").exists()


def test_what_stayed_is_moved_aside_once_it_does_not_hold_any_more(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one, strategies=("24P",))[0] == 0
    assert world.ask(*one)[0] == 0
    exit_code, said = world.ask(*one, "--min-coverage", "0.7")
    assert exit_code == 0, said
    assert re.search(r"not asked for this time \(.*desc-24P.*\) is moved", said)
    assert not [path for path in of_run(world) if "24P" in path]
    assert [name for name in retired(world) if "24P" in name]
    assert main([str(world.out), "--check"]) == 0


def test_what_is_not_asked_for_again_and_was_made_in_another_way_is_moved_aside(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one, strategies=("simple", "24P"))[0] == 0
    before, names = world.results(), of_run(world)
    exit_code, said = world.ask(*one, "--smoothing-fwhm", "6", strategies=("simple",))
    assert exit_code == 0, said
    assert re.search(
        r"not asked for this time \(.*desc-24P.*\) is moved.*such as sub-01\S+24P", said
    )
    assert {name for name in of_run(world) if "24P" in name} == set()
    moved = {path.name: path for path in (world.out / ".bidsmask" / "retired").rglob("*.*")}
    assert {Path(name).name for name in names if "24P" in name} <= moved.keys()
    for name in names - of_run(world):
        content = hashlib.sha256(moved[Path(name).name].read_bytes()).hexdigest()
        assert content == before[name]
    (record,) = (path for path in moved.values() if path.name.endswith("_complete.json"))
    assert "desc-24P.censoring.dummy_scans" in json.loads(record.read_text())["Settings"]
    assert "desc-24P" not in (world.out / "descriptions.tsv").read_text()
    assert "24P" not in (world.out / "sub-01.html").read_text()


def test_a_request_leaves_the_same_whatever_was_there_before(world, original, tmp_path):
    one = ["--participant-label", "01"]
    assert world.ask(*one)[0] == 0
    assert world.ask(*one, "--fd-threshold", "0.4", strategies=("24P", "36P"))[0] == 0
    shutil.copytree(original.root, tmp_path / "new" / "fmriprep")
    fresh = World(tmp_path / "new", original.atlas)
    assert world.ask(*one)[0] == 0
    assert fresh.ask(*one)[0] == 0
    expected = fresh.results()
    del expected["descriptions.tsv"]  # has more labels, of what stayed
    assert {name: world.results()[name] for name in expected} == expected


def of_run(world):
    """Names of the files of runs, but for their records."""
    return {n for n in world.results() if "/func/" in n and not n.endswith("_complete.json")}


def test_another_atlas_of_the_same_name_is_said(world):
    assert world.ask("--participant-label", "01")[0] == 0
    folder = world.folder / "newer"
    shutil.copytree(world.atlas.parent, folder)
    atlas = folder / world.atlas.name
    image = nib.load(atlas)
    labels = np.asarray(image.dataobj).copy()
    labels[labels == 1] = 2
    labels.flat[0] = 1
    atlas.write_bytes(
        gzip.compress(nib.Nifti1Image(labels, image.affine, image.header).to_bytes())
    )
    exit_code, said = world.ask("--participant-label", "01", "--dry-run", atlas=atlas)
    assert exit_code == 0, said
    assert re.search(r"replaces results made with atlas-\S+sha256=", said), said


@pytest.mark.parametrize("damage", ["old", "cut"])
def test_results_of_which_the_record_does_not_tell_are_made_again_and_said(world, damage):
    one = ["--participant-label", "01"]
    assert world.ask(*one)[0] == 0
    (path,) = world.out.rglob("*_complete.json")
    whole = path.read_text()
    record = json.loads(whole)
    del record["Source"], record["Settings"]
    path.write_text(json.dumps(record) if damage == "old" else whole[:-40])
    exit_code, said = world.ask(*one)
    assert exit_code == 0, said
    assert re.search(r"replaces results.*their record does not tell", said), said
    assert path.read_text() == whole


# Another space of the same run


def add_space(root, space="space-T1w", like=SPACE):
    for path in root.glob(f"sub-*/func/*{like}*"):
        shutil.copy(path, path.with_name(path.name.replace(like, space)))


def native_atlas(world):
    folder = world.folder / "native"
    shutil.copytree(world.atlas.parent, folder)
    for path in folder.iterdir():
        path.rename(path.with_name(path.name.replace("tpl-MNI152NLin2009cAsym", "tpl-Other")))
    return folder / world.atlas.name.replace("tpl-MNI152NLin2009cAsym", "tpl-Other")


def test_tables_that_spaces_share_are_not_replaced_in_silence(world):
    one = ["--participant-label", "01"]
    add_space(world.root, "space-Other")
    assert world.ask(*one, "--space", SPACE.removeprefix("space-"))[0] == 0
    other = [*one, "--space", "Other", "--fd-threshold", "0.4"]
    exit_code, said = world.ask(*other, "--dry-run", atlas=native_atlas(world))
    assert exit_code == 0, said
    assert re.search(
        r"fd_threshold_mm=\S+ \(now 0.4\), which results in another space share", said
    )
    assert re.search(r"_(design|outliers)\.", said)


def test_tables_that_spaces_share_are_not_replaced_by_those_of_another_dataset(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one)[0] == 0
    before = world.results()
    root = world.folder / "again"
    shutil.copytree(world.root, root)
    add_space(root, "space-Other")
    (table,) = root.glob("sub-01/func/*_desc-confounds_timeseries.tsv")
    table.write_text(table.read_text().replace("0.1", "0.2"))
    options = {"root": root, "atlas": native_atlas(world)}
    exit_code, said = world.ask(*one, "--space", "Other", **options)
    assert exit_code == 1, said
    assert str(table) in said
    assert world.results() == before


def test_the_dataset_of_another_program_is_left_as_it_is(world):
    world.out.mkdir()
    description = {"Name": "x", "GeneratedBy": [{"Name": "XCP-D"}]}
    (world.out / "dataset_description.json").write_text(json.dumps(description))
    for more in (["--dry-run"], []):
        exit_code, said = world.ask(*more)
        assert exit_code == 73, said
        assert "XCP-D" in said
        assert [path.name for path in world.out.iterdir()] == ["dataset_description.json"]


# Runs that fail, and jobs that are killed


def run_files(world, subject):
    return {n for n in world.results() if n.startswith(f"sub-{subject}/")}


def retired(world):
    return {path.name for path in (world.out / ".bidsmask" / "retired").rglob("*.*")}


@pytest.mark.parametrize("when", ["while planning", "while computing"])
def test_a_run_that_fails_leaves_no_results_of_an_earlier_day(world, when):
    assert world.ask()[0] == 0
    before = world.results()
    of_failing = {Path(n).name for n in run_files(world, "01") if "/func/" in n}
    whole = world.bold().read_bytes()
    world.bold().write_bytes(whole[: 100 if when == "while planning" else len(whole) // 2])
    exit_code, said = world.ask()
    assert exit_code == 1, said
    n_files = len([name for name in of_failing if not name.endswith("_complete.json")])
    assert f"Its earlier results ({n_files} files) were moved to .bidsmask/retired." in said
    assert run_files(world, "01") == set()
    assert retired(world) == of_failing
    of_other = {n: known for n, known in before.items() if n.startswith("sub-02")}
    assert of_other.items() <= world.results().items()
    page = (world.out / "sub-01.html").read_text()
    assert "Framewise displacement" not in page
    world.bold().write_bytes(whole)
    assert world.ask()[0] == 0
    assert world.results() == before


def test_what_a_job_leaves_that_is_killed_does_not_count_and_is_settled_by_the_next(
    world, monkeypatch
):
    assert world.ask(strategies=("simple", "24P"))[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("bidsmask.workflows.cohort.init_bidsmask_wf", killed)
        assert world.ask()[0] == 130
    (left,) = world.out.rglob("sub-*/func/*_complete.json")
    assert left.name.startswith("sub-02"), "whose turn had not come"
    assert world.ask("--smoothing-fwhm", "6")[0] == 0
    assert not any("24P" in name for name in world.results())
    assert [*(world.out / ".bidsmask" / "withdrawn").iterdir()] == []
    assert {name.split("_")[0] for name in retired(world)} == {"sub-01", "sub-02"}


def killed(*_, **__):
    raise KeyboardInterrupt


def test_a_file_that_somebody_has_changed_is_not_moved(world):
    one = ["--participant-label", "01"]
    assert world.ask(*one, strategies=("simple", "24P"))[0] == 0
    (mine,) = world.out.glob("sub-01/func/*stat-mean_desc-24P_timeseries.tsv")
    mine.write_text("my notes")
    assert world.ask(*one, "--smoothing-fwhm", "6")[0] == 0
    assert mine.read_text() == "my notes"
    assert mine.name not in retired(world)
