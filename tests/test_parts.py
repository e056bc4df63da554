"""What fails costs its own part of a run: a strategy, a measure, a figure.

The rest is what it would be without that part, to the byte; the part is named wherever a user
looks, and the exit code says that something is missing.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import (
    N_VOLUMES,
    SHAPE,
    SPACE,
    affine_in,
    blocks_of,
    confounds_table,
    noise,
    save_image,
)

from bidsmask.cli.main import main

AFFINE = affine_in("RAS")
SUBJECTS = ("01", "02")
FINE = tuple(tuple(range(-20, 21, 8)) for _ in range(3))  # 125 regions of 40 volumes
FEWER = ("--dummy-scans", "5", "--filter", "none")


def write_atlas(folder, name, labels):
    stem = folder / f"tpl-{SPACE}_atlas-{name}_dseg"
    path = save_image(stem.with_suffix(".nii.gz"), labels, AFFINE)
    rows = "".join(f"{label}\tR{label}\n" for label in np.unique(labels[labels > 0]))
    stem.with_suffix(".tsv").write_text("index\tname\n" + rows)
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """An atlas of a few regions."""
    return write_atlas(tmp_path_factory.mktemp("few"), "Few", blocks_of(AFFINE, SHAPE))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An atlas of more regions than there are volumes."""
    return write_atlas(tmp_path_factory.mktemp("many"), "Many", blocks_of(AFFINE, SHAPE, FINE))


@pytest.fixture
def dataset(tiny):
    """Two subjects, of whom the first has no mean signals of white matter and fluid."""
    made = tiny()
    for number, subject in enumerate(SUBJECTS):
        table = confounds_table(seed=number)
        lacks = [name for name in table if subject == "01" and name.startswith(("white", "csf"))]
        made.add_run(subject, noise(seed=number), AFFINE, confounds=table.drop(columns=lacks))
    return made


@dataclass(frozen=True)
class Done:
    exit_code: int
    said: str
    out: Path

    def files(self, pattern):
        return {path.name: path.read_bytes() for path in self.out.rglob(pattern)}

    def quality(self, subject="01"):
        (path,) = self.out.rglob(f"sub-{subject}_*desc-bidsmask_qc.tsv")
        table = pd.read_csv(path, sep="\t", keep_default_na=False)
        return table.set_index("strategy")

    def status(self):
        path = self.out / "logs" / "status.tsv"
        table = pd.read_csv(path, sep="\t", keep_default_na=False)
        return table.set_index(table["run"].str.split("_").str[0])

    def report(self, subject="01"):
        return (self.out / f"sub-{subject}.html").read_text()


@pytest.fixture
def extract(dataset, few, tmp_path, capsys):
    def run(*options, out="out", atlases=(few,)):
        where = [
            dataset.root,
            tmp_path / out,
            "participant",
            "--min-dof",
            0,
            "--atlases",
            *atlases,
        ]
        capsys.readouterr()
        exit_code = main([str(each) for each in (*where, *options)])
        return Done(exit_code, "".join(capsys.readouterr()), tmp_path / out)

    return run


def assert_named(done, letter, subject="01"):
    """A part of one run is missing, wherever one looks; the other run is done."""
    assert done.exit_code == 1, done.said
    assert re.search(rf"^in part: sub-{subject}_.*{letter}", done.said, re.MULTILINE), done.said
    assert re.search(r"1 of 2 runs done( \(\d+ steps reused\))?, 1 in part", done.said)
    status = done.status()
    assert status.loc[f"sub-{subject}", "status"] == "partial"
    assert re.search(letter, status.loc[f"sub-{subject}", "reason"])
    other = next(label for label in SUBJECTS if label != subject)
    assert status.loc[f"sub-{other}", "status"] == "done"
    assert "1 of 1 run is done in part." in done.report(subject)
    assert "is complete" in done.report(other)


# --- a strategy


NO_COLUMN = "strategy simple is n/a: .*csf"


