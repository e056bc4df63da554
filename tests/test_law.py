"""The law of the house: the command line and the maskers give the same columns.

For every kind of columns they agree on names, coverage, verdict and signals: in four orientations,
with values that are missing or never change, with odd tables, stored in any way, cut by the field
of view, whatever coverage is asked for, smoothed or not, for every statistic.

The one difference is on purpose. Of a column without a voxel that was measured, a masker that asks
for no coverage gives what its voxels hold; the command line writes n/a.
"""

import itertools
import json
import warnings
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds.masker_world import AXES
from worlds.tiny_fmriprep import (
    N_UNSTEADY,
    SHAPE,
    SPACE,
    affine_in,
    blocks_of,
    brain_mask,
    bumps,
    noise,
    save_image,
)

from bidsmask import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from bidsmask.cli.main import main
from bidsmask.dataset.atlases import find_atlas
from bidsmask.errors import AtlasError
from bidsmask.vocabulary import MAPS_STATISTICS, MAPS_STATS, STATISTICS

TABLES_TOLERANCE = 1.2e-7
"""Relative, of values: signals are written in single precision."""

SMOOTHED_TOLERANCE = 2e-5
"""Of a column's standard deviation: single-precision runs are smoothed in single precision, and
the command smooths volumes where a masker may fold the smoothing into its weights."""

DOUBLE_TOLERANCE = 1e-6
"""The same, of runs in double precision."""

SEEDS = pd.DataFrame(
    {
        "name": ["left", "right", "NA", "edge", "away"],
        "x": [-8.5, 8.0, 7.0, -19.0, 200.0],
        "y": [2.0, 3.0, 4.5, -3.0, 0.0],
        "z": [0.5, -4.0, -3.0, 8.0, 0.0],
        "radius": [6.0, 7.0, 5.0, 9.0, 6.0],
    }
)
CENTRES = [(-9, -5, 0), (-8, 9, 3), (9, -6, -4), (8, 8, 5), (-1, 1, 1), (0, -34, 0), (90, 90, 90)]


# --- the runs ------------------------------------------------------------------------------------


def flaws(values, affine, seed, *, missing=True):
    """Spoil voxels: never a number, at times, in a censored volume only; constant, constant at
    first; and all that is in a block of the world.
    """
    rng = np.random.default_rng(seed)
    flat = values.reshape(-1, values.shape[3])  # a view
    voxels = rng.permutation(len(flat))
    kinds = np.split(voxels[: 6 * 12], 6)
    if missing:
        flat[kinds[0]] = np.nan
        flat[kinds[1], rng.integers(0, values.shape[3], kinds[1].size)] = np.nan
        flat[kinds[2], 0] = np.inf  # volume 0 is censored
        flat[kinds[3][:3], 30:] = -np.inf
    flat[kinds[4]] = flat[kinds[4], :1]
    flat[kinds[5], :25] = flat[kinds[5], :1]
    block = blocks_of(affine, values.shape[:3]) == 5
    values[block] = np.nan if missing and seed % 4 < 2 else values[block, :1]
    return values


STORAGE = {
    "float32": {"dtype": np.float32},
    "float64": {"dtype": np.float64},
    "int16": {"dtype": np.int16, "slope": 0.25, "inter": 700.0},
}


def add_runs(dataset):
    """Write a run for each orientation and way to store it; every second one is cut."""
    runs = []
    for number, (axes, storage) in enumerate(itertools.product(AXES, STORAGE)):
        shape = (SHAPE[0] - 3, SHAPE[1], SHAPE[2] - 1) if number % 2 else SHAPE
        shift = (7.0, 1.0, -2.0) if number % 2 else (0, 0, 0)
        affine = affine_in(axes, shape, shift=shift)
        missing = storage != "int16"
        values = flaws(noise(shape, seed=number), affine, number, missing=missing)
        mask = brain_mask(shape)
        if number % 3:
            mask[:, :, :3] = 0
        runs.append(dataset.add_run(f"{axes}{storage}", values, affine, mask, **STORAGE[storage]))
    return {run.subject: run for run in runs}


