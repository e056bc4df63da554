"""What the group level makes of signals and matrices: stacks, means, tables for designs."""

import dataclasses
import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from worlds.cohort import BETTER, PlantedStrategy, write_cohort

import bidsmask
from bidsmask.analysis.group.stacks import LostRuns, write_stacks
from bidsmask.analysis.networks import networks_among
from bidsmask.cli.main import main
from bidsmask.derivatives.check import check_output
from bidsmask.derivatives.read import FinishedRun, find_runs
from bidsmask.derivatives.record import write_record
from bidsmask.derivatives.writing import read_table, sha256
from bidsmask.errors import RequestError
from bidsmask.numerics.connectivity.networks import network_means

ATLAS = "space-MNI152NLin2009cAsym_atlas-Cohort20"
RELMAT = f"group_{ATLAS}_stat-pearsoncorrelation_desc-simple_relmat.h5"
SERIES = f"group_{ATLAS}_stat-mean_desc-simple_timeseries.h5"
Z = f"group_{ATLAS}_stat-fisherz_desc-simple"
ABOVE = np.triu_indices(20, 1)


@pytest.fixture(scope="module")
def grouped(cohort, tmp_path_factory):
    """A copy of the cohort after the group level, never changed."""
    return run_group(cohort, tmp_path_factory.mktemp("grouped"))


def run_group(cohort, folder, *options):
    copy = dataclasses.replace(cohort, output_dir=folder / "out")
    shutil.copytree(cohort.output_dir, copy.output_dir)
    assert main(copy.group(*options)) == 0
    return copy


def tables(cohort, ending):
    """Tables of runs as anybody reads them, by the names of their runs."""
    files = sorted(cohort.output_dir.rglob(f"sub-*{ending}"))
    return {
        file.name.split("_atlas-")[0]: pd.read_csv(file, sep="\t", na_values="n/a")
        for file in files
    }


def matrices(cohort):
    found = tables(cohort, "_stat-pearsoncorrelation_desc-simple_relmat.tsv")
    return {name: table.drop(columns="Node").to_numpy() for name, table in found.items()}


def participant_z(cohort):
    """Fisher's z of each participant, by a loop over the tables."""
    rows = {}
    for name, matrix in matrices(cohort).items():
        z = np.arctanh(np.where(np.eye(20), np.nan, matrix.astype(np.float32)).astype(float))
        rows.setdefault(name.split("_")[0], []).append(z)
    with np.errstate(invalid="ignore"):
        return {name: np.nanmean(runs, axis=0) for name, runs in rows.items()}


@pytest.fixture(autouse=True)
def _means_of_nothing(recwarn):
    """Numpy warns of means of nothing, which are n/a here."""
    yield
    kinds = {str(each.message) for each in recwarn.list}
    assert kinds <= {"Mean of empty slice", "Degrees of freedom <= 0 for slice."}


def test_stacks_hold_the_numbers_of_all_tables(grouped):
    with h5py.File(grouped.output_dir / RELMAT) as file:
        expected = matrices(grouped)
        assert file["run"].asstr()[:].tolist() == list(expected)
        for number, matrix in enumerate(expected.values()):
            np.testing.assert_array_equal(
                file["relation"][number], matrix[ABOVE].astype(np.float32)
            )
            np.testing.assert_array_equal(
                file["diagonal"][number], np.diagonal(matrix).astype(np.float32)
            )
    with h5py.File(grouped.output_dir / SERIES) as file:
        expected = tables(grouped, "_stat-mean_desc-simple_timeseries.tsv")
        assert file["run"].asstr()[:].tolist() == list(expected)
        for number, table in enumerate(expected.values()):
            np.testing.assert_array_equal(file["signal"][number], table.astype(np.float32))


def test_the_same_again_gives_the_same_bytes(grouped):
    files = sorted(grouped.output_dir.glob("group_*"))
    before = {file.name: (file.read_bytes(), file.stat().st_ino) for file in files}
    assert main(grouped.group()) == 0
    assert before == {file.name: (file.read_bytes(), file.stat().st_ino) for file in files}
    for file in files:
        file.unlink()
    assert main(grouped.group()) == 0
    assert {name: content for name, (content, _) in before.items()} == {
        file.name: file.read_bytes() for file in files
    }