def test_a_strategy_without_its_columns_costs_no_other(extract):
    done = extract("--strategies", "simple", "24P")
    assert_named(done, NO_COLUMN)
    alone = extract("--strategies", "24P", out="alone")
    assert alone.exit_code == 0
    for kind in ("timeseries.tsv", "relmat.tsv", "_design.tsv", "_outliers.tsv"):
        wanted = alone.files(f"sub-01*{kind}")
        assert wanted
        assert done.files(f"sub-01*{kind}") == wanted
    assert len(done.files("sub-02*_timeseries.tsv")) == 2


def test_its_row_says_why(extract):
    table = extract("--strategies", "simple", "24P").quality()
    assert list(table.index) == ["simple", "24P"]
    assert list(table["status"]) == ["n/a", "ok"]
    assert "csf" in table.loc["simple", "reason"]
    assert table.loc["24P", "reason"] == "n/a"
    for name in ("n_kept", "dof_remaining", "minutes_kept"):
        assert table.loc["simple", name] == "n/a"
        assert table.loc["24P", name] != "n/a"
    assert table.loc["24P", "n_kept"] == str(N_VOLUMES - 2)  # a whole number, beside an n/a
    assert set(table["n_volumes"]) == {N_VOLUMES}
    assert len(set(table["mean_fd"])) == 1


def test_the_group_has_its_rows_and_counts_in_whole_numbers(extract, dataset):
    done = extract("--strategies", "simple", "24P")
    assert main([str(dataset.root), str(done.out), "group"]) == 0
    (path,) = done.out.glob("group_qc.tsv")
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert list(table["status"]) == ["n/a", "ok", "ok", "ok"]
    assert list(table["n_kept"]) == ["n/a", *["38"] * 3]


def test_a_damaged_summary_is_made_anew(extract, tmp_path):
    asked = ("--strategies", "simple", "24P", "-w", tmp_path / "work")
    first = extract(*asked)
    (summary,) = first.out.rglob("sub-01*_report.json")
    whole = summary.read_bytes()
    summary.write_bytes(whole[:100])
    assert_named(extract(*asked), NO_COLUMN)
    assert summary.read_bytes() == whole


def test_its_label_is_not_among_those_of_files(extract):
    done = extract("--participant-label", "01", "--strategies", "simple", "24P")
    (labels,) = done.files("descriptions.tsv").values()
    assert b"24P\t" in labels
    assert b"simple\t" not in labels


def test_the_sidecar_of_the_quality_table_names_it(extract):
    done = extract("--strategies", "simple", "24P")
    (sidecar,) = done.files("sub-01*desc-bidsmask_qc.json").values()
    (letter,) = json.loads(sidecar)["NotDone"]
    assert re.search(NO_COLUMN, letter)
    (other,) = done.files("sub-02*desc-bidsmask_qc.json").values()
    assert "NotDone" not in json.loads(other)


def test_a_strategy_that_leaves_no_freedom_costs_no_other(extract):
    done = extract("--participant-label", "02", "--strategies", "36P", "24P", *FEWER)
    assert done.exit_code == 1
    assert re.search("strategy 36P is n/a: .*volumes", done.said)
    assert [*done.files("*_timeseries.tsv")] == [*done.files("*desc-24P_timeseries.tsv")]
    assert done.quality("02").loc["36P", "status"] == "n/a"


def test_without_any_strategy_a_run_has_failed_and_its_quality_is_known(extract):
    done = extract("--participant-label", "02", "--strategies", "36P", *FEWER)
    assert done.exit_code == 1
    assert done.status().loc["sub-02", "status"] == "failed"
    assert not done.files("*_timeseries.tsv")
    assert not done.files("*_relmat.tsv")
    row = done.quality("02").loc["36P"]
    assert row["status"] == "n/a"
    np.testing.assert_allclose(row["mean_fd"], 0.1)
    assert done.files("*coverage_bold.tsv")