# --- what is asked of them -----------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Something to make columns of, and how a masker is told so."""

    path: object
    entities: str
    masker: type
    given: dict = field(default_factory=dict)
    reads_statistics: bool = True

    def file(self, run, out, statistic, kind="timeseries"):
        """Find one of its tables in the output."""
        stem = f"sub-{run.subject}_task-rest_space-{SPACE}_{self.entities}_stat-{statistic}"
        strategy = "_desc-none" if kind == "timeseries" else ""
        return out / f"sub-{run.subject}" / "func" / f"{stem}{strategy}_{kind}.tsv"


def labels_source(folder, name, labels, affine, rows, *, suffix="tsv", **how):
    stem = f"tpl-{SPACE}_atlas-{name}_dseg"
    path = save_image(folder / f"{stem}.nii.gz", labels, affine, **how)
    table = folder / f"{stem}.{suffix}"
    table.write_text(rows)
    given = {"labels_img": str(path), "lut": str(table)}
    return Source(path, f"atlas-{name}", NiftiLabelsMasker, given)


def plain_labels(folder):
    """A table that is not sorted, and has a background and a region that the image lacks."""
    affine, shape = affine_in("RAS"), SHAPE
    rows = "index\tname\n4\tD\n2\tB\n0\tBackground\n9\tNowhere\n1\tA\n3\tC\n6\tF\n5\tE\n"
    return labels_source(folder, "Plain", blocks_of(affine, shape), affine, rows, dtype=np.int16)


def odd_labels(folder):
    """Labels stored as floats, with NaN; regions that are called as tables call nothing."""
    shape = (23, 26, 21)
    affine = affine_in("oblique", shape, (1.8, 1.9, 2.0), (1.0, -0.5, 0.4))
    labels = blocks_of(affine, shape).astype(float)
    labels[labels == 6] = 70_000
    labels[::5, ::4, ::3] = np.nan
    rows = "name\tnetwork\tindex\nNA\tx\t2\nNone\tn/a\t1\nnan\ty\t3\n5\t\t4\n"
    rows += "true\t-\t5\nlast\t.\t70000\n"
    return labels_source(folder, "Odd", labels, affine, rows, dtype=np.float64)


def scaled_labels(folder):
    """Labels stored with a slope, far larger than what was seen; a CSV that says ``label``."""
    shape = (24, 24, 24)
    affine = affine_in("LPS", shape, (3.5, 3.5, 3.5))
    edges = ((-60, -12, -3, 8, 60), (-60, 0, 60), (-60, 60))
    labels = blocks_of(affine, shape, edges).astype(float) * 0.5
    rows = "index,label\n" + "".join(f'{n},"R, {n}"\n' for n in range(1, 9))
    return labels_source(
        folder, "Scaled", labels * 2, affine, rows, suffix="csv", dtype=np.int16, slope=0.5
    )


def maps_source(folder, axes="LAS", shape=(18, 19, 17)):
    affine = affine_in(axes, shape, (3.1, 3.0, 3.2), (0.7, 0.2, -0.9))
    maps = bumps(affine, shape, CENTRES)
    stem = f"tpl-{SPACE}_atlas-Bumps_probseg"
    path = save_image(folder / f"{stem}.nii.gz", maps, affine, dtype=np.float32)
    names = [f"bump {number}" for number, _ in enumerate(CENTRES)]
    (folder / f"{stem}.tsv").write_text("\n".join(["name", *names]) + "\n")
    return Source(path, "atlas-Bumps", NiftiMapsMasker, {"maps_img": str(path)}, False)


def seeds_source(folder):
    path = folder / f"space-{SPACE}_seg-points_seeds.tsv"
    SEEDS.to_csv(path, sep="\t", index=False)
    given = {
        "seeds": SEEDS[["x", "y", "z"]].to_numpy().tolist(),
        "radius": SEEDS["radius"].tolist(),
        "allow_overlap": True,
    }
    return Source(path, "seg-points", NiftiSpheresMasker, given)


