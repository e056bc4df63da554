"""Atlases, maps and seeds that cannot be used, or not wholly, beside others that can.

What can be computed is written; what cannot is named: a column as n/a with its reason, a source as
an error. So nobody loses the results of a night to one bad table.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import SHAPE, SPACE, affine_in, blocks_of, bumps, noise, save_image

from bidsmask.cli.main import main

CENTRES = [(-9, -5, 0), (-8, 9, 3), (9, -6, -4), (8, 8, 5)]
AFFINE = affine_in("RAS")
SUBJECTS = ("01", "02")


@pytest.fixture(scope="module")
def dataset(tiny):
    made = tiny()
    for number, subject in enumerate(SUBJECTS):
        made.add_run(subject, noise(seed=number), AFFINE, np.ones(SHAPE, dtype=np.uint8))
    return made


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Write an atlas that nothing is wrong with."""
    stem = tmp_path_factory.mktemp("good") / f"tpl-{SPACE}_atlas-Good_dseg"
    path = save_image(stem.with_suffix(".nii.gz"), blocks_of(AFFINE, SHAPE), AFFINE)
    rows = "".join(f"{label}\tR{label}\n" for label in range(1, 7))
    stem.with_suffix(".tsv").write_text("index\tname\n" + rows)
    return path


@dataclass(frozen=True)
class Done:
    exit_code: int
    said: str
    out: Path

    def table(self, pattern):
        """Read the only table of the first subject that is called so."""
        (path,) = self.out.rglob(f"sub-01_*{pattern}.tsv")
        return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)

    def status(self):
        table = pd.read_csv(self.out / "logs" / "status.tsv", sep="\t", na_values=["n/a"])
        return table.set_index("run")

    def files(self, pattern):
        return sorted(path.name for path in self.out.rglob(pattern))


@pytest.fixture
def extract(dataset, good, tmp_path, capsys):
    """Run the command on the good atlas, and what else is given."""

    def run(*options, atlases=(), beside=(good,)):
        out = tmp_path / "out"
        asked = ["--atlases", *map(str, (*beside, *atlases))] if (*beside, *atlases) else []
        raw = ["--strategies", "none", "--standardize", "none", "--no-detrend"]
        command = [str(dataset.root), str(out), "participant", *asked, *raw, *map(str, options)]
        exit_code = main(command)
        return Done(exit_code, capsys.readouterr().err, out)

    return run


def write_maps(folder, maps, *, names=None, name="Bad", space=SPACE, affine=AFFINE):
    """Write maps (X, Y, Z, P) and their table."""
    stem = folder / f"tpl-{space}_atlas-{name}_probseg"
    path = save_image(stem.with_suffix(".nii.gz"), maps.astype(np.float32), affine)
    names = [f"M{number}" for number in range(maps.shape[3])] if names is None else names
    stem.with_suffix(".tsv").write_text("\n".join(["name", *names]) + "\n")
    return path


def good_maps():
    return bumps(AFFINE, SHAPE, CENTRES)


def assert_the_rest_is_done(done):
    """All that the good atlas gives is there, of both subjects."""
    assert len(done.files("*atlas-Good*_timeseries.tsv")) == 2, done.said
    assert len(done.files("*atlas-Good*_relmat.tsv")) == 2
    assert done.table("atlas-Good_stat-mean_desc-none_timeseries").iloc[2:].notna().all(axis=None)
    assert len(done.files("sub-*.html")) == 2


def assert_it_is_named(done, words, *, name="Bad"):
    """The runs are done in part for the sake of one source, which has left nothing behind."""
    assert done.exit_code == 1, done.said
    status = done.status()
    assert set(status["status"]) == {"partial"}
    assert len(status) == len(SUBJECTS)
    for reason in status["reason"]:
        assert re.search(words, reason), reason
        assert "All else of this run" in reason
    assert len(re.findall("^in part:", done.said, re.MULTILINE)) == len(SUBJECTS)
    assert not done.files(f"*{name}*")
    assert_the_rest_is_done(done)


def assert_it_is_missing(done, entities, column, words, statistic, status="empty"):
    """One column is n/a and says why; the others have a signal."""
    assert done.exit_code == 0, done.said
    signals = done.table(f"{entities}_stat-{statistic}_desc-none_timeseries")
    coverage = done.table(f"{entities}_stat-coverage_bold").set_index("Node")
    assert coverage.loc[column, "status"] == status
    assert re.search(words, coverage.loc[column, "reason"]), coverage.loc[column, "reason"]
    assert signals[column].isna().all()
    assert signals.drop(columns=column).iloc[2:].notna().all(axis=None)
    relmat = done.table(f"{entities}_stat-*pearsoncorrelation_desc-none_relmat").set_index("Node")
    assert relmat[column].isna().all()
    assert_the_rest_is_done(done)