@pytest.mark.parametrize("option", ["--voxelwise", "--seed-maps"])
def test_what_is_written_of_voxels_lacks_it_too(extract, tmp_path, option):
    seeds = tmp_path / f"space-{SPACE}_seg-Two_seeds.tsv"
    seeds.write_text("name\tx\ty\tz\tradius\na\t0\t0\t0\t8\nb\t5\t5\t5\t8\n")
    extra = (option, "--seeds", seeds) if option == "--seed-maps" else (option,)
    done = extract("--strategies", "simple", "24P", *extra)
    assert_named(done, NO_COLUMN)
    pattern = {"--voxelwise": "sub-01*desc-{}_bold.nii.gz", "--seed-maps": "*01*desc-{}_boldmap*"}
    assert not done.files(pattern[option].format("simple"))
    assert done.files(pattern[option].format("24P"))


def test_a_second_time_it_is_named_again_and_nothing_is_done_again(extract, tmp_path):
    asked = ("--strategies", "simple", "24P", "-w", tmp_path / "work")
    first, second = extract(*asked), extract(*asked)
    assert_named(second, NO_COLUMN)
    assert "reused" in second.said
    results = "sub-*_*.*"
    assert first.files(results) == second.files(results)


def test_once_the_table_is_whole_the_same_command_does_the_rest(extract, dataset, tmp_path):
    asked = ("--strategies", "simple", "24P", "-w", tmp_path / "work")
    assert extract(*asked).exit_code == 1
    (table,) = dataset.root.glob("sub-01/func/*_timeseries.tsv")
    confounds_table().to_csv(table, sep="\t", index=False, na_rep="n/a")
    done = extract(*asked)
    assert done.exit_code == 0, done.said
    assert set(done.status()["status"]) == {"done"}
    assert set(done.quality()["status"]) == {"ok"}
    assert len(done.files("*_timeseries.tsv")) == 4
    assert "Done in part" not in done.report()


def test_a_dry_run_says_it_in_the_same_words(extract):
    asked = ("--strategies", "simple", "24P")
    dry, done = extract(*asked, "--dry-run", out="none"), extract(*asked)
    assert dry.exit_code == 1
    letter = re.search("strategy simple is n/a: .*", dry.said)[0]
    assert letter.strip() in done.status().loc["sub-01", "reason"]


# --- a measure


def test_a_measure_that_cannot_be_computed_costs_itself(extract, few, many):
    done = extract(
        *("--participant-label", "02", "--strategies", "none"),
        *("--connectivity", "correlation", "precision"),
        atlases=(few, many),
    )
    assert done.exit_code == 1
    letter = "measure precision of Many, none is n/a: "
    assert letter in done.said
    assert done.status().loc["sub-02", "status"] == "partial"
    written = {re.search(r"atlas-\w+?_stat-\w+?_", name)[0] for name in done.files("*relmat.tsv")}
    assert written == {
        "atlas-Few_stat-pearsoncorrelation_",
        "atlas-Few_stat-precision_",
        "atlas-Many_stat-pearsoncorrelation_",
    }
    assert len(done.files("*_timeseries.tsv")) == 2
    assert set(done.quality("02")["status"]) == {"ok"}
    assert letter[1:] in done.report("02")


def test_a_reason_that_measures_share_is_said_once(extract, few):
    done = extract(
        *("--participant-label", "02", "--strategies", "none", "--create-matrices", "60"),
        *("--connectivity", "correlation", "covariance"),
        atlases=(few,),
    )
    assert done.exit_code == 1
    parts = [f"{name} (60 min) of Few, none" for name in ("correlation", "covariance")]
    letter = f"measures {'; '.join(parts)} are n/a: "
    assert done.status().loc["sub-02", "reason"].count("--create-matrices") == 1
    assert letter in done.said
    assert letter[1:] in done.report("02")