def test_every_file_of_the_group_has_a_sidecar_and_a_checksum(grouped):
    names = {file.name for file in grouped.output_dir.glob("group_*")}
    assert {name.partition(".")[0] + ".json" for name in names} <= names
    assert check_output(grouped.output_dir).problems == ()


def test_means_are_of_participants_in_fishers_z(grouped):
    z = np.array(list(participant_z(grouped).values()))
    counts = (~np.isnan(z)).sum(axis=0)
    expected = {"mean": np.nanmean(z, axis=0), "sd": np.nanstd(z, axis=0, ddof=1), "n": counts}
    for label, values in expected.items():
        table = pd.read_csv(grouped.output_dir / f"{Z}+{label}_relmat.tsv", sep="\t")
        assert table["Node"].tolist() == table.columns[1:].tolist()
        np.testing.assert_allclose(table.drop(columns="Node"), values, rtol=1e-6)
    assert counts[0, 1] == 24
    assert counts[0, 19] == 21, "three have lost the last region"
    about = json.loads((grouped.output_dir / f"{Z}+mean_relmat.json").read_text())
    assert (about["NumberOfParticipants"], about["NumberOfRuns"]) == (24, 48)


def test_network_means_are_those_of_the_matrices_of_participants(grouped):
    means = {
        name: [each.mean for each in network_means(z, grouped.planted.networks)]
        for name, z in participant_z(grouped).items()
    }
    table = pd.read_csv(grouped.output_dir / "group_edges.tsv", sep="\t", na_values="n/a")
    rows = table[table["strategy"] == "simple"].set_index("participant_id")
    assert list(rows.index) == list(means)
    assert set(rows["measure"]) == {"fisherz"}
    assert set(rows["n_runs"]) == {2}
    assert rows.columns[4:7].tolist() == ["age", "sex", "group"]
    rows = rows.drop(columns=["age", "sex", "group"])
    assert rows.columns[4:6].tolist() == ["Vis--Vis", "Vis--SomMot"]
    np.testing.assert_allclose(rows.iloc[:, 4:], list(means.values()), rtol=1e-12)
    networks = pd.read_csv(grouped.output_dir / f"{Z}_networkmeans.tsv", sep="\t")
    np.testing.assert_allclose(networks["mean"], rows.iloc[:, 4:].mean(), rtol=1e-12)
    np.testing.assert_allclose(networks["sd"], rows.iloc[:, 4:].std(), rtol=1e-12)
    assert set(networks["n"]) == {24}


def test_a_strategy_has_its_own_name_in_every_table_not_that_of_files(tmp_path):
    gsr = PlantedStrategy(name="gsr_only", motion_left=0.5, n_regressors=1)
    cohort = write_cohort(tmp_path / "world", n_subjects=4, strategies=(BETTER, gsr))
    for options in ([], ["--edges"]):
        assert main(cohort.group(*options)) == 0
        for name in ("qc", "edges", "benchmark", "recommendation"):
            table = pd.read_csv(cohort.output_dir / f"group_{name}.tsv", sep="\t")
            assert set(table["strategy"]) == {"simple", "gsr_only"}, name
    output = bidsmask.load(cohort.output_dir)
    assert set(output.kinds["strategy"]) == {"simple", "gsr_only"}
    assert "strategy='gsr_only'" in repr(output)
    with pytest.raises(RequestError, match="strategy='gsr_only'"):
        output.fisher_z()
    assert len(output.fisher_z(strategy="gsr_only")) == 4
    with h5py.File(next(cohort.output_dir.glob("*_desc-gsronly_relmat.h5"))) as file:
        about = file["relation"].attrs
        assert (about["strategy"], about["desc"]) == ("gsr_only", "gsronly")


