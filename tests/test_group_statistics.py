"""docs/group-statistics.md does what it says, on a cohort in which patients differ."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from nilearn.connectome import ConnectivityMeasure as NilearnMeasure
from scipy.io import loadmat
from worlds.cohort import BETTER, WORSE, write_cohort

import bidsmask
from bidsmask.cli.main import main
from bidsmask.cli.parser import parse
from bidsmask.connectome import ConnectivityMeasure
from bidsmask.errors import NoInputError, OutputError, RequestError

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs" / "group-statistics.md").read_text(encoding="utf-8")
PAIRS_OF_ALL = "Vis--Vis"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    cohort = write_cohort(tmp_path_factory.mktemp("docs"), n_subjects=40, n_movers=0)
    assert main(cohort.group("--tangent")) == 0
    people = cohort.participants
    known = pd.read_csv(cohort.output_dir / "participants.tsv", sep="\t")
    if "group" not in known:
        people.to_csv(cohort.output_dir / "participants.tsv", sep="\t", index=False)
        table = pd.read_csv(cohort.output_dir / "group_edges.tsv", sep="\t")
        table = table.merge(people, on="participant_id")
        table.to_csv(cohort.output_dir / "group_edges.tsv", sep="\t", index=False, na_rep="n/a")
    return cohort


@pytest.fixture(scope="module")
def said(cohort, tmp_path_factory):
    """Names that the code of the page gives values to, all blocks in a row."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "OUT").symlink_to(cohort.output_dir)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.warns(  # noqa: PT031 - all blocks are one script
            UserWarning, match=r"^Without Cont_20 \(3\): .* each of 40 runs"
        ):
            for block in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL):
                exec(compile(block, "group-statistics.md", "exec"), names)
    return names | {"folder": folder}


def test_the_commands_of_the_page_are_understood():
    blocks = re.findall(r"```bash\n(.*?)```", DOCS, re.DOTALL)
    of_slurm = ("export ", "shards=", "sbatch ")  # tests/cluster
    lines = [line for block in blocks for line in block.splitlines()]
    for line in (line for line in lines if not line.startswith(of_slurm)):
        command, *arguments = line.split()
        assert command == "bidsmask"
        assert parse(arguments).settings.analysis_level == arguments[2]