# --- a figure


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "no image": lambda path: path.write_text("hello"),
    "several volumes": lambda path: save_image(path, noise(n_volumes=3), AFFINE),
    "another shape": lambda path: save_image(path, np.ones((5, 6, 5)), AFFINE),
    "elsewhere": lambda path: save_image(path, np.ones(SHAPE), affine_in("RAS", shift=(9, 0, 0))),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_reference_that_cannot_be_used_costs_the_pictures_on_it(extract, dataset, damage):
    (reference,) = dataset.root.glob("sub-01/func/*_boldref.nii.gz")
    DAMAGE[damage](reference)
    done = extract("--strategies", "24P")
    assert_named(done, "figure Few on the BOLD reference is n/a: .*boldref.nii.gz")
    assert len(done.files("sub-01*_timeseries.tsv")) == 1
    drawn = {re.sub("^sub-.._", "", name) for name in done.files("sub-02*.svg")}
    names = {re.sub("^sub-.._", "", name) for name in done.files("sub-01*.svg")}
    assert {name for name in drawn - names if "outline" in name} == drawn - names != set()


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b""), lambda path: path.unlink()]
)
def test_without_a_reference_the_mean_of_the_run_is_drawn(extract, dataset, damage):
    (reference,) = dataset.root.glob("sub-01/func/*_boldref.nii.gz")
    damage(reference)
    done = extract("--strategies", "24P")
    assert done.exit_code == 0, done.said
    assert "Figures do without it" in done.said
    assert "Few on the mean of the run" in done.report()


def test_once_the_reference_is_whole_it_is_drawn(extract, dataset, tmp_path):
    (reference,) = dataset.root.glob("sub-01/func/*_boldref.nii.gz")
    whole = reference.read_bytes()
    reference.write_bytes(whole[:-200])
    asked = ("--strategies", "24P", "-w", tmp_path / "work")
    assert extract(*asked).exit_code == 1
    reference.write_bytes(whole)
    done = extract(*asked)
    assert done.exit_code == 0, done.said
    assert len([name for name in done.files("sub-01*.svg") if "outline" in name]) == 1


# --- an atlas


def test_an_atlas_that_is_asked_for_no_more_is_missed_no_more(extract, many, tmp_path):
    elsewhere = many.with_name(many.name.replace(SPACE, "MNI152NLin6Asym"))
    elsewhere.write_bytes(many.read_bytes())
    elsewhere.with_name(elsewhere.name.replace(".nii.gz", ".tsv")).write_bytes(
        many.with_name(many.name.replace(".nii.gz", ".tsv")).read_bytes()
    )
    work = ("--strategies", "24P", "-w", tmp_path / "work")
    done = extract(*work, atlases=(many, elsewhere))
    assert done.exit_code == 1
    assert "is in the space MNI152NLin6Asym" in done.said
    assert set(done.status()["status"]) == {"partial"}
    again = extract(*work, atlases=(many,))
    assert again.exit_code == 0, again.said
    assert set(again.status()["status"]) == {"done"}


# --- runs that are joined


def test_runs_are_joined_for_the_strategies_that_all_of_them_have(make_dataset, tmp_path):
    dataset = make_dataset(tmp_path, runs=2, volumes=60)
    table = pd.read_csv(dataset.runs[1].confounds, sep="\t")
    kept = [name for name in table if not name.startswith("csf")]
    table[kept].to_csv(dataset.runs[1].confounds, sep="\t", index=False, na_rep="n/a")
    out = tmp_path / "out"
    asked = ["--atlases", str(dataset.atlas), "--strategies", "simple", "none", "--concatenate"]
    assert main([str(dataset.root), str(out), "participant", *asked]) == 1
    joined = [path.name for path in out.rglob("sub-01_task-rest_space-*_timeseries.tsv")]
    assert len(joined) == 1
    assert "desc-none" in joined[0]
    status = pd.read_csv(out / "logs" / "status.tsv", sep="\t").set_index("run")
    (name,) = [run for run in status.index if run.endswith("(concatenated)")]
    assert status.loc[name, "status"] == "partial"
    assert "strategy simple is n/a" in status.loc[name, "reason"]
