"""Tables that are not quite tables: a letter for each, and whoever does what it says is helped."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from bidsmask.dataset.confounds import load_confounds
from bidsmask.dataset.strategies import ColumnGroup
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import RunError

N = 30
AXES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
WAYS = ("", "_derivative1", "_power2", "_derivative1_power2")


class Trouble:
    """A table as fMRIPrep wrote it before 21.0, its JSON, and what is asked of it."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        names = [axis + way for axis in AXES for way in WAYS]
        names += ["csf", "white_matter", "global_signal", "framewise_displacement"]
        names += [f"a_comp_cor_{number:02d}" for number in range(6)]
        self.columns = {name: [f"{x:.6f}" for x in rng.normal(size=N)] for name in names}
        self.columns["framewise_displacement"] = ["n/a"] + ["0.1"] * (N - 1)
        self.table = folder / "sub-01_task-rest_desc-confounds_timeseries.tsv"
        self.sidecar = self.table.with_suffix(".json")
        self.strategy = load_strategy("24P")
        self.write()
        shares = np.cumsum([0.3, 0.25, 0.1, 0.3, 0.25, 0.1])
        shares[3:] -= shares[2]
        self.about = {
            f"a_comp_cor_{number:02d}": {
                "Mask": "WM" if number < 3 else "CSF",
                "Retained": number % 3 < 2,
                "CumulativeVarianceExplained": float(share),
            }
            for number, share in enumerate(shares)
        }
        self.sidecar.write_text(json.dumps(self.about))
        self.spare = folder / "spare"
        self.spare.mkdir()
        for file in (self.table, self.sidecar):
            shutil.copy(file, self.spare)

    def write(self, separator="\t", header=True, names=False):
        rows = [list(self.columns)] if header else []
        rows += map(list, zip(*self.columns.values(), strict=True))
        if names:
            rows[1:] = [[str(number), *row] for number, row in enumerate(rows[1:])]
        self.table.write_text("".join(separator.join(row) + "\n" for row in rows))

    def copy_again(self):
        for file in (self.table, self.sidecar):
            file.unlink(missing_ok=True)
            shutil.copy(self.spare / file.name, file)

    def load(self):
        sidecar = self.sidecar if self.sidecar.exists() else None
        return load_confounds(self.table, sidecar, self.strategy, n_volumes=N)


def use(name, **changes):
    def change(trouble):
        trouble.strategy = load_strategy(name).with_overrides(**changes)

    return change


def take(**how):
    """Ask for CompCor components of white matter."""
    group = ColumnGroup(label="components", pattern=r"a_comp_cor_\d+", mask="WM", **how)

    def change(trouble):
        trouble.strategy = replace(load_strategy("none"), groups=(group,))

    return change


def written(text):
    return lambda t: t.table.write_text(text)


def replaced(old, new, count=1):
    return lambda t: t.table.write_text(t.table.read_text().replace(old, new, count))


def cell(column, row, text):
    def change(trouble):
        trouble.columns[column][row] = text
        trouble.write()

    return change


def both(*changes):
    def change(trouble):
        for each in changes:
            each(trouble)

    return change


def without(*names):
    def change(trouble):
        for name in names:
            trouble.columns.pop(name)
        trouble.write()

    return change


def keep_rows(n):
    def change(trouble):
        trouble.table.write_text("".join(trouble.table.read_text().splitlines(True)[: n + 1]))

    return change


def link_to_nowhere(trouble):
    trouble.table.unlink()
    trouble.table.symlink_to("../.git/annex/objects/x")


def about(change):
    def spoil(trouble):
        for entry in trouble.about.values():
            change(entry)
        trouble.sidecar.write_text(json.dumps(trouble.about))

    return spoil