def test_every_edge_is_a_column_if_that_is_asked_for_in_either_format(cohort, grouped, tmp_path):
    text = run_group(cohort, tmp_path / "text", "--edges").output_dir / "group_edges.tsv"
    found = run_group(cohort, tmp_path / "parquet", "--edges", "--parquet").output_dir
    assert not (found / "group_edges.tsv").exists()
    table = pd.read_csv(text, sep="\t", na_values="n/a", keep_default_na=False)
    assert table.shape == (3 * 24, 5 + 3 + 190)
    expected = np.array([z[ABOVE] for z in participant_z(grouped).values()])
    rows = table[table["strategy"] == "simple"].iloc[:, 8:]
    np.testing.assert_array_equal(rows.astype(np.float32), expected.astype(np.float32))
    pd.testing.assert_frame_equal(
        pd.read_parquet(found / "group_edges.parquet").astype(table.dtypes), table, rtol=1e-7
    )


def test_parquet_without_pyarrow_is_refused_before_anything_is_written(
    cohort, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    copy = dataclasses.replace(cohort, output_dir=tmp_path / "out")
    shutil.copytree(cohort.output_dir, copy.output_dir)
    assert main(copy.group("--parquet")) == 2
    assert "pip install 'bidsmask[stats]'" in capsys.readouterr().err
    assert not list(copy.output_dir.glob("group_*"))


def test_options_of_the_group_level_are_refused_for_participants(cohort, capsys):
    arguments = [str(cohort.bids_dir), str(cohort.output_dir), "participant", "--edges"]
    assert main(arguments) == 2
    assert "of the group level" in capsys.readouterr().err


def test_a_run_with_other_regions_is_left_out_and_named(grouped, tmp_path):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    run, *others = find_runs(out)
    (name,) = (path for key, path in run.matrices.items() if key.desc == "simple")
    path = out / name
    path.write_text(path.read_text().replace("Default_11", "Default_X"))
    outputs = {**run.record.outputs, name.as_posix(): sha256(path)}
    record = dataclasses.replace(run.record, outputs=outputs)
    write_record(record, run.record_name, out)
    changed = dataclasses.replace(run, record=record)
    (stack,) = (s for s in write_stacks([changed, *others], out) if s.path.name == RELMAT)
    assert [each.name for each in stack.left_out] == [run.name]
    assert "has the region Default_X, where most runs have Default_11" in stack.left_out[0].reason
    assert len(stack.runs) == 47
    said = json.loads(stack.path.with_suffix(".json").read_text())
    assert list(said["LeftOut"]) == [run.name]


@pytest.fixture
def copied(cohort, tmp_path):
    out = shutil.copytree(cohort.output_dir, tmp_path / "out")
    return dataclasses.replace(cohort, output_dir=out)


def matrix_of(cohort, run, strategy="simple"):
    (path,) = cohort.output_dir.glob(f"sub-*/**/{run}_*_desc-{strategy}_relmat.tsv")
    return path


def test_a_damaged_matrix_costs_its_run_everywhere(copied, capsys):
    lost = ["sub-05_ses-2_task-rest", "sub-07_ses-1_task-rest"]
    one, other = (matrix_of(copied, run) for run in lost)
    one.write_text(one.read_text().replace("0.1", "0.2"))
    other.write_text("Node\tA\n")  # not of another version of the atlas
    assert main(copied.group()) == 1
    said = capsys.readouterr().err
    for path in (one, other):
        assert f"{path.name} is not as it was written" in " ".join(said.split())
    excluded = read_table(copied.output_dir / "group_excluded.tsv")
    excluded = excluded[excluded["what"] == "left out"]
    assert [run.partition("_space")[0] for run in excluded["run"]] == lost
    qc = read_table(copied.output_dir / "group_qc.tsv")
    assert not set(excluded["run"]) & set(qc["bids_name"])
    for path in copied.output_dir.glob("group_*.h5"):
        with h5py.File(path) as file:
            assert not set(excluded["run"]) & set(file["run"].asstr())


def test_a_table_that_cannot_be_read_costs_its_run(grouped, tmp_path, monkeypatch):
    out = shutil.copytree(grouped.output_dir, tmp_path / "out")
    read = FinishedRun.read_triangle

    def fail_for_one(self, name):
        if self.name.startswith("sub-05_ses-2") and "desc-simple" in str(name):
            raise ValueError("3 cells are no 20 rows of 21.")
        return read(self, name)

    monkeypatch.setattr(FinishedRun, "read_triangle", fail_for_one)
    with pytest.raises(LostRuns) as lost:
        write_stacks(list(find_runs(out)), out)
    (only,) = lost.value.left_out
    assert only.name.startswith("sub-05_ses-2_task-rest")
    assert only.reason == "3 cells are no 20 rows of 21."


def test_a_part_goes_on_without_damaged_tables(copied, capsys):
    path = matrix_of(copied, "sub-01_ses-1_task-rest")
    path.write_text(path.read_text().replace("0.1", "0.2"))
    assert main(copied.group("--shards", "1/2")) == 1
    assert "is not as it was written" in " ".join(capsys.readouterr().err.split())
    (stack,) = copied.output_dir.glob(f".bidsmask/shards/1-of-2/{RELMAT}")
    with h5py.File(stack) as file:
        assert len(file["run"]) == 23


def test_networks_are_read_from_the_table_of_the_atlas(grouped):
    run = next(iter(find_runs(grouped.output_dir)))
    table = run.look_up_table(ATLAS)
    assert networks_among(table["name"], table) == list(grouped.planted.networks)


def stacks_of(output_dir):
    return {file.name: file.read_bytes() for file in output_dir.glob("group_*.h5")}


def without_stacks(grouped, folder):
    """A copy of the cohort, as before the group level."""
    copy = dataclasses.replace(grouped, output_dir=folder / "out")
    shutil.copytree(grouped.output_dir, copy.output_dir)
    for file in copy.output_dir.glob("group_*"):
        file.unlink()
    return copy


def shards(cohort, *parts):
    for part in parts:
        assert main(cohort.group("--shards", part)) == 0
    assert not list(cohort.output_dir.glob("group_*")), "nothing but parts is written"


def test_parts_are_joined_to_the_same_bytes_and_removed(grouped, tmp_path, monkeypatch):
    copy = without_stacks(grouped, tmp_path)
    shards(copy, "3/3", "1/3", "2/3")
    monkeypatch.setattr(FinishedRun, "read_series", None)
    monkeypatch.setattr(FinishedRun, "read_triangle", None)
    assert main(copy.group()) == 0
    assert stacks_of(copy.output_dir) == stacks_of(grouped.output_dir)
    assert not (copy.output_dir / ".bidsmask" / "shards").exists()
    assert check_output(copy.output_dir).problems == ()


def test_what_no_part_has_and_what_is_damaged_in_one_is_read_from_tables(grouped, tmp_path):
    copy = without_stacks(grouped, tmp_path)
    shards(copy, "1/4", "2/4", "4/4")
    folder = copy.output_dir / ".bidsmask" / "shards"
    (folder / "1-of-4" / RELMAT).write_bytes(b"no stack")
    part = folder / "4-of-4" / RELMAT
    with h5py.File(part) as file:
        place = file["relation"].id.get_chunk_info(0).byte_offset
    content = bytearray(part.read_bytes())
    content[place + 1] ^= 1
    part.write_bytes(content)
    assert main(copy.group()) == 0
    assert stacks_of(copy.output_dir) == stacks_of(grouped.output_dir)


def test_a_part_of_another_table_is_not_used(grouped, tmp_path):
    copy = without_stacks(grouped, tmp_path)
    shards(copy, "1/1")
    run = next(iter(find_runs(copy.output_dir)))
    (name,) = (path for key, path in run.matrices.items() if key.desc == "simple")
    path = copy.output_dir / name
    path.write_text(path.read_text().replace("\t0.", "\t-0."))
    outputs = {**run.record.outputs, name.as_posix(): sha256(path)}
    write_record(
        dataclasses.replace(run.record, outputs=outputs), run.record_name, copy.output_dir
    )
    assert main(copy.group()) == 0
    with h5py.File(copy.output_dir / RELMAT) as file:
        np.testing.assert_array_equal(
            file["relation"][0], matrices(copy)[run.name][ABOVE].astype("f4")
        )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--shards", "0/3"], "from 1/3 to 3/3, not 0/3"),
        (["--shards", "4/3"], "not 4/3"),
        (["--shards", "a"], "expected I/N such as 3/8"),
        (["--shards", "1/3", "--edges"], "nothing else"),
    ],
)
def test_parts_that_cannot_be_are_refused(cohort, capsys, options, why):
    assert main(cohort.group(*options)) == 2
    assert why in capsys.readouterr().err
