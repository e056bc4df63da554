"""Damaged datasets: each defect costs its own run, says why, and touches nothing else.

One dataset holds healthy runs and a ward of patients: each is a copy of the same healthy run, as a
subject of its own, with one defect.
"""

import gzip
import hashlib
import html
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.demo import cubic_grid

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
VOLUMES = 60
HEALTHY = ("sub-01", "sub-02")
SPACE = "space-MNI152NLin2009cAsym"

REMEDY = re.compile(
    r"\b(copy|fetch|give|correct|write|raise|use|choose|remove|find out|make|convert|leave|"
    r"put|call|run fMRIPrep again|download|strategies that)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Patient:
    """The files of one run."""

    name: str
    bold: Path
    bold_json: Path
    boldref: Path
    mask: Path
    confounds: Path
    confounds_json: Path

    @property
    def stem(self):
        """Of its outputs."""
        return f"{self.name}_{SPACE}"


def admit(root, label, *, task="rest"):
    """Copy the first healthy run as a run of a new subject."""
    name, folder = f"sub-{label}_task-{task}", root / f"sub-{label}" / "func"
    source = root / "sub-01" / "func"
    folder.mkdir(parents=True)
    for file in source.glob("sub-01_task-rest_run-1_*"):
        shutil.copy(file, folder / file.name.replace("sub-01_task-rest_run-1", name))
    native, grid = folder / name, folder / f"{name}_{SPACE}"
    return Patient(
        name=name,
        bold=Path(f"{grid}_desc-preproc_bold.nii.gz"),
        bold_json=Path(f"{grid}_desc-preproc_bold.json"),
        boldref=Path(f"{grid}_boldref.nii.gz"),
        mask=Path(f"{grid}_desc-brain_mask.nii.gz"),
        confounds=Path(f"{native}_desc-confounds_timeseries.tsv"),
        confounds_json=Path(f"{native}_desc-confounds_timeseries.json"),
    )


# What is done to files


def change_bytes(path, change):
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content))


def change_header(path, **fields):
    """Overwrite fields of the NIfTI-1 header, whether or not they make sense."""
    raw = gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header(raw[:348], check=False)
    for name, value in fields.items():
        if isinstance(value, dict):
            for position, item in value.items():
                header[name][position] = item
        else:
            header[name] = value
    path.write_bytes(gzip.compress(header.binaryblock + raw[348:], compresslevel=1))


def change_voxels(path, change, dtype=np.float32):
    """Change the voxels in place of a copy, stored as `dtype`."""
    image = nib.load(path)
    voxels = np.asanyarray(image.dataobj).astype(dtype)
    affine, t_r = image.affine, image.header["pixdim"][4]
    voxels = change(voxels)
    changed = nib.Nifti1Image(voxels, affine, dtype=dtype)
    changed.set_sform(affine, 4)
    changed.set_qform(affine, 4)
    changed.header.set_xyzt_units("mm", "sec")
    changed.header["pixdim"][4] = t_r
    path.write_bytes(gzip.compress(changed.to_bytes(), compresslevel=1))


def change_table(path, change):
    rows = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    changed = change(rows)
    path.write_text((rows if changed is None else changed).to_csv(sep="\t", index=False))


def set_cell(row, column, value):
    def change(rows):
        rows.loc[row, column] = value

    return lambda patient: change_table(patient.confounds, change)


def set_column(column, value):
    def change(rows):
        rows.loc[1:, column] = value

    return lambda patient: change_table(patient.confounds, change)


def put_nothing(path):
    path.write_bytes(b"")


def put_link(path, target):
    path.unlink()
    path.symlink_to(target)


def put_fifo(path):
    path.unlink()
    os.mkfifo(path)


def put_folder(path):
    path.unlink()
    path.mkdir()