again = Trouble.copy_again
CASES = {
    # fault, words of the letter with its advice, the advice followed
    "spaces": (lambda t: t.write(" "), "separated by spaces.* write it with tabs", Trouble.write),
    "commas": (lambda t: t.write(","), "separated by commas.* write it with tabs", Trouble.write),
    "semicolons": (lambda t: t.write(";"), "by semicolons.* write it with tabs", Trouble.write),
    "no header": (lambda t: t.write(header=False), "no header.* Use the one that fMRIPrep", again),
    "row names of R": (
        lambda t: t.write(names=True),
        *("the first column has no name.* row.names = FALSE", Trouble.write),
    ),
    "empty": (written(""), "is empty. Copy it again", again),
    "header only": (keep_rows(0), "no rows. Copy it again", again),
    "too few rows": (keep_rows(N - 2), f"{N - 2} rows, but .* {N} volumes.* copy both", again),
    "too many rows": (
        lambda t: t.table.write_text(t.table.read_text() + t.table.read_text().split("\n", 1)[1]),
        *(f"{2 * N} rows, but .* copy both again", again),
    ),
    "half a row": (
        lambda t: t.table.write_text(t.table.read_text()[:-30]),
        "copy it again",
        again,
    ),
    "two columns of one name": (
        replaced("\tcsf\t", "\ttrans_x\t"),
        *("more than one column is called 'trans_x'.* remove", again),
    ),
    "decimal comma": (
        cell("rot_x", 4, "0,25"),
        *("decimal comma.* use the one that fMRIPrep wrote", again),
    ),
    "a word": (cell("rot_x", 4, "oops"), "found 'oops', .* Copy the table again", again),
    "a gap": (cell("rot_x", 4, "n/a"), "row 5 .* run fMRIPrep again", again),
    "a column of nothing": (
        both(use("simple"), lambda t: t.columns.update(csf=["n/a"] * N), Trouble.write),
        *("csf is n/a in every row. Choose a strategy without it", use("24P")),
    ),
    "two bytes a letter": (
        lambda t: t.table.write_bytes(t.table.read_text().encode("utf-16")),
        *("not a text file in UTF-8.* Copy it again", again),
    ),
    "a pointer of git-annex": (
        written("/annex/objects/MD5E-s1--x.tsv\n"),
        *("git-annex pointer.* datalad get", again),
    ),
    "a broken link": (link_to_nowhere, "broken link.* datalad get", again),
    "no framewise displacement": (
        both(without("framewise_displacement"), use("24P", fd_threshold_mm=0.5)),
        *("cannot be censored above 0.5. Leave the threshold out", use("24P")),
    ),
    "all volumes censored": (
        both(
            lambda t: t.columns.update(framewise_displacement=["0.9"] * N),
            Trouble.write,
            use("24P", fd_threshold_mm=0.5),
        ),
        *("keeps 0 of 30 volumes.* Raise a threshold", use("24P", fd_threshold_mm=1.0)),
    ),
    "a missing column": (
        both(without("csf"), use("27P")),
        *(r"no column \['csf'\].* has all columns for '24P'", use("24P")),
    ),
    "components of AROMA in a table of today": (
        use("aroma"),
        *("fMRIPrep wrote them until 23.0; .* has all columns for '24P'", use("24P")),
    ),
    "no JSON": (
        both(take(), lambda t: t.sidecar.unlink()),
        *("Could not find associated json file.* copy it there from fMRIPrep's output", again),
    ),
    "a broken JSON": (
        both(take(), lambda t: t.sidecar.write_text("{")),
        *("not JSON that can be read.* Copy it again", again),
    ),
    "a list for a JSON": (
        both(take(), lambda t: t.sidecar.write_text("[]")),
        *("expected a JSON object.* Copy it again", again),
    ),
    "no masks": (
        both(take(), about(lambda entry: entry.pop("Mask"))),
        *("has no 'Mask' for a_comp_cor_00, .* columns for '24P'", use("24P")),
    ),
    "nothing is said to be retained": (
        both(take(retained=True), about(lambda entry: entry.pop("Retained"))),
        *("has no 'Retained' for a_comp_cor_00", take()),
    ),
    "more variance than there is": (
        take(variance=0.9),
        *("explain 65.0% of the variance together, and 90.0% was asked for", take(variance=0.6)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_does_what_a_letter_says_is_helped(case, tmp_path):
    fault, words, follow = CASES[case]
    trouble = Trouble(tmp_path)
    trouble.load()
    fault(trouble)
    with pytest.raises(RunError, match=words):
        trouble.load()
    follow(trouble)
    assert trouble.load().sample_mask.sum() == N