# --- maps


def with_negative(number=1):
    maps = good_maps()
    maps[..., number] *= -1
    return maps


def test_negative_maps_are_fitted_like_others(extract, tmp_path):
    done = extract(atlases=[write_maps(tmp_path, with_negative())])
    assert done.exit_code == 0
    assert set(done.status()["status"]) == {"done"}
    signals = done.table("atlas-Bad_stat-regression_desc-none_timeseries").iloc[2:]
    mirrored = extract(atlases=[write_maps(tmp_path / "other", good_maps(), name="Plus")])
    plain = mirrored.table("atlas-Plus_stat-regression_desc-none_timeseries").iloc[2:]
    np.testing.assert_allclose(signals["M1"], -plain["M1"], rtol=1e-6)
    np.testing.assert_allclose(signals["M2"], plain["M2"], rtol=1e-6)
    assert_the_rest_is_done(mirrored)


def test_negative_maps_have_no_weighted_mean(extract, tmp_path):
    path = write_maps(tmp_path, with_negative())
    done = extract("--maps-statistic", "weighted-mean", atlases=[path])
    assert_it_is_named(done, "Map 1 .* negative weights.* least squares")


@pytest.mark.parametrize("value", [0, np.nan])
@pytest.mark.parametrize("how", ["least-squares", "weighted-mean"])
def test_a_map_without_weights_is_missing(extract, tmp_path, value, how):
    maps = good_maps()
    maps[..., 2] = value
    done = extract("--maps-statistic", how, atlases=[write_maps(tmp_path, maps)])
    label = {"least-squares": "regression", "weighted-mean": "weightedmean"}[how]
    assert_it_is_missing(done, "atlas-Bad", "M2", "no voxel in the atlas", label)


@pytest.mark.parametrize("value", [0, np.nan])
def test_maps_that_are_all_without_weights_are_refused(extract, tmp_path, value):
    path = write_maps(tmp_path, np.full((*SHAPE, 3), value))
    assert_it_is_named(extract(atlases=[path]), "Bad: no map lies on the grid of the run")


def test_maps_that_are_sums_of_others_cannot_be_told_apart(extract, tmp_path):
    maps = good_maps()
    maps[..., 3] = 2 * maps[..., 0] - maps[..., 1]
    path = write_maps(tmp_path, maps)
    assert_it_is_named(extract(atlases=[path]), "Bad: Maps 0, 1, 3 .* weighted means")


def test_maps_that_are_sums_of_others_have_weighted_means(extract, tmp_path):
    maps = good_maps()
    maps[..., 3] = 2 * maps[..., 0] + maps[..., 1]
    done = extract("--maps-statistic", "weighted-mean", atlases=[write_maps(tmp_path, maps)])
    assert done.exit_code == 0
    assert len(done.files("*atlas-Bad_stat-weightedmean*_timeseries.tsv")) == 2


@pytest.mark.parametrize("names", [["a", "b", "c"], [*"abcde"]])
def test_a_table_of_another_length_than_the_maps_is_refused(extract, tmp_path, names):
    path = write_maps(tmp_path, good_maps(), names=names)
    assert_it_is_named(extract(atlases=[path]), f"names for {len(names)} maps.* are 4")


def test_names_that_maps_share_get_their_number(extract, tmp_path):
    path = write_maps(tmp_path, good_maps(), names=["a", "b", "a", "c"])
    done = extract(atlases=[path])
    assert done.exit_code == 0
    assert re.search("warning: .*number of the map: 'a'", done.said)
    signals = done.table("atlas-Bad_stat-regression_desc-none_timeseries")
    assert list(signals.columns) == ["a (1)", "b", "a (3)", "c"]
    assert_the_rest_is_done(done)


def test_maps_in_another_space_are_refused(extract, tmp_path):
    path = write_maps(tmp_path, good_maps(), space="MNI152NLin6Asym")
    assert_it_is_named(extract(atlases=[path]), f"in the space MNI152NLin6Asym.*{SPACE}")


def test_maps_that_lie_elsewhere_are_refused(extract, tmp_path):
    path = write_maps(tmp_path, good_maps(), affine=affine_in("RAS", shift=(500, 0, 0)))
    assert_it_is_named(extract(atlases=[path]), "no map lies on the grid.* same space")


