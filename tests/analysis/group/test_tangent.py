"""Stacks of tangent space: nilearn's, fitted on the included runs, with the others projected."""

import json
import re
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from nilearn.connectome import ConnectivityMeasure
from worlds.cohort import write_cohort

import bidsmask
from bidsmask.analysis.group import tangent
from bidsmask.cli.main import main
from bidsmask.derivatives.check import check_output
from bidsmask.derivatives.stacks import open_stack, square
from bidsmask.errors import NoInputError, RequestError
from bidsmask.numerics.tangent import sym_matrix_to_vec

KIND = "group_space-MNI152NLin2009cAsym_atlas-Cohort20"
TANGENT = f"{KIND}_stat-tangent_desc-simple_relmat.h5"
SERIES = f"{KIND}_stat-mean_desc-simple_timeseries.h5"
ATOL = 1e-5
"""Displacements are about 1, in single precision; both find the mean to 1e-7 per element."""


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    """Twelve participants, two sessions; two of them move, and one has lost the last region."""
    folder = tmp_path_factory.mktemp("tangent")
    cohort = write_cohort(folder, n_subjects=12, n_sessions=2, n_small_views=1)
    assert main(cohort.group("--tangent", "--exclude", "parkes2018-lenient")) == 0
    return cohort


def scores_of(output_dir):
    """Standardised signals of each run, as the stack has them."""
    found = {}
    with open_stack(output_dir / SERIES) as stack:
        for number, run in enumerate(stack.runs["run"]):
            signals = stack.signals(number).astype(float)
            found[run] = (signals - signals.mean(axis=0)) / signals.std(axis=0, ddof=1)
    return found


def included_of(output_dir):
    table = pd.read_csv(output_dir / "group_qc.tsv", sep="\t").query("strategy == 'simple'")
    return set(table.loc[table["decision"] == "include", "bids_name"])


def test_it_is_nilearns_fitted_on_the_included_runs_and_applied_to_the_others(grouped):
    out = grouped.output_dir
    scores, included = scores_of(out), included_of(out)
    with open_stack(out / TANGENT) as stack:
        runs = stack.runs["run"].tolist()
        found = np.array([stack.matrix(number) for number in range(len(runs))], dtype=float)
    with h5py.File(out / TANGENT) as file:
        flags = dict(zip(runs, file["included"][:].tolist(), strict=True))
        reference = square(file["reference"][:], file["reference_diagonal"][:])
    assert flags == {run: int(run in included) for run in runs}
    assert list(flags.values()).count(0) == 4
    theirs = ConnectivityMeasure(kind="tangent", vectorize=True)
    theirs.fit([scores[run] for run in runs if flags[run]])
    expected = theirs.transform([scores[run] for run in runs])
    np.testing.assert_allclose(sym_matrix_to_vec(found), expected, atol=ATOL)
    np.testing.assert_allclose(reference, theirs.mean_, atol=1e-6)


def test_a_run_without_a_region_is_left_out_with_its_reason(tmp_path):
    cohort = write_cohort(tmp_path, n_subjects=12, n_movers=0, n_small_views=1)
    assert main(cohort.group("--tangent")) == 0
    about = json.loads((cohort.output_dir / TANGENT).with_suffix(".json").read_text())
    assert about["NumberOfRuns"] == about["NumberOfRunsIncluded"] == 11
    assert "RegionsLeftOut" not in about
    (run,) = about["LeftOut"]
    assert run.startswith("sub-01")
    table = pd.read_csv(cohort.output_dir / "group_excluded.tsv", sep="\t")
    reasons = set(table.loc[table["run"] == run, "reason"])
    assert f"It is not in {TANGENT}: it has no signal in Cont_20." in reasons


def test_regions_that_many_lack_are_left_out_instead(tmp_path):
    cohort = write_cohort(tmp_path, n_subjects=8, n_movers=0, n_small_views=2)
    assert main(cohort.group("--tangent")) == 0
    about = json.loads((cohort.output_dir / TANGENT).with_suffix(".json").read_text())
    assert about["RegionsLeftOut"] == ["Cont_20"]
    assert about["NumberOfRuns"] == 8
    with h5py.File(cohort.output_dir / TANGENT) as file:
        is_lost = file["region_2"][:] == 19
        assert np.isnan(file["relation"][:][:, is_lost]).all()
        assert np.isnan(file["reference"][:][is_lost]).all()
        assert np.isfinite(file["relation"][:][:, ~is_lost]).all()


def test_excluded_runs_change_nothing_for_the_others(grouped, tmp_path):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    for subject in ("11", "12"):
        shutil.rmtree(out / f"sub-{subject}")
    where = [str(grouped.bids_dir), str(out), "group", "--tangent"]
    assert main([*where, "--exclude", "parkes2018-lenient"]) == 0
    with h5py.File(grouped.output_dir / TANGENT) as all_runs, h5py.File(out / TANGENT) as some:
        is_kept = all_runs["included"][:] == 1
        np.testing.assert_array_equal(all_runs["relation"][:][is_kept], some["relation"])


def test_it_has_a_checksum_and_the_same_bytes_again_and_goes_if_it_is_not_asked_for(
    grouped, tmp_path
):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    assert check_output(out).problems == ()
    before = (out / TANGENT).read_bytes()
    where = [str(grouped.bids_dir), str(out), "group", "--exclude", "parkes2018-lenient"]
    assert main(where) == 0
    assert not list(out.glob("*tangent*"))
    assert main([*where, "--tangent"]) == 0
    assert (out / TANGENT).read_bytes() == before


def test_load_opens_it(grouped, tmp_path):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    output = bidsmask.load(out)
    with output.stack("tangent", strategy="simple") as stack:  # noqa: PD013 - no frame
        relation = stack["relation"].load()
        included = (stack["included"] == 1).to_numpy()
        assert relation.attrs["strategy"] == "simple"
    assert relation.sizes == {"run": 22, "edge": 190}
    np.testing.assert_allclose(np.nanmean(relation[included], axis=0), 0, atol=ATOL)
    with pytest.raises(RequestError, match="matrix, signals or tangent, not of 'tangents'"):
        output.stack("tangents", strategy="simple")  # noqa: PD013
    (out / TANGENT.replace("simple", "24P")).unlink()
    with pytest.raises(NoInputError, match="Run the group level with --tangent first"):
        output.stack("tangent", strategy="24P")  # noqa: PD013


def test_a_mean_that_is_not_found_is_said(grouped, tmp_path, monkeypatch, capsys):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    monkeypatch.setattr("bidsmask.numerics.tangent.N_STEPS", 1)
    assert main([str(grouped.bids_dir), str(out), "group", "--tangent"]) == 0
    said = re.sub(r"\s+", " ", "".join(capsys.readouterr()))
    assert "The geometric mean has not been found" in said


def test_nobody_left_is_no_stack(grouped, tmp_path, monkeypatch):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    monkeypatch.setattr(tangent, "varies", lambda kept: np.zeros(kept.shape[1], dtype=bool))
    assert main([str(grouped.bids_dir), str(out), "group", "--tangent"]) == 0
    assert not list(out.glob("*tangent*"))
    table = pd.read_csv(out / "group_excluded.tsv", sep="\t")
    assert table["reason"].str.contains("no region with a signal").sum() == 48
