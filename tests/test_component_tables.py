"""Components of tedana and fMRIPost-AROMA in other datasets, from the command to the files."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from worlds.tiny_fmriprep import (
    N_UNSTEADY,
    N_VOLUMES,
    SHAPE,
    SPACE,
    affine_in,
    blocks_of,
    noise,
    save_image,
    write_tiny,
)

from bidsmask.cli.main import main

AFFINE = affine_in("RAS")
STEM = "sub-01_task-rest"
KEPT = np.arange(N_VOLUMES) >= N_UNSTEADY
CLASSES = ["accepted", "rejected", "accepted", "rejected", "rejected"]


class World:
    """A run of fMRIPrep, components of it in datasets of their own, and strategies."""

    def __init__(self, folder):
        self.folder = folder
        fmriprep = write_tiny(folder / "fmriprep")
        self.run = fmriprep.add_run("01", noise(), AFFINE, np.ones(SHAPE, dtype=np.uint8))
        self.root = fmriprep.root
        self.atlas = folder / f"tpl-{SPACE}_atlas-Blocks_dseg.nii.gz"
        save_image(self.atlas, blocks_of(AFFINE, SHAPE), AFFINE)
        rows = "".join(f"{number}\tR{number}\n" for number in range(1, 7))
        self.atlas.with_name(self.atlas.name.replace(".nii.gz", ".tsv")).write_text(
            f"index\tname\n{rows}"
        )
        rng = np.random.default_rng(11)
        signal = rng.normal(size=(N_VOLUMES, 2))
        shared = signal @ rng.normal(size=(2, 3)) + rng.normal(size=(N_VOLUMES, 3))
        self.mixing = np.empty((N_VOLUMES, 5))
        self.mixing[:, self.is_accepted], self.mixing[:, ~self.is_accepted] = signal, shared
        self.datasets = []

    is_accepted = np.array([each == "accepted" for each in CLASSES])

    @property
    def accepted(self):
        return self.mixing[:, self.is_accepted]

    @property
    def rejected(self):
        return self.mixing[:, ~self.is_accepted]

    def add(self, dataset, name, table, **how):
        path = self.folder / dataset / "sub-01" / "func" / f"{STEM}_{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_csv(path, sep="\t", index=False, na_rep="n/a", **how)
        if dataset not in self.datasets:
            self.datasets.append(dataset)
        return path

    def add_tedana(self):
        names = [f"ICA_{number:02d}" for number in range(5)]
        self.add("tedana", "desc-ICA_mixing", dict(zip(names, self.mixing.T, strict=True)))
        return self.add(
            "tedana",
            "desc-tedana_metrics",
            {"Component": [f"ICA_{n}" for n in range(5)], "classification": CLASSES},
        )

    def strategy(self, name, *groups):
        path = self.folder / f"{name}.yaml"
        content = {"name": name, "description": "Some components were regressed."}
        cleaning = {"standardize": "none", "detrend": True, "filter": "none"}
        path.write_text(yaml.safe_dump({**content, "columns": list(groups), "cleaning": cleaning}))
        return path

    def rejected_group(self, **how):
        table = {"dataset": "tedana", "desc": "ICA", "suffix": "mixing"}
        return {"label": "noise", "table": table, "classification": "rejected", **how}

    def ask(self, *strategies, options=()):
        named = [f"{name}={self.folder / name}" for name in self.datasets]
        datasets = ["--datasets", *named] if named else []
        asked = ["--atlases", str(self.atlas), "--strategies", *map(str, strategies)]
        folders = [str(self.root), str(self.folder / "out")]
        return main([*folders, "participant", "--min-dof", "0", *asked, *datasets, *options])

    def series(self, name):
        found = (
            self.folder
            / "out/sub-01/func"
            / (f"{STEM}_space-{SPACE}_atlas-Blocks_stat-mean_desc-{name}_timeseries.tsv")
        )
        return pd.read_csv(found, sep="\t", na_values="n/a").to_numpy()[KEPT]

    def design(self, name):
        found = self.folder / "out/sub-01/func" / f"{STEM}_desc-{name}_design.tsv"
        return pd.read_csv(found, sep="\t"), json.loads(found.with_suffix(".json").read_text())


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def line():
    return np.column_stack([np.ones(KEPT.sum()), np.flatnonzero(KEPT)])


def fit(design, signals):
    return np.linalg.lstsq(design, signals, rcond=None)[0]


def without(design, signals):
    return signals - design @ fit(design, signals)


def test_three_ways_to_regress_what_tedana_rejected(world):
    world.add_tedana()
    ways = ("aggressive", "orthogonalised", "nonaggressive")
    strategies = [world.strategy(way, world.rejected_group(regression=way)) for way in ways]
    assert world.ask("none", *strategies, options=["--standardize", "none"]) == 0
    raw, noise_, signal = world.series("none"), world.rejected[KEPT], world.accepted[KEPT]
    expected = without(np.column_stack([line(), noise_]), raw)
    np.testing.assert_allclose(world.series("aggressive"), expected, atol=1e-6)

    centred = [columns - columns.mean(axis=0) for columns in (noise_, signal)]
    left = centred[0] - centred[1] @ np.linalg.pinv(centred[1]) @ centred[0]
    expected = without(np.column_stack([line(), left]), raw)
    np.testing.assert_allclose(world.series("orthogonalised"), expected, atol=1e-6)
    table, sidecar = world.design("orthogonalised")
    assert list(table) == ["ICA_01", "ICA_03", "ICA_04"]
    np.testing.assert_allclose(table.to_numpy()[KEPT], left, atol=1e-8)
    assert "ICA_mixing.tsv, without what accepted" in sidecar["ICA_01"]["Description"]
    assert "bids:tedana:sub-01/func/sub-01_task-rest_desc-tedana_metrics.tsv" in sidecar["Sources"]

    joint = np.column_stack([noise_, signal, line()])
    expected = without(line(), raw - noise_ @ fit(joint, raw)[:3])
    np.testing.assert_allclose(world.series("nonaggressive"), expected, atol=1e-6)
    assert (
        "its own part of a joint fit" in world.design("nonaggressive")[1]["ICA_03"]["Description"]
    )


def test_what_was_done_is_said_in_words(world):
    world.add_tedana()
    world.ask(world.strategy("mine", world.rejected_group(regression="nonaggressive")))
    (sidecar,) = (world.folder / "out").rglob("*desc-mine_timeseries.json")
    content = json.loads(sidecar.read_text())
    assert "fitted together with noise" in content["Description"]
    assert "bids:tedana:sub-01/func/sub-01_task-rest_desc-ICA_mixing.tsv" in content["Sources"]
    assert str(world.folder) not in sidecar.read_text()


def test_components_of_aroma_come_from_its_own_dataset(world):
    columns = {f"aroma_motion_{n:02d}": world.rejected[:, n] for n in range(3)}
    world.add("aroma", "desc-aroma_timeseries", columns)
    group = {"label": "AROMA", "pattern": r"aroma_motion_\d+", "table": {"desc": "aroma"}}
    tissue = {"label": "tissue", "pattern": "csf|white_matter", "count": 2}
    assert world.ask(world.strategy("aroma", tissue, group)) == 0
    assert list(world.design("aroma")[0]) == ["csf", "white_matter", *columns]


def test_melodic_writes_no_header_and_aroma_no_names(world):
    world.add("aroma", "space-MNI152NLin6Asym_desc-melodic_mixing", world.mixing, header=False)
    world.add("aroma", "desc-aroma_metrics", {"classification": CLASSES, "edge_fract": [0.1] * 5})
    group = {
        "label": "noise",
        "table": {"dataset": "aroma", "desc": "melodic", "suffix": "mixing"},
        "classification": "rejected",
        "regression": "orthogonalised",
    }
    assert world.ask(world.strategy("aroma", group)) == 0
    table, _ = world.design("aroma")
    assert list(table) == ["component_01", "component_03", "component_04"]
    assert np.abs(table.to_numpy()[KEPT].T @ world.accepted[KEPT]).max() < 1e-6


def test_a_run_in_which_aroma_found_no_noise_is_done_without_any(world, capsys):
    world.add("aroma", "desc-aroma_timeseries", {"intercept": [1] * N_VOLUMES})
    group = {"label": "AROMA", "pattern": r"aroma_motion_\d+", "table": {"desc": "aroma"}}
    assert world.ask(world.strategy("aroma", group)) == 0
    assert "desc-aroma_timeseries.tsv has no column for AROMA" in capsys.readouterr().err


def test_columns_of_the_same_name_keep_apart(world):
    world.add("mine", "desc-physio_timeseries", {"csf": world.mixing[:, 0]})
    own = {"label": "csf", "pattern": "csf"}
    strategy = world.strategy("both", own, own | {"table": {"desc": "physio"}})
    assert world.ask(strategy) == 0
    table, _ = world.design("both")
    assert list(table) == ["csf", "csf_physio"]
    np.testing.assert_allclose(table["csf_physio"], world.mixing[:, 0], atol=1e-8)


def test_the_confounds_of_another_dataset_may_be_meant(world):
    world.add("other", "desc-confounds_timeseries", {"csf": world.mixing[:, 0]})
    table = {"dataset": "other", "desc": "confounds"}
    strategy = world.strategy("theirs", {"label": "csf", "pattern": "csf", "table": table})
    assert world.ask(strategy) == 0
    np.testing.assert_allclose(world.design("theirs")[0]["csf"], world.mixing[:, 0], atol=1e-8)


def test_a_pattern_may_say_what_is_accepted(world):
    columns = {f"noise_{n}": world.rejected[:, n] for n in range(3)}
    columns |= {f"signal__{n}": world.accepted[:, n] for n in range(2)}
    world.add("mine", "desc-custom_timeseries", columns)
    group = {
        "label": "noise",
        "pattern": "noise_.*",
        "table": {"desc": "custom"},
        "regression": "orthogonalised",
        "accepted": "signal__.*",
    }
    wrong = group | {"accepted": "signal_[ab]"}
    assert world.ask(world.strategy("right", group)) == 0
    assert np.abs(world.design("right")[0].to_numpy()[KEPT].T @ world.accepted[KEPT]).max() < 1e-6
    assert world.ask(world.strategy("right", wrong)) == 1


def about(path, **content):
    path.with_suffix(".json").write_text(json.dumps(content))


def rapidtide(world, rows):
    path = world.add("rapidtide", "desc-regressor_timeseries", {0: np.sin(rows)}, header=False)
    about(path, Columns=["sLFO"], SamplingFrequency=2.5, StartTime=0.0)
    group = {
        "label": "sLFO",
        "pattern": "sLFO",
        "table": {"dataset": "rapidtide", "desc": "regressor"},
    }
    return world.strategy("rapidtide", group)


def test_a_table_without_header_may_have_names_in_its_json(world):
    assert world.ask(rapidtide(world, np.arange(N_VOLUMES))) == 0
    assert list(world.design("rapidtide")[0]) == ["sLFO"]


def test_a_regressor_of_another_rate_is_refused_and_what_was_denoised_is_extracted(world, capsys):
    strategy = rapidtide(world, np.arange(5 * N_VOLUMES))
    assert world.ask("none", strategy) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{5 * N_VOLUMES} rows, but the BOLD run has {N_VOLUMES} volumes" in said
    assert "sampled at 2.5 Hz, and not once for each volume" in said
    denoised = world.run.bold.name.replace("desc-preproc", "desc-denoised")
    world.run.bold.with_name(denoised).write_bytes(world.run.bold.read_bytes())
    filters = world.folder / "filters.json"
    filters.write_text('{"bold": {"desc": "denoised"}}')
    folder = world.folder / "denoised"
    asked = [str(world.root), str(folder), "participant", "--bids-filter-file", str(filters)]
    assert main([*asked, "--atlases", str(world.atlas), "--strategies", "none"]) == 0


# --- what is wrong costs its own strategy, and each letter helps


def rows_too_many(world):
    world.add("tedana", "desc-ICA_mixing", {"ICA_00": np.zeros(N_VOLUMES + 3)})


def metrics_missing(world):
    (world.folder / "tedana/sub-01/func" / f"{STEM}_desc-tedana_metrics.tsv").unlink()


def metrics_of_another(world):
    world.add("tedana", "desc-tedana_metrics", {"classification": CLASSES[:3]})


def without_classes(world):
    world.add("tedana", "desc-tedana_metrics", {"Component": [f"ICA_{n}" for n in range(5)]})


FAULTS = {
    "other length": (rows_too_many, f"{N_VOLUMES + 3} rows, but the BOLD run has {N_VOLUMES}"),
    "no metrics": (metrics_missing, "No table desc-tedana_metrics.tsv .* Copy it there"),
    "other decomposition": (metrics_of_another, "5 components, and .* 3 rows.* Copy both again"),
    "no classes": (without_classes, "no column classification"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_table_that_does_not_fit_costs_its_strategy_alone(world, case, capsys):
    spoil, letter = FAULTS[case]
    world.add_tedana()
    spoil(world)
    strategy = world.strategy("mine", world.rejected_group())
    assert world.ask("none", strategy) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(f"strategy mine is n/a: .*{letter}", said), said
    assert world.series("none").shape[0] == KEPT.sum()
    for file in (world.folder / "out/sub-01/func").glob("*.json"):
        assert str(world.folder) not in file.read_text()
    world.add_tedana()  # the advice followed: copied again
    assert world.ask("none", strategy) == 0


def test_a_dataset_that_is_not_named_is_asked_for_at_once(world, capsys):
    world.add_tedana()
    strategy = world.strategy("mine", world.rejected_group())
    world.datasets = ["tedna"]
    (world.folder / "tedna").mkdir()
    assert world.ask(strategy) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "from the dataset 'tedana', which is not named. Did you mean 'tedna'?" in said
    assert "Say where it is: --datasets tedana=PATH" in said
    world.datasets = ["tedana"]
    assert world.ask(strategy) == 0


def test_another_content_of_a_table_makes_the_results_anew(world):
    world.add_tedana()
    strategy = world.strategy("mine", world.rejected_group())
    world.ask(strategy)
    before = world.series("mine")
    world.mixing = world.mixing[::-1].copy()
    world.add_tedana()
    assert world.ask(strategy) == 0
    assert np.abs(world.series("mine") - before).max() > 0.01


def test_results_of_another_strategy_stay_beside_those_with_tables(world):
    world.add_tedana()
    assert world.ask("none") == 0
    assert world.ask(world.strategy("mine", world.rejected_group())) == 0
    assert world.ask("24P", options=["--filter", "none", "--high-pass", "none"]) in (0, 1)
    world.series("none"), world.series("mine")


def test_the_dry_run_shows_the_tables(world, capsys):
    world.add_tedana()
    strategy = world.strategy("mine", world.rejected_group())
    assert world.ask(strategy, options=["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "desc-ICA_mixing.tsv: " in said
    assert "desc-tedana_metrics.tsv: " in said