def test_a_task_of_an_array_reads_its_part():
    script = ROOT / "descriptors" / "slurm" / "shards.sbatch"
    task = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "8", "BIDSMASK": "echo"}
    done = subprocess.run(
        ["bash", script], env={"FMRIPREP": "BIDS", "OUTPUT": "OUT", **task},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "BIDS OUT group --shards 2/8\n"


def test_patients_differ_where_it_is_planted_and_nowhere_else(said):
    assert said["p"][PAIRS_OF_ALL] < 0.01
    assert said["p"].drop(PAIRS_OF_ALL).min() > 0.05
    pairs, patient = said["pairs"], said["patient"]
    difference = pairs[PAIRS_OF_ALL].groupby(np.asarray(patient)).mean().diff().iloc[-1]
    assert difference > 0.05


def test_patients_are_told_from_others_in_tangent_space(said):
    assert said["accuracy"].mean() > 0.7


def test_tangent_space_is_that_of_nilearn_fitted_on_some_and_applied_to_others(said):
    samples = list(said["samples"].values())
    fitted, others = samples[:30], samples[30:]
    ours, theirs = (
        kind(kind="tangent", vectorize=True).fit(fitted).transform(others)
        for kind in (ConnectivityMeasure, NilearnMeasure)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_group_is_projected_into_the_tangent_space_of_those_who_are_included(said):
    samples, included = said["samples"], [f"sub-{number:02}" for number in range(1, 31)]
    with pytest.warns(UserWarning, match="Without Cont_20"):
        found = said["output"].tangent(included, strategy="simple")
    assert found.columns[:3].tolist() == ["Vis_1--Vis_1", "Vis_2--Vis_1", "Vis_2--Vis_2"]
    theirs = NilearnMeasure(kind="tangent", vectorize=True)
    theirs.fit([samples[name] for name in included])
    np.testing.assert_allclose(found, theirs.transform(list(samples.values())), atol=1e-6)
    assert found.index.tolist() == list(samples)
    fewer = [said["output"].finished[5].name]
    with pytest.raises(RequestError, match="None of these runs"):
        said["output"].samples(runs=[], strategy="simple")
    with pytest.raises(RequestError, match="no signals of sub-99"):
        said["output"].tangent(["sub-99"], runs=fewer, strategy="simple")


def test_runs_of_the_group_lie_around_its_mean(said):
    assert said["displacements"].shape == (37, 190), "three have lost the last region"
    np.testing.assert_allclose(said["displacements"].mean(axis=0), 0, atol=1e-5)


def test_frames_are_labelled_and_hold_the_tables(said, cohort):
    (path,) = cohort.output_dir.glob("sub-01/func/*desc-simple_timeseries.tsv")
    table = pd.read_csv(path, sep="\t")
    signals = said["signals"]
    assert signals.columns.tolist() == table.columns.tolist()
    assert signals.index[:3].tolist() == [0.0, 2.0, 4.0]
    np.testing.assert_array_equal(signals, table.astype(np.float32))
    (path,) = cohort.output_dir.glob("sub-01/func/*desc-simple_relmat.tsv")
    table = pd.read_csv(path, sep="\t").set_index("Node").astype(np.float32)
    np.testing.assert_array_equal(said["matrix"], table)
    assert said["matrix"].index.tolist() == table.index.tolist()


def test_edges_of_participants_are_the_same_with_and_without_a_stack(said, cohort, tmp_path):
    out = shutil.copytree(cohort.output_dir, tmp_path / "out")
    for stack in out.glob("group_*.h5"):
        stack.unlink()
    pd.testing.assert_frame_equal(
        bidsmask.load(out).fisher_z(strategy="simple"), said["z"], rtol=1e-12
    )
    assert said["z"].columns[0] == "Vis_1--Vis_2"
    some = bidsmask.load(out).fisher_z(runs=["sub-02", "sub-04"], strategy="simple")
    pd.testing.assert_frame_equal(some, said["z"].loc[["sub-02", "sub-04"]], rtol=1e-12)


def test_stacks_are_read_lazily_and_by_their_labels(said):
    assert said["edge"].shape == (40,)
    np.testing.assert_allclose(said["edge"], np.tanh(said["z"].iloc[:, 0]), rtol=1e-6)
    np.testing.assert_allclose(said["mean"], said["z"].mean(), rtol=1e-5)
    assert isinstance(said["one"], xr.DataArray)
    np.testing.assert_array_equal(said["one"][0], said["signals"])


def test_what_there_is_is_said(said):
    text = said["output"].__repr__()
    assert "40 runs of 40 participants" in text
    assert "strategy='24P' (40 runs, in a stack)" in text
    kinds = said["output"].kinds
    assert set(kinds["strategy"]) == {WORSE.name, BETTER.name}
    assert kinds["n_runs"].eq(40).all()
    assert list(said["output"].runs.loc[:, "t_r"]) == [2.0] * 40
    assert said["quality"].shape[0] == 80
    assert len(said["output"].signals_of("sub-03", strategy="24P")) == 1
    assert len(said["output"].matrices_of("sub-03", strategy="24P")) == 1


def test_nbs_gets_matrices_a_design_and_labels_in_the_order_of_participants(said):
    folder, z = said["folder"] / "nbs", said["z"]
    files = sorted((folder / "matrices").iterdir())
    assert [files[0].name, files[-1].name] == ["subject0001.txt", "subject0040.txt"]
    assert said["lost"] == ["Cont_20"], "three have lost the last region"
    labels = (folder / "nodeLabels.txt").read_text().split()
    assert len(labels) == 19
    matrix = np.loadtxt(files[4])
    assert matrix.shape == (19, 19)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix[0, 1], z.iloc[4]["Vis_1--Vis_2"], rtol=1e-8)
    assert (folder / "participants.txt").read_text().split() == list(z.index)
    design = np.loadtxt(folder / "designMatrix.txt")
    assert design.shape == (40, 2)
    np.testing.assert_array_equal(design[:, 1], np.arange(40) % 2)


def test_conn_gets_regions_by_regions_by_participants(said):
    content = loadmat(said["folder"] / "conn" / "resultsROI_Condition001.mat")
    assert content["Z"].shape == (20, 20, 40)
    assert [str(name[0]) for name in content["names"][0]][:2] == ["Vis_1", "Vis_2"]
    assert content["xyz"].shape == (1, 20)
    assert content["xyz"][0, 0].shape == (1, 3)
    np.testing.assert_array_equal(content["Z"][0, 1], said["z"].iloc[:, 0])
    assert np.isnan(np.diagonal(content["Z"])).all()
    assert [str(name[0]) for name in content["participants"][0]] == list(said["z"].index)
    assert b"Created on" not in content["__header__"]


def test_nbs_refuses_a_design_that_does_not_fit(said, tmp_path):
    output, design = said["output"], said["design"]
    words = design.assign(group="patient")
    for bad, why in ((design.iloc[:5], "no row for sub-06"), (words, "no number")):
        with pytest.raises(RequestError, match=why):
            output.to_nbs(tmp_path / "nbs", design=bad, strategy="simple")


def test_what_is_not_clear_is_asked(said):
    output = said["output"]
    with pytest.raises(RequestError, match=r"Which matrix\? nothing said: 2 fit"):
        output.matrix("sub-01")
    with pytest.raises(RequestError, match=r"Which run\? sub-0: nothing fits"):
        output.matrix("sub-0", strategy="simple")
    with pytest.raises(RequestError, match="Did you mean 'sub-01'"):
        output.signals_of("sub01", strategy="simple")
    with pytest.raises(TypeError, match="not by measure"):
        output.fisher_z(measure="pearsoncorrelation")
    where = {"atlas": "Cohort20", "space": "MNI152NLin2009cAsym"}
    assert output.matrix("sub-01", **where, strategy="simple").shape == (20, 20)
    assert output.fisher_z(space=where["space"], strategy="simple").equals(said["z"])
    with pytest.raises(RequestError, match="space='fsLR', strategy='simple': nothing fits"):
        output.fisher_z(space="fsLR", strategy="simple")
    with pytest.raises(RequestError, match="sub-01 in fsLR: nothing fits"):
        output.matrix("sub-01", space="fsLR")
    with pytest.raises(RequestError, match="No run of 'sub-01' in fsLR is done"):
        output.signals_of("sub-01", space="fsLR")


def test_an_output_of_nothing_and_one_without_stacks_are_named(cohort, tmp_path):
    with pytest.raises(NoInputError, match="holds no run that is done"):
        bidsmask.load(tmp_path)
    shutil.copytree(cohort.output_dir / "sub-01", tmp_path / "sub-01")
    output = bidsmask.load(tmp_path)
    with pytest.raises(NoInputError, match="Run the group level first"):
        output.stack(strategy="simple")  # noqa: PD013 - no frame
    (name,) = tmp_path.rglob("*desc-simple_relmat.tsv")
    name.write_text(name.read_text().replace("0.1", "0.2"))
    with pytest.raises(OutputError, match="is not as it was written"):
        output.matrix("sub-01", strategy="simple")


def test_a_stack_that_is_out_of_date_is_warned_of(cohort, tmp_path):
    out = shutil.copytree(cohort.output_dir, tmp_path / "out")
    for record in out.glob("sub-40/func/*_complete.json"):
        record.unlink()
    with pytest.warns(UserWarning, match=r"1 differ\)\. Run the group level again"):
        assert len(bidsmask.load(out).fisher_z(strategy="simple")) == 39
