"""Finished runs are read as they were written, or not at all."""

import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.derivatives.read import TableKey, find_runs
from bidsmask.errors import OutputError

SPACE = "space-MNI152NLin2009cAsym"


@pytest.fixture(scope="module")
def out(small_dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("read") / "out"
    where = [str(small_dataset.root), str(out), "participant", "--participant-label", "01"]
    what = ["--atlases", str(small_dataset.atlas), "--strategies", "simple", "24P"]
    assert main([*where, *what, "--min-dof", "0"]) == 0
    return out


@pytest.fixture
def run(out):
    return next(find_runs(out))


def test_a_run_knows_its_tables_by_atlas_statistic_and_strategy(run):
    assert run.participant == "sub-01"
    assert run.strategies == {"simple": "simple", "24P": "24P"}
    (atlas,) = run.atlases
    assert atlas.startswith(f"{SPACE}_atlas-")
    assert set(run.series) == {TableKey(atlas, "mean", name) for name in run.strategies}
    assert set(run.matrices) == {
        TableKey(atlas, "pearsoncorrelation", name) for name in run.strategies
    }


def test_numbers_are_those_that_were_written(run):
    for key, name in run.series.items():
        names, signals = run.read_series(name)
        table = pd.read_csv(run.output_dir / name, sep="\t", na_values="n/a")
        assert list(names) == list(table)
        np.testing.assert_array_equal(signals, table.to_numpy(np.float32))
        assert signals.shape == (run.n_volumes, len(run.coverage(key.atlas)["Node"]))
        kept = run.kept(key.desc)
        assert np.isnan(signals[~kept]).all()
        assert run.sidecar(name)["DegreesOfFreedom"]["n_kept"] == kept.sum()
        assert run.sidecar(name)["RepetitionTime"] == run.t_r
        assert run.freedom(key.desc) == run.sidecar(name)["DegreesOfFreedom"]["remaining"]
    for key, name in run.matrices.items():
        names, matrix = run.read_matrix(name)
        assert list(names) == list(run.look_up_table(key.atlas)["name"])
        np.testing.assert_array_equal(matrix, matrix.T)
        assert run.design(key.desc).shape[0] == run.n_volumes


def test_a_table_that_has_changed_is_not_read(run):
    name = next(iter(run.series.values()))
    path = run.output_dir / name
    before = path.read_bytes()
    path.write_bytes(before.replace(b"1", b"2", 1))
    with pytest.raises(OutputError, match="is not as it was written"):
        run.read_series(name)
    path.unlink()
    with pytest.raises(OutputError, match="cannot be read"):
        run.read_series(name)
    path.write_bytes(before)