@dataclass(frozen=True)
class Request:
    """One command."""

    min_coverage: float
    fwhm_mm: float
    statistics: tuple[str, ...]
    maps: str

    def options(self):
        """As the command line takes them."""
        return [
            *("--min-coverage", str(self.min_coverage)),
            *("--smoothing-fwhm", str(self.fwhm_mm)),
            *("--statistic", *self.statistics),
            *("--maps-statistic", self.maps),
        ]


REQUESTS = [
    Request(0.0, 0.0, ("mean", "median", "min"), "least-squares"),
    Request(0.3, 5.0, ("mean", "std"), "weighted-mean"),
    Request(0.5, 0.0, ("mean", "eigenvariate", "var"), "weighted-mean"),
    Request(0.9, 6.0, ("median", "mean", "max"), "least-squares"),
    Request(1.0, 0.0, ("sum", "mean"), "least-squares"),
]
SUBJECTS = [f"{axes}{storage}" for axes, storage in itertools.product(AXES, STORAGE)]
CASES = [(subject, n % len(REQUESTS)) for n, subject in enumerate(SUBJECTS)]
CASES += [(subject, (n + 2) % len(REQUESTS)) for n, subject in enumerate(SUBJECTS[::2])]


@dataclass(frozen=True)
class World:
    runs: dict
    sources: dict
    outputs: list


@pytest.fixture(scope="module")
def law(tiny, tmp_path_factory):
    """Run one command for each request, of the runs whose turn it is."""
    dataset, folder = tiny(), tmp_path_factory.mktemp("law")
    runs = add_runs(dataset)
    sources = {
        "plain": plain_labels(folder),
        "odd": odd_labels(folder),
        "scaled": scaled_labels(folder),
        "maps": maps_source(folder),
        "seeds": seeds_source(folder),
    }
    atlases = [str(source.path) for name, source in sources.items() if name != "seeds"]
    outputs = []
    for number, request in enumerate(REQUESTS):
        outputs.append(folder / f"out{number}")
        asked = [subject for subject, turn in CASES if turn == number]
        what = ["--atlases", *atlases, "--seeds", str(sources["seeds"].path), "--voxelwise"]
        raw = ["--strategies", "none", "--standardize", "none", "--no-detrend"]
        command = [str(dataset.root), str(outputs[-1]), "participant", *what, *raw]
        assert main([*command, *request.options(), "--participant-label", *asked]) == 0
    return World(runs, sources, outputs)


def read_table(path):
    """Read a table; a region may be called NA."""
    return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)