def flip_a_bit(content):
    content[len(content) // 2] ^= 0x10
    return content


def spoil_checksum(content):
    content[-8] ^= 0xFF
    return content


def blank_volume(value, volume=slice(None)):
    def change(voxels):
        voxels[..., volume] = value
        return voxels

    return lambda patient: change_voxels(patient.bold, change)


def write_json(path, content):
    path.write_text(json.dumps(content))


def update_json(path, **content):
    write_json(path, json.loads(path.read_text()) | content)


def keep_volumes(patient, n_volumes):
    change_voxels(patient.bold, lambda voxels: voxels[..., :n_volumes], np.int16)
    change_table(patient.confounds, lambda rows: rows.iloc[:n_volumes])


def censor_most(patient, n_kept):
    def change(rows):
        rows.loc[n_kept:, "framewise_displacement"] = "2.0"

    change_table(patient.confounds, change)


def mask_on_another_grid(patient):
    image = nib.load(patient.mask)
    affine = image.affine.copy()
    affine[0, 3] += 5.0
    moved = nib.Nifti1Image(np.asarray(image.dataobj), affine)
    moved.set_sform(affine, 4)
    moved.set_qform(affine, 4)
    nib.save(moved, patient.mask)


def say_repetition_time(value):
    return lambda patient: update_json(patient.bold_json, RepetitionTime=value)


HTML_PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>\n"
POINTER = b"/annex/objects/MD5E-s583680--d41d8cd98f00b204e9800998ecf8427e.nii.gz\n"

DEFECTS = {
    # label of the subject: (defect, file that the letter has to name, words of the letter)
    "gztruncated": (
        lambda p: change_bytes(p.bold, lambda content: content[: len(content) * 6 // 10]),
        *("bold", "truncated"),
    ),
    "gzcrc": (lambda p: change_bytes(p.bold, spoil_checksum), "bold", "CRC"),
    "gztrailer": (lambda p: change_bytes(p.bold, lambda content: content[:-8]), "bold", ""),
    "gzbitflip": (lambda p: change_bytes(p.bold, flip_a_bit), "bold", "corrupt|checksum|damaged"),
    "notgzip": (lambda p: p.bold.write_bytes(b"no image at all" * 99), "bold", "not gzip"),
    "zerobytes": (lambda p: put_nothing(p.bold), "bold", "0 bytes"),
    "htmlpage": (lambda p: p.bold.write_bytes(HTML_PAGE), "bold", "web page"),
    "dangling": (lambda p: put_link(p.bold, "../../.git/annex/x"), "bold", "datalad get"),
    "pointer": (lambda p: p.bold.write_bytes(POINTER), "bold", "datalad get"),
    "dimmore": (lambda p: change_header(p.bold, dim={4: 120}), "bold", "truncated.*1167712"),
    "dimless": (lambda p: change_header(p.bold, dim={4: 30}), "bold", "goes on.*292192"),
    "dimhuge": (lambda p: change_header(p.bold, dim={1: 30000, 2: 30000}), "bold", "cannot hold"),
    "dimnegative": (lambda p: change_header(p.bold, dim={2: -19}), "bold", "dimensions"),
    "offsetnan": (lambda p: change_header(p.bold, vox_offset=np.nan), "bold", "byte nan"),
    "offsetlow": (lambda p: change_header(p.bold, vox_offset=100), "bold", "byte 100"),
    "dtunknown": (lambda p: change_header(p.bold, datatype=9999), "bold", "type code 9999"),
    "dtcomplex": (lambda p: change_header(p.bold, datatype=32, bitpix=64), "bold", "complex64"),
    "internan": (
        lambda p: change_header(p.bold, scl_slope=1.0, scl_inter=np.nan),
        *("bold", "scaling"),
    ),
    "threedims": (
        lambda p: change_voxels(p.bold, lambda voxels: voxels[..., 0]),
        *("bold", "dimensions"),
    ),
    "affinezero": (
        lambda p: change_header(p.bold, srow_x=0, srow_y=0, srow_z=0),
        *("bold", "affine"),
    ),
    "affinenan": (lambda p: change_header(p.bold, srow_x=np.nan), "bold", "affine"),
    "noxform": (
        lambda p: change_header(p.bold, sform_code=0, qform_code=0),
        *("bold", "orientation is unknown"),
    ),
    "boldfifo": (lambda p: put_fifo(p.bold), "bold", "pipe"),
    "boldfolder": (lambda p: put_folder(p.bold), "bold", "folder"),
    "maskgrid": (mask_on_another_grid, "mask", "another grid"),
    "maskempty": (
        lambda p: change_voxels(p.mask, np.zeros_like, np.uint8),
        *("mask", "mask is invalid as it is empty"),
    ),
    "maskmissing": (lambda p: p.mask.unlink(), "mask", "No brain mask"),
    "masktruncated": (
        lambda p: change_bytes(p.mask, lambda content: content[:-40]),
        *("mask", "truncated"),
    ),
    "trdisagree": (lambda p: change_header(p.bold, pixdim={4: 3.0}), "bold", "2 s.*3 s"),
    "trmilliseconds": (say_repetition_time(2000), "bold_json", "2000"),
    "trnegative": (say_repetition_time(-2), "bold_json", "-2"),
    "trtext": (say_repetition_time("2.0"), "bold_json", "number"),
    "sidecarcut": (
        lambda p: p.bold_json.write_text('{"StartTime": 0.97, "Skull'),
        *("bold_json", "JSON"),
    ),
    "sidecarlist": (lambda p: p.bold_json.write_text("[1, 2]"), "bold_json", "object"),
    "sidecardeep": (lambda p: p.bold_json.write_text("[" * 100_000), "bold_json", "JSON"),
    "nanvolume": (blank_volume(np.nan, 17), "bold", "volume 17"),
    "allnan": (blank_volume(np.nan), "bold", "no finite value"),
    "allzero": (blank_volume(0), "bold", "never changes|empty"),
    "rowsshort": (
        lambda p: change_table(p.confounds, lambda rows: rows.iloc[:-1]),
        *("confounds", "59 rows.*60 volumes"),
    ),
    "rowslong": (
        lambda p: change_table(p.confounds, lambda rows: pd.concat([rows, rows.tail(1)])),
        *("confounds", "61 rows.*60 volumes"),
    ),
    "headeronly": (
        lambda p: change_table(p.confounds, lambda rows: rows.iloc[:0]),
        *("confounds", "no rows"),
    ),
    "nocounfounds": (lambda p: p.confounds.unlink(), "confounds", "No confounds table"),
    "emptytable": (lambda p: put_nothing(p.confounds), "confounds", "empty"),
    "fifotable": (lambda p: put_fifo(p.confounds), "confounds", "pipe"),
    "namiddle": (set_cell(30, "csf", "n/a"), "confounds", "row 31.*csf"),
    "nacolumn": (set_column("trans_x", "n/a"), "confounds", "row 2.*trans_x"),
    "columnmissing": (
        lambda p: change_table(p.confounds, lambda rows: rows.drop(columns="white_matter")),
        *("confounds", "white_matter"),
    ),
    "columntwice": (
        lambda p: change_table(p.confounds, lambda rows: rows.rename(columns={"csf_wm": "csf"})),
        *("confounds", "csf"),
    ),
    "celltext": (set_cell(8, "rot_y", "fast"), "confounds", "row 9.*rot_y.*fast"),
    "cellinf": (set_cell(8, "rot_y", "inf"), "confounds", "row 9.*rot_y.*inf"),
    "decimalcomma": (set_cell(8, "rot_y", "0,25"), "confounds", "row 9.*rot_y.*decimal comma"),
    "commas": (
        lambda p: change_bytes(p.confounds, lambda content: content.replace(b"\t", b",")),
        *("confounds", "commas"),
    ),
    "ragged": (
        lambda p: change_bytes(p.confounds, lambda content: content.replace(b"\n", b"\n0\t", 7)),
        *("confounds", "cells"),
    ),
    "latin": (
        lambda p: change_bytes(p.confounds, lambda content: content.replace(b"csf", b"c\xe9f")),
        *("confounds", "UTF-8"),
    ),
    # No file is to blame for these:
    "allcensored": (lambda p: censor_most(p, 1), "", "strategy simple.* 1 of 60 volumes"),
    "fewleft": (lambda p: censor_most(p, 20), "", "strategy simple.*20"),
    "tooshort": (lambda p: keep_volumes(p, 12), "", "strategy simple.*12"),
}


NOT_CLEANED = ("sub-allcensored", "sub-fewleft", "sub-tooshort")
"""Runs in which nothing is wrong with a file: what can be known of them is."""


@pytest.fixture(scope="module")
def healthy(tmp_path_factory, make_dataset):
    """Four healthy runs. Copied, never changed."""
    return make_dataset(
        tmp_path_factory.mktemp("healthy"),
        subjects=("01", "02"),
        runs=2,
        volumes=VOLUMES,
        grid=COARSE,
    )


@pytest.fixture(scope="module")
def hospital(healthy, tmp_path_factory):
    """A copy that the patients will be admitted to, once the reference is known."""
    return Path(shutil.copytree(healthy.root, tmp_path_factory.mktemp("hospital") / "fmriprep"))


@pytest.fixture(scope="module")
def reference(hospital, healthy):
    """What the healthy runs give without any neighbour."""
    out = hospital.parent / "reference"
    assert main(command(hospital, out, healthy.atlas)) == 0
    return out


@pytest.fixture(scope="module")
def ward(hospital, healthy, reference):
    """The same runs among all defects, and what came of it."""
    patients = {label: admit(hospital, label) for label in DEFECTS}
    for label, (defect, *_) in DEFECTS.items():
        defect(patients[label])
    before, out = checksums(hospital), hospital.parent / "out"
    exit_code, said = run_quietly(hospital, out, healthy.atlas)
    return Ward(
        root=hospital,
        out=out,
        patients=patients,
        exit_code=exit_code,
        said=said,
        input_is_unchanged=before == checksums(hospital),
    )


@dataclass(frozen=True, kw_only=True)
class Ward:
    root: Path
    out: Path
    patients: dict[str, Patient]
    exit_code: int
    said: str
    input_is_unchanged: bool


def command(root, out, atlas, *options):
    return [
        *(str(root), str(out), "participant", "--atlases", str(atlas)),
        *("--strategies", "simple", "--fd-threshold", "0.5", *options),
    ]


def run_quietly(root, out, atlas, *options):
    """Run the command in a process of its own; give exit code and all that it said."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "bidsmask", *command(root, out, atlas, *options)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def checksums(folder, *, without=("logs", ".bidsmask")):
    """SHA-256 of every file; special files and links by what they are."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] in without or path.is_dir():
            continue
        content = path.read_bytes() if path.is_file() else str(path.lstat().st_mode).encode()
        sums[name.as_posix()] = hashlib.sha256(content).hexdigest()
    return sums


def of_subjects(sums, subjects):
    return {name: value for name, value in sums.items() if name.startswith(subjects)}


def read_status(out):
    table = pd.read_csv(out / "logs" / "status.tsv", sep="\t", keep_default_na=False)
    return table.set_index("run")


def read_tsv(path):
    return pd.read_csv(path, sep="\t", na_values="n/a")


# One dataset, many defects


def test_a_dataset_with_defective_runs_exits_with_1(ward):
    assert ward.exit_code == 1


def test_exactly_the_defective_runs_failed(ward):
    status = read_status(ward.out)["status"]
    failed = {run.split("_")[0] for run in status.index[status == "failed"]}
    assert failed == {f"sub-{label}" for label in DEFECTS}
    assert (status == "done").sum() == 4


@pytest.mark.parametrize("label", DEFECTS)
def test_a_letter_names_the_file_and_says_what_is_wrong_and_what_to_do(ward, label):
    _, attribute, words = DEFECTS[label]
    patient = ward.patients[label]
    reason = read_status(ward.out).loc[patient.stem, "reason"]
    culprit = getattr(patient, attribute).name if attribute else ""
    assert culprit in reason
    assert re.search(words, reason), reason
    assert REMEDY.search(reason), reason
    assert "bug" not in reason
    assert reason in ward.said


def test_nobody_sees_a_traceback(ward):
    assert "Traceback" not in ward.said
    assert "Error:" not in ward.said


def test_healthy_runs_do_not_notice_their_neighbours(ward, reference):
    assert of_subjects(checksums(ward.out), HEALTHY) == of_subjects(checksums(reference), HEALTHY)


def test_a_failed_run_leaves_no_file_behind(ward):
    written = [path.name for path in ward.out.rglob("func/*") if path.is_file()]
    assert {name.split("_")[0] for name in written} == {*HEALTHY, *NOT_CLEANED}
    assert not [path for path in ward.out.rglob("*.tmp")]


def test_a_run_that_cannot_be_cleaned_has_its_quality_and_no_signals(ward):
    for subject in NOT_CLEANED:
        names = [path.name for path in ward.out.rglob(f"{subject}_*") if path.is_file()]
        assert not [name for name in names if "_timeseries" in name or "_relmat" in name]
        (table,) = ward.out.rglob(f"{subject}_*_qc.tsv")
        assert list(pd.read_csv(table, sep="\t", keep_default_na=False)["status"]) == ["n/a"]


def test_the_input_is_not_touched(ward):
    assert ward.input_is_unchanged


def test_every_subject_with_a_failed_run_has_a_report_that_says_so(ward):
    for label, patient in ward.patients.items():
        page = html.unescape((ward.out / f"sub-{label}.html").read_text(encoding="utf-8"))
        assert patient.stem in page
        assert read_status(ward.out).loc[patient.stem, "reason"] in page


def test_once_repaired_the_same_command_finishes(ward, healthy, reference):
    repaired = ["maskmissing", "gztruncated"]  # known before anything is computed, and later
    for label in DEFECTS:
        shutil.rmtree(ward.root / f"sub-{label}")
    for label in repaired:
        admit(ward.root, label)
    before = {path: path.stat().st_mtime_ns for path in (ward.out / "sub-01").rglob("*")}
    exit_code, said = run_quietly(ward.root, ward.out, healthy.atlas)
    assert exit_code == 0, said
    assert before == {path: path.stat().st_mtime_ns for path in (ward.out / "sub-01").rglob("*")}
    like = next(reference.rglob("sub-01_*run-1*stat-mean_desc-simple_timeseries.tsv"))
    for label in repaired:
        assert read_status(ward.out).loc[ward.patients[label].stem, "status"] == "done"
        (found,) = ward.out.rglob(f"sub-{label}_*stat-mean_desc-simple_timeseries.tsv")
        assert found.read_bytes() == like.read_bytes()


# Odd, and fine all the same


def copy_of_first_run(dataset, root):
    shutil.copytree(dataset.root, root)
    shutil.rmtree(root / "sub-02")
    for path in root.rglob("*_run-2_*"):
        path.unlink()
    return root


@pytest.fixture(scope="module")
def odd(healthy, reference, tmp_path_factory):
    """Things that look wrong and are not, in a folder with a difficult name."""
    folder = tmp_path_factory.mktemp("odd") / "my data (50 % ü) $HOME; [x]"
    folder.mkdir()
    root = copy_of_first_run(healthy, folder / "fmri prep")
    in_another_encoding(admit(root, "encoding"))
    with_another_look(admit(root, "look"))
    losses = lose_voxels(admit(root, "losses"), reference)
    func = root / "sub-01" / "func"
    source = next(func.glob("*run-1_space*preproc_bold.nii.gz"))
    shutil.copy(source, source.with_name(f"._{source.name}"))
    shutil.copy(source, func / source.name.replace("sub-01", "sub-77"))
    shutil.copy(source, func / source.name.replace(SPACE, "space-T1w"))
    (func / "again").symlink_to("..")
    (root / "sub-01" / "ses-1").symlink_to(".")
    (root / "sub-nobold" / "func").mkdir(parents=True)
    exit_code, said = run_quietly(root, folder / "out put", healthy.atlas)
    assert exit_code == 1, said  # for sub-nobold, which was asked for as all were
    return Odd(root=root, out=folder / "out put", said=said, losses=losses)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Where values were taken away: a NaN and an infinite voxel of a region, a constant region."""

    damaged: str
    damaged_voxels: np.ndarray
    constant: str


@dataclass(frozen=True, kw_only=True)
class Odd:
    root: Path
    out: Path
    said: str
    losses: Losses


def in_another_encoding(patient):
    """Big-endian NIfTI-2 in two gzip members, TR of 0, mask of 255, table out of a spreadsheet."""
    image = nib.load(patient.bold)
    header = nib.Nifti2Header.from_header(image.header).as_byteswapped(">")
    header["pixdim"][4] = 0
    raw = nib.Nifti2Image(np.asanyarray(image.dataobj), image.affine, header).to_bytes()
    patient.bold.write_bytes(gzip.compress(raw[:90_001]) + gzip.compress(raw[90_001:]))
    change_voxels(patient.mask, lambda voxels: voxels * 255, np.uint8)
    text = patient.confounds.read_text().replace("\n", "\r\n")
    patient.confounds.write_bytes(b"\xef\xbb\xbf" + text.encode())
    patient.confounds_json.unlink()


def with_another_look(patient):
    """Float64, NaN around the brain, behind a link; columns called as in fMRIPrep 1.1."""
    inside = np.asarray(nib.load(patient.mask).dataobj) > 0

    def change(voxels):
        voxels[~inside] = np.nan
        return voxels

    change_voxels(patient.bold, change, np.float64)
    annexed = patient.bold.parents[2] / ".git" / "annex" / "MD5E-s583680--abc.nii.gz"
    annexed.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(patient.bold, annexed)
    patient.bold.symlink_to(os.path.relpath(annexed, patient.bold.parent))
    old_names = {"csf": "CSF", "rot_x": "RotX", "framewise_displacement": "FramewiseDisplacement"}
    change_table(patient.confounds, lambda rows: rows.rename(columns=old_names))


def lose_voxels(patient, reference):
    labels = np.asarray(nib.load(next(reference.rglob("sub-01_*run-1*_dseg.nii.gz"))).dataobj)
    inside = np.asarray(nib.load(patient.mask).dataobj) > 0
    table = read_tsv(next(reference.rglob("sub-01_*run-1*_stat-coverage_bold.tsv")))
    large = table[table["status"] == "ok"].sort_values("n_covered", ascending=False)
    damaged, constant = large.iloc[0], large.iloc[1]
    voxels = np.argwhere((labels == damaged["index"]) & inside)

    def change(values):
        values[*voxels[0], 5:8] = np.nan
        values[*voxels[1], 20] = np.inf
        values[labels == constant["index"]] = 500
        return values

    change_voxels(patient.bold, change)
    return Losses(damaged=damaged["Node"], damaged_voxels=voxels, constant=constant["Node"])


def signals_of(out, subject):
    (found,) = out.rglob(f"sub-{subject}_*stat-mean_*_timeseries.tsv")
    return found


@pytest.mark.parametrize("subject", ["encoding", "look"])
def test_another_encoding_gives_the_same_bytes(odd, reference, subject):
    like = next(reference.rglob("sub-01_*run-1*stat-mean_desc-simple_timeseries.tsv"))
    assert signals_of(odd.out, subject).read_bytes() == like.read_bytes()


def test_oddities_are_warned_of_by_name(odd):
    for words in (
        r"sub-encoding\S*: .*0 s between volumes.*placeholder",
        r"sub-encoding\S*: .*_desc-confounds_timeseries\.json",
        r"named after another subject.*sub-77",
        r"1 with space-T1w",
    ):
        assert re.search(f"warning: .*{words}", odd.said), odd.said
    assert "Traceback" not in odd.said


def test_every_run_is_found_once_and_under_its_own_name(odd):
    status = read_status(odd.out)
    assert list(status.index) == [
        f"sub-01_task-rest_run-1_{SPACE}",
        *(f"sub-{label}_task-rest_{SPACE}" for label in ("encoding", "look", "losses")),
        "sub-nobold",
    ]
    assert list(status.index[status["status"] == "failed"]) == ["sub-nobold"]


def test_a_region_that_never_changes_is_missing_by_name(odd):
    signals = read_tsv(signals_of(odd.out, "losses"))
    coverage = read_tsv(next(odd.out.rglob("sub-losses_*stat-coverage_bold.tsv"))).set_index(
        "Node"
    )
    matrix = read_tsv(next(odd.out.rglob("sub-losses_*relmat.tsv"))).set_index("Node")
    lost = odd.losses.constant
    assert signals[lost].isna().all()
    assert matrix[lost].isna().all()
    assert matrix.loc[lost].isna().all()
    assert coverage.loc[lost, "status"] == "constant"


def test_a_mean_is_over_the_voxels_that_have_a_value_in_every_volume(odd, healthy, tmp_path):
    options = ["--participant-label", "losses", "--strategies", "none", "--no-detrend"]
    options += ["--standardize", "none", "--fd-threshold", "none"]
    assert main([*command(odd.root, tmp_path, healthy.atlas), *options]) == 0
    (bold,) = odd.root.glob("sub-losses/func/*_bold.nii.gz")
    x, y, z = odd.losses.damaged_voxels.T
    voxels = np.asarray(nib.load(bold).dataobj)[x, y, z].astype(np.float64)
    measured = np.isfinite(voxels).all(axis=1) & (np.ptp(voxels, axis=1) > 0)
    by_hand = voxels[measured].mean(axis=0)
    signals = read_tsv(signals_of(tmp_path, "losses"))
    np.testing.assert_allclose(signals[odd.losses.damaged], by_hand, rtol=1e-6)  # float32
    quality = read_tsv(next(tmp_path.rglob("sub-losses_*_qc.tsv")))
    assert list(quality["n_nonfinite_voxels"]) == [2]


# Text that wants to be something else

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
FORMULA = "=HYPERLINK(evil)"
NAMES = [SCRIPT, IMAGE, FORMULA, "+1", "-2", "@sum", "</script><script>x()", "Ünïcode", "a b"]


@pytest.fixture(scope="module")
def attack(healthy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attack")
    root = folder / "fmriprep"
    shutil.copytree(healthy.root, root)
    update_json(admit(root, "evil").bold_json, TaskName=SCRIPT, EchoTime=IMAGE)
    for name in HEALTHY:
        shutil.rmtree(root / name)
    atlas = shutil.copy(healthy.atlas, folder / healthy.atlas.name)
    table = pd.read_csv(healthy.atlas_table, sep="\t", dtype=str)
    table.loc[: len(NAMES) - 1, "name"] = NAMES
    table.loc[: len(NAMES) - 1, "network"] = NAMES
    table.to_csv(folder / healthy.atlas_table.name, sep="\t", index=False, quoting=3)
    strategy = folder / "evil.yaml"
    strategy.write_text(
        "name: evil\n"
        f"description: '{SCRIPT}'\n"
        f"reference: {{text: '{IMAGE}'}}\n"
        "columns: [{label: '<b>motion</b>', pattern: 'trans_x'}]\n"
    )
    out = folder / "out"
    assert main(command(root, out, Path(atlas), "--strategies", str(strategy))) == 0
    return out


def test_no_payload_reaches_a_report_unescaped(attack):
    pages = [*attack.glob("*.html"), *attack.rglob("*.svg")]
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "alert(1)</script" not in text, page.name
        assert "<img src=x" not in text, page.name
        assert "<script>x()" not in text, page.name
        assert "<b>motion" not in text, page.name


def test_no_cell_of_a_table_is_a_formula(attack):
    tables = [path for path in attack.rglob("*") if path.suffix in (".tsv", ".csv")]
    assert tables
    for path in tables:
        for line in path.read_text(encoding="utf-8").splitlines():
            for cell in line.split("\t"):
                assert not cell.startswith(("=", "@", "\r")), path.name
                assert is_number(cell) or not cell.startswith(("+", "-")), path.name


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_region_names_come_back_as_they_were(attack):
    (path,) = attack.rglob("*_desc-evil_timeseries.tsv")
    columns = path.read_text(encoding="utf-8").splitlines()[0].split("\t")
    assert [name.removeprefix("'") for name in columns[: len(NAMES)]] == NAMES


# Atlases that cannot be used: nothing is begun


def write_labels(path, labels, affine):
    image = nib.Nifti1Image(labels, affine)
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    nib.save(image, path)


def with_labels(change, dtype=np.float32):
    def spoil(image, table):
        loaded = nib.load(image)
        labels = np.asarray(loaded.dataobj).astype(dtype)
        changed = change(labels)
        write_labels(image, labels if changed is None else changed, loaded.affine)

    return spoil


def with_rows(change):
    def spoil(image, table):
        rows = pd.read_csv(table, sep="\t", dtype=str)
        changed = change(rows)
        (rows if changed is None else changed).to_csv(table, sep="\t", index=False)

    return spoil


def set_voxel(value):
    def change(labels):
        labels[20, 20, 20] = value

    return change


def rename(image, table, new):
    for file in (image, table):
        file.rename(file.with_name(file.name.replace("tpl-MNI152NLin2009cAsym", new)))


ATLAS_DEFECTS = {
    "truncated": (lambda image, table: change_bytes(image, lambda c: c[:-100]), "truncated"),
    "empty file": (lambda image, table: put_nothing(image), "0 bytes"),
    "missing": (lambda image, table: image.unlink(), "dseg"),
    "half a label": (with_labels(set_voxel(2.5)), "2.5 is no label"),
    "negative": (with_labels(set_voxel(-3), np.int16), "-3 is no label"),
    "no region": (with_labels(np.zeros_like), "no regions"),
    "two volumes": (with_labels(lambda labels: np.stack([labels] * 2, axis=-1)), "volumes"),
    "row missing": (with_rows(lambda rows: rows.iloc[:-1]), "60"),
    "index twice": (with_rows(lambda rows: pd.concat([rows, rows.tail(1)])), "twice"),
    "name twice": (with_rows(lambda rows: rows.assign(name="same")), "same"),
    "no index": (with_rows(lambda rows: rows.rename(columns={"index": "id"})), "index"),
    "no table rows": (with_rows(lambda rows: rows.iloc[:0]), "no regions"),
    "counts from zero": (
        with_rows(lambda rows: rows.assign(index=[str(number) for number in range(60)])),
        "background",
    ),
    "another space": (
        lambda image, table: rename(image, table, "tpl-MNI152NLin6Asym"),
        "MNI152NLin6Asym.*MNI152NLin2009cAsym|MNI152NLin2009cAsym.*MNI152NLin6Asym",
    ),
}


@pytest.mark.parametrize("defect", ATLAS_DEFECTS)
def test_a_bad_atlas_is_refused_before_anything_is_written(healthy, tmp_path, capsys, defect):
    spoil, words = ATLAS_DEFECTS[defect]
    atlas = Path(shutil.copy(healthy.atlas, tmp_path))
    table = Path(shutil.copy(healthy.atlas_table, tmp_path))
    spoil(atlas, table)
    if not atlas.exists() and (renamed := [*tmp_path.glob("*_dseg.nii.gz")]):
        (atlas,) = renamed
    exit_code = main(command(healthy.root, tmp_path / "out", atlas))
    said = capsys.readouterr().err
    assert exit_code == 2, said
    assert "dseg" in said.splitlines()[-1]
    assert re.search(words, said.splitlines()[-1]), said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda image, table: table.unlink(), "table"),
        (
            with_rows(lambda rows: pd.concat([rows, rows.tail(1).assign(index="99", name="x")])),
            "x",
        ),
    ],
    ids=["no table", "a row too many"],
)
def test_an_atlas_that_can_be_used_is_warned_of(healthy, tmp_path, capsys, spoil, words):
    atlas = Path(shutil.copy(healthy.atlas, tmp_path))
    spoil(atlas, Path(shutil.copy(healthy.atlas_table, tmp_path)))
    assert main([*command(healthy.root, tmp_path / "out", atlas), "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert re.search(f"warning: .*{words}", said), said


def test_an_atlas_elsewhere_in_space_fails_each_run_with_both_grids(healthy, tmp_path, capsys):
    image = nib.load(healthy.atlas)
    affine = image.affine.copy()
    affine[:3, 3] += 5000
    atlas = tmp_path / healthy.atlas.name
    write_labels(atlas, np.asarray(image.dataobj), affine)
    shutil.copy(healthy.atlas_table, tmp_path)
    exit_code = main(command(healthy.root, tmp_path / "out", atlas))
    said = capsys.readouterr().err
    assert exit_code in (1, 2), said
    assert "same space" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"Name": "x", "GeneratedBy": "fMRIPrep"}'])
def test_a_damaged_description_costs_a_warning(healthy, tmp_path, capsys, content):
    root = Path(shutil.copytree(healthy.root, tmp_path / "fmriprep"))
    (root / "dataset_description.json").write_text(content)
    assert main([*command(root, tmp_path / "out", healthy.atlas), "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert re.search("warning: .*dataset_description.json", said), said


def test_a_link_out_of_the_output_is_not_followed(healthy, tmp_path, capsys):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "sub-02").symlink_to(elsewhere)
    options = ["--participant-label", "02"]
    exit_code = main([*command(healthy.root, out, healthy.atlas), *options])
    said = capsys.readouterr().err
    assert exit_code not in (0, 70), said
    assert "link" in said
    assert [*elsewhere.rglob("*")] == []


def test_secrets_of_the_environment_stay_there(healthy, tmp_path, monkeypatch):
    monkeypatch.setenv("BM_CANARY", "hunter2-in-the-environment")
    root = copy_of_first_run(healthy, tmp_path / "fmriprep")
    change_table(admit(root, "broken").confounds, lambda rows: rows.iloc[:-1])
    options = "-w", str(tmp_path / "work"), "-vvv"
    exit_code, said = run_quietly(root, tmp_path / "out", healthy.atlas, *options)
    assert exit_code == 1
    assert "hunter2" not in said
    for folder in (tmp_path / "out", tmp_path / "work"):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                assert b"hunter2" not in content, path
