"""Stacks hold what they were given, under its names, in bytes that depend on nothing else."""

import time

import h5py
import numpy as np
import pytest
import xarray as xr

from bidsmask.derivatives import stacks
from bidsmask.derivatives.stacks import (
    StackedRun,
    Triangle,
    edges_of,
    open_stack,
    square,
    write_matrices,
    write_series,
)
from bidsmask.errors import OutputError

REGIONS = ["LH_Vis", "RH_Vis", "Défaut", "n/a"]
LENGTHS = (7, 12, 5)
RUNS = [
    StackedRun(
        run=f"sub-0{number}_task-rest", participant_id=f"sub-0{number}", task_id="rest",
        n_volumes=length, t_r=2.0, sha256="ab",
    )
    for number, length in enumerate(LENGTHS, 1)
]  # fmt: skip


@pytest.fixture(scope="module")
def matrices():
    rng = np.random.default_rng(0)
    values = [np.corrcoef(rng.normal(size=(4, 20))).astype(np.float32) for _ in RUNS]
    values[1][2, :] = values[1][:, 2] = np.nan
    return values


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(length, 4)).astype(np.float32) for length in LENGTHS]


def write_both(folder, matrices, series):
    halves = (Triangle(each[edges_of(4)], np.diagonal(each)) for each in matrices)
    about = {"long_name": "Pearson's correlation"}
    write_matrices(folder / "relmat.h5", RUNS, REGIONS, halves, about, within=folder)
    write_series(folder / "timeseries.h5", RUNS, REGIONS, iter(series), {}, within=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, matrices, series):
    folder = tmp_path_factory.mktemp("stacks")
    write_both(folder, matrices, series)
    return folder


def test_matrices_come_back_exactly(folder, matrices):
    with open_stack(folder / "relmat.h5") as stack:
        assert stack.has_matrices
        assert stack.regions == REGIONS
        assert stack.about == {"long_name": "Pearson's correlation"}
        for number, matrix in enumerate(matrices):
            np.testing.assert_array_equal(stack.matrix(number), matrix)
        assert stack.blocks == [slice(0, 3)]
        edges = stack.edges(slice(0, 3))
        np.testing.assert_array_equal(stack.edges(slice(None), 2), edges[:, 2])


def test_signals_come_back_exactly_with_as_many_volumes_as_their_run_has(folder, series):
    with open_stack(folder / "timeseries.h5") as stack:
        assert not stack.has_matrices
        for number, signals in enumerate(series):
            np.testing.assert_array_equal(stack.signals(number), signals)
            np.testing.assert_array_equal(stack.signals(number, 1), signals[:, 1])


def test_runs_are_known_by_everything_that_was_said_of_them(folder):
    with open_stack(folder / "relmat.h5") as stack:
        assert [StackedRun(**row) for row in stack.runs.to_dict("records")] == RUNS


def test_the_bytes_do_not_depend_on_the_time(folder, tmp_path, matrices, series):
    time.sleep(1.1)  # HDF5 would count in seconds
    write_both(tmp_path, matrices, series)
    for name in ("relmat.h5", "timeseries.h5"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_bytes_do_not_depend_on_how_many_runs_are_written_at_once_but_chunks(
    folder, tmp_path, matrices, series, monkeypatch
):
    with h5py.File(folder / "relmat.h5") as file:
        assert file["relation"].chunks == (3, 6)
    monkeypatch.setattr(stacks, "RUNS_AT_ONCE", 2)
    write_both(tmp_path, matrices, series)
    with open_stack(tmp_path / "relmat.h5") as stack:
        assert stack.blocks == [slice(0, 2), slice(2, 3)]
        np.testing.assert_array_equal(stack.matrix(2), matrices[2])


def test_a_run_that_cannot_be_read_leaves_no_file(tmp_path, matrices):
    def halves():
        yield Triangle(matrices[0][edges_of(4)], np.diagonal(matrices[0]))
        raise OutputError("damaged")

    with pytest.raises(OutputError, match="damaged"):
        write_matrices(tmp_path / "relmat.h5", RUNS, REGIONS, halves(), {}, within=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_stack_is_named(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"x" * 9000)
    with pytest.raises(OutputError, match=r"a\.h5 cannot be read as a stack"):  # noqa: SIM117
        with open_stack(tmp_path / "a.h5"):
            pass


def test_xarray_and_dask_open_stacks_with_their_labels(folder, matrices, series):
    with xr.open_dataset(folder / "relmat.h5", engine="h5netcdf", chunks={}) as stack:
        edge = stack["relation"].sel(edge="LH_Vis--RH_Vis")
        assert edge.chunks is not None, "nothing has been read yet"
        np.testing.assert_array_equal(edge, [matrix[0, 1] for matrix in matrices])
        assert stack["participant_id"].sel(run=RUNS[1].run) == "sub-02"
        mean = stack["relation"].mean("run").compute()
        with np.errstate(invalid="ignore"):
            expected = np.nanmean([matrix[edges_of(4)] for matrix in matrices], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-6)
    with xr.open_dataset(folder / "timeseries.h5", engine="h5netcdf", chunks={}) as stack:
        one = stack["signal"].sel(run=RUNS[0].run, region="Défaut")
        np.testing.assert_array_equal(one[:7], series[0][:, 2])
        assert np.isnan(one[7:]).all()


def test_a_matrix_is_made_of_its_edges_again():
    np.testing.assert_array_equal(square(np.array([1.0, 2.0, 3.0]), 0.0), [
        [0, 1, 2],
        [1, 0, 3],
        [2, 3, 0],
    ])  # fmt: skip