def fitted(source, run, request, statistic):
    """Read the run with the masker; give it and its signals (T, P)."""
    masker = source.masker(
        **source.given,
        mask_img=str(run.mask),
        strategy=statistic,
        smoothing_fwhm=request.fwhm_mm or None,
        min_coverage=request.min_coverage,
        keep_empty=True,
        standardize=None,
        reports=False,
        dtype="float64",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a table lacks and a region loses: in the tables
        return masker, masker.fit_transform(str(run.bold))


def engine(source, request):
    """Pair the label of each statistic of a source with what maskers call it."""
    if source.reads_statistics:
        return {label: STATISTICS[label] for label in request.statistics}
    return {MAPS_STATS[request.maps]: MAPS_STATISTICS[request.maps]}


def tolerance(run, request, signals):
    """How far single precision may lie off, for each column."""
    atol = np.zeros(signals.shape[1])
    if request.fwhm_mm:
        single = "float64" not in run.subject
        share = SMOOTHED_TOLERANCE if single else DOUBLE_TOLERANCE
        with np.errstate(invalid="ignore"):
            atol = share * np.std(signals, axis=0)
    return atol + TABLES_TOLERANCE * np.abs(signals).max(axis=0)


@pytest.mark.parametrize("kind", ["plain", "odd", "scaled", "maps", "seeds"])
@pytest.mark.parametrize(("subject", "number"), CASES)
def test_the_command_line_and_the_maskers_agree(law, kind, subject, number):
    source, run, request = law.sources[kind], law.runs[subject], REQUESTS[number]
    out = law.outputs[number]
    app_coverage = read_table(source.file(run, out, "coverage", "bold")).set_index("Node")
    for label, strategy in engine(source, request).items():
        masker, signals = fitted(source, run, request, strategy)
        ours = read_table(source.file(run, out, label)).astype(float)
        table = masker.coverage_
        if source.masker is NiftiLabelsMasker:  # the others number their columns
            assert sorted(table["name"]) == sorted(ours.columns)
            ours, coverage = ours[table["name"]], app_coverage.loc[table["name"]]
            assert coverage["index"].tolist() == table["index"].tolist()
        else:
            coverage = app_coverage
        assert list(coverage.index) == list(ours.columns)
        for column in "n_voxels", "n_covered", "status", "reason":
            assert coverage[column].fillna("n/a").tolist() == table[column].tolist()
        np.testing.assert_allclose(coverage["coverage"], table["coverage"], rtol=1e-6)
        usable = table["status"].isin(["ok", "partial"]).to_numpy()
        assert (table["used"].to_numpy() >= usable).all()
        assert ours.iloc[:N_UNSTEADY].isna().all(axis=None)
        ours, signals = ours.to_numpy()[N_UNSTEADY:], signals[N_UNSTEADY:]
        assert np.isnan(ours[:, ~usable]).all()
        if request.min_coverage > 0:
            assert np.isnan(signals[:, ~table["used"].to_numpy()]).all()
        excess = np.abs(ours - signals) - tolerance(run, request, signals)
        assert (excess[:, usable] <= 0).all(), np.nanmax(excess[:, usable], axis=0)


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
@pytest.mark.parametrize(("subject", "number"), CASES)
def test_voxels_agree(law, subject, number):
    """Voxels without a measurement are NaN in the image; a masker says which they are."""
    run, request = law.runs[subject], REQUESTS[number]
    (path,) = law.outputs[number].rglob(f"sub-{subject}_*_desc-none_bold.nii.gz")
    image, mask = nib.load(path).get_fdata(), nib.load(run.mask).get_fdata() > 0
    masker = NiftiMasker(
        str(run.mask),
        smoothing_fwhm=request.fwhm_mm or None,
        standardize=None,
        reports=False,
        dtype="float64",
    )
    signals = masker.fit_transform(str(run.bold))[N_UNSTEADY:]
    ok = (masker.coverage_["status"] == "ok").to_numpy()
    assert set(masker.coverage_["status"]) <= {"ok", "constant"}
    assert (image[~mask] == 0).all()
    ours = image[mask].T
    assert np.isnan(ours[:N_UNSTEADY]).all()
    np.testing.assert_array_equal(np.isfinite(ours[N_UNSTEADY:]).all(axis=0), ok)
    assert np.isnan(ours[:, ~ok]).all()
    excess = np.abs(ours[N_UNSTEADY:] - signals) - tolerance(run, request, signals)
    assert (excess[:, ok] <= 0).all(), excess[:, ok].max()


def test_the_law_is_about_every_verdict(law):
    """Were all columns ok, it would say little."""
    statuses = {"ok", "partial", "low", "constant", "empty"}
    for number, request in enumerate(REQUESTS):
        files = law.outputs[number].rglob("*_stat-coverage_bold.tsv")
        found = set(pd.concat(map(read_table, files))["status"])
        never = {"low"} if request.min_coverage == 0 else set()
        never |= {"partial"} if request.min_coverage == 1 else set()
        assert found == statuses - never, request


def test_sidecars_say_what_the_command_was_asked(law):
    for number, request in enumerate(REQUESTS):
        for path in law.outputs[number].rglob("*_desc-none_timeseries.json"):
            assert json.loads(path.read_text())["SmoothingFWHM"] == request.fwhm_mm


# --- tables, whichever door they come through

ROWS = "index\tname\n" + "".join(f"{label}\tR{label}\n" for label in range(1, 7))
SAME = {f"R{label}": label for label in range(1, 7)}

READ_ALIKE = {
    "as it should be": (ROWS, SAME),
    "a mark at its beginning, and Windows lines": ("\ufeff" + ROWS.replace("\n", "\r\n"), SAME),
    "rows in another order": ("\n".join([*ROWS.split("\n")[:1], *ROWS.split("\n")[:0:-1]]), SAME),
    "two names for nothing": (ROWS + "0\tUnknown\n", SAME),
    "a region too many": (ROWS + "9\tR9\n", SAME | {"R9": 9}),
    "integers with a point": (ROWS.replace("3\tR3", "3.0\tR3"), SAME),
    "blanks around names": (ROWS.replace("R3", " R3 "), SAME),
    "names in quotation marks": (ROWS.replace("R3", '"R3"'), SAME),
    "names that are numbers": (
        ROWS.replace("R", "0"),
        {f"0{label}": label for label in range(1, 7)},
    ),
    "names that pandas takes for nothing": (
        ROWS.replace("R1", "NA").replace("R2", "nan").replace("R3", "None"),
        {"NA": 1, "nan": 2, "None": 3, "R4": 4, "R5": 5, "R6": 6},
    ),
    "columns that nobody knows": (
        "".join(f"x\t{line}\t\n" for line in ROWS.split("\n") if line).replace("x\tin", "y\tin"),
        SAME,
    ),
}

REFUSED_ALIKE = {
    "a row missing": (ROWS.replace("3\tR3\n", ""), "no row for 1 "),
    "counts from 0": (
        "index\tname\n" + "".join(f"{label}\tR{label}\n" for label in range(6)),
        "count",
    ),
    "a label twice": (ROWS.replace("3\tR3", "2\tR3"), "label 2 is there twice"),
    "a name twice": (ROWS.replace("R3", "R2"), "name 'R2' is there twice"),
    "a name missing": (ROWS.replace("R3", ""), "Label 3 has no name"),
    "half an index": (ROWS.replace("3\tR3", "3.5\tR3"), "3.5.* not a whole number"),
    "no column index": (ROWS.replace("index", "number"), "no column 'index'"),
    "no column name": (ROWS.replace("name", "title"), "no column 'name'"),
    "a cell too many": (ROWS.replace("R3", "R3\tx"), "Row 3 has 3 cells"),
    "semicolons": (ROWS.replace("\t", ";"), "no column 'index'; columns found: index;name"),
    "nothing": ("", "no column 'index'"),
    "only a header": ("index\tname\n", "no regions"),
}


def two_doors(folder, rows):
    """Give the atlas as the command line finds it, and as a masker is told it."""
    stem = folder / f"tpl-{SPACE}_atlas-Table_dseg"
    affine = affine_in("RAS")
    image = save_image(stem.with_suffix(".nii.gz"), blocks_of(affine, SHAPE), affine)
    table = stem.with_suffix(".tsv")
    table.write_bytes(rows.encode())
    masker = NiftiLabelsMasker(str(image), lut=str(table), keep_empty=True, reports=False)
    return (lambda: find_atlas(image, space=SPACE, homes=(), download=False).lut), masker.fit


@pytest.mark.filterwarnings("ignore")  # what a table has and the image lacks
@pytest.mark.parametrize("what", READ_ALIKE)
def test_a_table_is_read_alike_at_both_doors(tmp_path, what):
    rows, expected = READ_ALIKE[what]
    find, fit = two_doors(tmp_path, rows)
    lut, masker = find(), fit()
    assert dict(zip(lut.names, lut.ids, strict=True)) == expected
    ids = [label for key, label in masker.region_ids_.items() if key != "background"]
    names = masker.region_names_.values()
    assert dict(zip(names, ids, strict=True)) == expected


@pytest.mark.parametrize("what", REFUSED_ALIKE)
def test_a_table_that_cannot_be_trusted_is_refused_at_both_doors(tmp_path, what):
    rows, words = REFUSED_ALIKE[what]
    for door in two_doors(tmp_path, rows):
        with pytest.raises(AtlasError, match=words) as caught:
            door()
        assert "Table_dseg" in str(caught.value)