@pytest.mark.parametrize("n_bytes", [10, 3000])
def test_truncated_maps_are_refused(extract, tmp_path, n_bytes):
    path = write_maps(tmp_path, good_maps())
    path.write_bytes(path.read_bytes()[:-n_bytes])
    assert_it_is_named(extract(atlases=[path]), "Bad_probseg.nii.gz.*(truncated|corrupt)")


# --- seeds and labels


def write_seeds(folder, rows, name="Bad"):
    path = folder / f"space-{SPACE}_seg-{name}_seeds.tsv"
    path.write_text("name\tx\ty\tz\tradius\n" + "".join("\t".join(row) + "\n" for row in rows))
    return path


def test_a_seed_outside_of_the_field_of_view_is_missing(extract, tmp_path):
    rows = [("in", "0", "0", "0", "8"), ("out", "300", "0", "0", "8"), ("too", "5", "5", "5", "6")]
    done = extract("--seeds", write_seeds(tmp_path, rows))
    words = "None of its voxels lies on the grid of the run"
    assert_it_is_missing(done, "seg-Bad", "out", words, "mean")


def test_a_seed_that_is_half_outside_is_too_little_of_itself(extract, tmp_path):
    rows = [("in", "0", "0", "0", "8"), ("edge", "-21", "0", "0", "8")]
    done = extract("--seeds", write_seeds(tmp_path, rows))
    words = "beyond the grid of the run.*at least 50.0% is asked for"
    assert_it_is_missing(done, "seg-Bad", "edge", words, "mean", status="low")


def test_seeds_that_are_all_outside_are_refused(extract, tmp_path):
    path = write_seeds(tmp_path, [("out", "300", "0", "0", "8")])
    assert_it_is_named(extract("--seeds", path), "seg-Bad: no sphere lies on the grid")


def test_seeds_of_one_name_are_refused(extract, tmp_path):
    path = write_seeds(tmp_path, [("a", "0", "0", "0", "8"), ("a", "5", "0", "0", "8")])
    assert_it_is_named(extract("--seeds", path), "The name 'a' is there twice")


def test_regions_of_one_name_are_refused(extract, tmp_path):
    stem = tmp_path / f"tpl-{SPACE}_atlas-Bad_dseg"
    path = save_image(stem.with_suffix(".nii.gz"), blocks_of(AFFINE, SHAPE), AFFINE)
    rows = "".join(f"{label}\tsame\n" for label in range(1, 7))
    stem.with_suffix(".tsv").write_text("index\tname\n" + rows)
    assert_it_is_named(extract(atlases=[path]), "The name 'same' is there 6 times")


# --- several at once, and alone


def test_every_bad_source_is_named(extract, tmp_path):
    collinear = good_maps()
    collinear[..., 3] = collinear[..., 0]
    bad = [
        write_maps(tmp_path, good_maps(), names=["a"]),
        write_maps(tmp_path, collinear, name="BadToo"),
    ]
    seeds = write_seeds(tmp_path, [("a", "0", "0", "zero", "8")], "BadAsWell")
    done = extract("--seeds", seeds, atlases=bad)
    for words in ("names for 1 maps", "BadToo: Maps 0, 3", "seg-BadAsWell_seeds.tsv.*'zero'"):
        assert_it_is_named(done, words)


def test_a_bad_source_alone_leaves_nothing_to_do(extract, tmp_path):
    path = write_maps(tmp_path, good_maps(), names=["a"])
    done = extract(atlases=[path], beside=())
    assert done.exit_code == 2
    assert "names for 1 maps" in done.said
    assert not done.out.exists()


def test_once_the_table_is_corrected_the_same_command_does_the_rest(extract, tmp_path):
    path = write_maps(tmp_path, good_maps(), names=["a"])
    work = tmp_path / "work"
    assert extract("-w", work, atlases=[path]).exit_code == 1
    write_maps(tmp_path, good_maps())
    done = extract("-w", work, atlases=[path])
    assert done.exit_code == 0, done.said
    assert set(done.status()["status"]) == {"done"}
    assert len(done.files("*atlas-Bad*_timeseries.tsv")) == 2
    assert_the_rest_is_done(done)


def test_a_dry_run_names_it_too(extract, tmp_path, capsys):
    path = write_maps(tmp_path, good_maps(), names=["a"])
    done = extract("--dry-run", atlases=[path])
    assert done.exit_code == 1
    assert not done.out.exists()
