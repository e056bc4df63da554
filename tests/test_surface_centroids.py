"""Where regions on surfaces are, and what the distance between them says at the group level."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from worlds import surface_dataset as surfaces
from worlds import surface_files as files
from worlds.meshes import ball, write_mesh

from bidsmask.cli.main import main
from bidsmask.demo.files import write_json, write_table
from bidsmask.images.meshes import Mesh

WORDS = ["--strategies", "none", "--no-detrend", "--standardize", "none", "--no-download"]


def moved(mesh, by):
    return Mesh(coordinates=mesh.coordinates + by, faces=mesh.faces)


OWN = {"L": ball(surfaces.LEFT), "R": moved(ball(surfaces.RIGHT, seed=1), [40.0, 0, 0])}
SEED = 7
OF_TEMPLATE = {side: moved(mesh, [0, 0, 100.0]) for side, mesh in OWN.items()}


def write_meshes(folder, name, meshes):
    folder.mkdir(parents=True, exist_ok=True)
    for side, mesh in meshes.items():
        write_mesh(folder / name.format(side), mesh, side)


@pytest.fixture(scope="module")
def done(make_dataset, tmp_path_factory):
    """A run in grayordinates, a pair, and meshes of the subject and of a template."""
    home = tmp_path_factory.mktemp("centroids")
    dataset = make_dataset(home)
    surfaces.add_surfaces(dataset.runs[0])
    for space in ("fsLR_den-32k", "fsaverage5"):
        name = f"sub-01_hemi-{{}}_space-{space}_midthickness.surf.gii"
        write_meshes(dataset.root / "sub-01" / "anat", name, OWN)
    name = "tpl-fsLR_den-0k_hemi-{}_midthickness.surf.gii"
    write_meshes(home / "flow" / "tpl-fsLR", name, OF_TEMPLATE)
    name = "tpl-fsaverage_hemi-{}_den-0k_midthickness.surf.gii"
    write_meshes(home / "flow" / "tpl-fsaverage", name, OWN)
    atlases = [surfaces.write_dlabel(home), surfaces.write_labels(home)]
    seeds = home / "space-fsaverage_points_seeds.tsv"
    place = " ".join(map(str, OWN["R"].coordinates[SEED] + 0.1)).split()
    rows = [["PCC", "L", str(SEED), "n/a", "n/a", "n/a"], ["V1", "n/a", "n/a", *place]]
    header = "name\themi\tvertex\tx\ty\tz"
    seeds.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n")
    points = ["--seeds", str(seeds), "--seed-radius", "0"]
    asked = ["--space", "fsLR", "fsaverage5", "--atlases", *map(str, atlases), *points, *WORDS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPLATEFLOW_HOME", str(home / "flow"))
        assert main([str(dataset.root), str(home / "out"), "participant", *asked]) == 0
    return home / "out" / "sub-01" / "func"


def coverage(folder, space, source="atlas"):
    (table,) = folder.glob(f"*_space-{space}_{source}*stat-coverage_bold.tsv")
    said = json.loads(table.with_suffix(".json").read_text())
    return pd.read_csv(table, sep="\t", na_values="n/a").set_index("Node"), said


def by_hand(meshes):
    """Means of coordinates of the vertices of each region that have values, by its name."""
    places = np.concatenate([meshes["L"].coordinates, meshes["R"].coordinates])
    covered = surfaces.keys()
    covered[surfaces.WALL] = 0
    return {name: places[covered == key].mean(axis=0) for key, name in surfaces.NAMES.items()}


@pytest.mark.parametrize(("space", "meshes"), [("fsLR", OF_TEMPLATE), ("fsaverage5", OWN)])
def test_a_centroid_is_the_mean_of_the_coordinates_of_covered_vertices(done, space, meshes):
    """Next to voxels the template's mesh is taken, which is where they are; else the subject's."""
    table, _ = coverage(done, space)
    for name, expected in by_hand(meshes).items():
        np.testing.assert_allclose(table.loc[name, ["x", "y", "z"]], expected, atol=0.0051)


def test_a_centroid_of_voxels_is_by_the_affine(done):
    table, _ = coverage(done, "fsLR")
    places = surfaces.IJK @ files.AFFINE[:3, :3].T + files.AFFINE[:3, 3]
    found = table.loc["Thalamus", ["x", "y", "z"]]
    np.testing.assert_allclose(found, places.mean(axis=0), atol=0.0051)


def test_seeds_say_where_they_are(done):
    """One is a vertex, the other the vertex that is nearest to a place on the template's mesh."""
    table, _ = coverage(done, "fsaverage5", "seg")
    found = table.loc["PCC", ["x", "y", "z"]]
    np.testing.assert_allclose(found, OWN["L"].coordinates[SEED], atol=0.0051)
    found = table.loc["V1", ["x", "y", "z"]]
    np.testing.assert_allclose(found, OWN["R"].coordinates[SEED], atol=0.0051)


def test_the_sidecar_names_the_mesh(done):
    _, said = coverage(done, "fsLR")
    name = "tpl-fsLR_den-0k_hemi-L_midthickness.surf.gii"
    assert any(source.endswith(name) for source in said["Sources"])
    assert said["Centroids"].startswith(f"Vertices lie where {name} and tpl-fsLR")
    (series,) = done.glob("*_space-fsLR_*_timeseries.json")
    assert "midthickness" not in series.read_text()  # no signal is made by it


def test_runs_on_meshes_of_their_own_go_into_the_tables_of_one_group(done, tmp_path):
    """Each subject has their own, and each space, too: they are no setting."""
    out = done.parents[1]
    assert main([str(tmp_path), str(out), "group"]) == 0
    table = pd.read_csv(out / "group_coverage.tsv", sep="\t")
    spaces = {name.split("_")[0] for name in table["atlas"]}
    assert spaces == {"space-fsLR", "space-fsaverage5"}


def test_without_a_mesh_centroids_are_missing_with_the_reason(make_dataset, tmp_path, capsys):
    """A region without a vertex is called so: it is not outside of anything."""
    dataset = make_dataset(tmp_path)
    surfaces.add_surfaces(dataset.runs[0])
    names = {0: "???", **surfaces.NAMES, surfaces.THALAMUS: "Thalamus", 9: "Nowhere"}
    labels = np.concatenate([surfaces.keys(), np.full(len(surfaces.IJK), surfaces.THALAMUS)])
    axis = files.brain_axis(surfaces.LEFT, surfaces.RIGHT, ijk=surfaces.IJK)
    atlas = files.write_dlabel(
        tmp_path / "tpl-fsLR_atlas-Toy_den-91k_dseg.dlabel.nii", labels, names, axis
    )
    asked = ["--space", "fsLR", "--atlases", str(atlas), *WORDS]
    assert main([str(dataset.root), str(tmp_path / "out"), "participant", *asked]) == 0
    table, said = coverage(tmp_path / "out" / "sub-01" / "func", "fsLR")
    assert table.loc[list(surfaces.NAMES.values()), ["x", "y", "z"]].isna().all(axis=None)
    assert np.isfinite(table.loc["Thalamus", "x"])
    assert said["Centroids"] == (
        "Those of vertices are n/a. There is no mesh (midthickness or white or pial) of fsLR with "
        "26 and 30 vertices."
    )
    assert "1 of 6 regions has no signal (n/a): 1 without a grayordinate (Nowhere)" in (
        capsys.readouterr().err
    )


def test_a_mesh_that_is_broken_is_named_where_centroids_are_missed(make_dataset, tmp_path):
    dataset = make_dataset(tmp_path)
    surfaces.add_surfaces(dataset.runs[0])
    broken = dataset.root / "sub-01" / "anat" / "sub-01_hemi-L_space-fsLR_midthickness.surf.gii"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("<GIFTI")
    asked = ["--space", "fsLR", "--atlases", str(surfaces.write_dlabel(tmp_path)), *WORDS]
    assert main([str(dataset.root), str(tmp_path / "out"), "participant", *asked]) == 0
    _, said = coverage(tmp_path / "out" / "sub-01" / "func", "fsLR")
    assert f"{broken.name}: the XML is broken" in said["Centroids"]
    assert str(tmp_path) not in said["Centroids"]


# --- QC-FC, with motion that neighbours share

N_PEOPLE, N_VOLUMES, N_VERTICES, N_REGIONS = 16, 240, 40, 10
REACH_MM = 25.0
"""As far apart as this, places share a third of what motion does."""

IJK = np.array([[1, 1, 1], [6, 7, 5], [1, 7, 5]])
"""Each a region of its own."""

HEMISPHERES = {
    "L": moved(ball(N_VERTICES, 30.0), [-32.0, 0, 0]),
    "R": moved(ball(N_VERTICES, 30.0, seed=1), [32.0, 0, 0]),
}


def regions():
    """Region of each grayordinate: neighbours on a mesh, and single voxels."""
    of_hemisphere = np.arange(N_VERTICES) // (N_VERTICES // N_REGIONS)
    voxels = 2 * N_REGIONS + np.arange(len(IJK))
    return np.concatenate([of_hemisphere, N_REGIONS + of_hemisphere, voxels])


def centroids():
    voxels = IJK @ files.AFFINE[:3, :3].T + files.AFFINE[:3, 3]
    parts = [mesh.coordinates for mesh in HEMISPHERES.values()]
    table = pd.DataFrame(np.concatenate([*parts, voxels]))
    return table.groupby(regions()).mean().to_numpy()


def write_person(root, number, planted):
    """Write a run of somebody who moves; what that does to signals is alike where it is near."""
    rng, moves = np.random.default_rng(number), 0.2 + 0.8 * number / N_PEOPLE
    stem = f"sub-{number + 1:02}_task-rest"
    folder = root / f"sub-{number + 1:02}" / "func"
    folder.mkdir(parents=True)
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    steps = 0.04 * moves * rng.normal(size=(6, N_VOLUMES)) * np.repeat([1, 0], 3)[:, np.newaxis]
    table = folder / f"{stem}_desc-confounds_timeseries.tsv"
    displacement = np.r_[np.nan, np.abs(np.diff(steps)).sum(axis=0)]
    columns = {**dict(zip(names, steps, strict=True)), "framewise_displacement": displacement}
    write_table(table, columns)
    write_json(table.with_suffix(".json"), {})
    of_regions = rng.normal(size=(N_VOLUMES, len(planted)))
    of_regions += moves * rng.normal(size=(N_VOLUMES, len(planted))) @ planted.T
    values = 1000 + 10 * of_regions[:, regions()]
    path = folder / f"{stem}_space-fsLR_den-91k_bold.dtseries.nii"
    files.write_dtseries(path, values, files.brain_axis(N_VERTICES, N_VERTICES, ijk=IJK))
    write_json(folder / f"{stem}_space-fsLR_den-91k_bold.json", surfaces.about_cifti())


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    home = tmp_path_factory.mktemp("cohort")
    root = home / "fmriprep"
    shared = np.exp(-squareform(pdist(centroids())) / REACH_MM)
    planted = np.linalg.cholesky(shared)
    for number in range(N_PEOPLE):
        write_person(root, number, planted)
    about = {"Name": "who moves", "BIDSVersion": "1.10.0", "DatasetType": "derivative"}
    about["GeneratedBy"] = [{"Name": "fMRIPrep"}]
    write_json(root / "dataset_description.json", about)
    name = "tpl-fsLR_den-0k_hemi-{}_midthickness.surf.gii"
    write_meshes(home / "flow" / "tpl-fsLR", name, HEMISPHERES)
    names = {key: f"Region{key:02}" for key in range(1, 2 * N_REGIONS + len(IJK) + 1)}
    axis = files.brain_axis(N_VERTICES, N_VERTICES, ijk=IJK)
    atlas = home / "tpl-fsLR_atlas-Balls_den-91k_dseg.dlabel.nii"
    files.write_dlabel(atlas, regions() + 1, {0: "???", **names}, axis)
    out = home / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPLATEFLOW_HOME", str(home / "flow"))
        asked = ["--space", "fsLR", "--atlases", str(atlas), *WORDS]
        assert main([str(root), str(out), "participant", *asked]) == 0
        assert main([str(root), str(out), "group"]) == 0
    return out


def test_at_the_group_level_near_edges_go_with_motion_and_far_ones_do_not(cohort):
    """Sign and size are those of matrices, motion and distances put together by hand."""
    matrices = [
        pd.read_csv(path, sep="\t", index_col=0).to_numpy()
        for path in sorted(cohort.glob("sub-*/func/*pearsoncorrelation*relmat.tsv"))
    ]
    edges = np.arctanh([matrix[np.triu_indices_from(matrix, 1)] for matrix in matrices])
    quality = pd.read_csv(cohort / "group_qc.tsv", sep="\t").sort_values("participant_id")
    motion = quality["mean_fd"].to_numpy()
    qc_fc = [np.corrcoef(edge, motion)[0, 1] for edge in edges.T]
    distances = pdist(centroids())
    expected = spearmanr(qc_fc, distances).statistic
    table = pd.read_csv(cohort / "group_benchmark.tsv", sep="\t")
    rows = table[table["measure"] == "qcfc_distance_rho"]
    assert expected < -0.3
    np.testing.assert_allclose(rows["value"], expected, atol=0.005)
    assert not rows["note"].astype(str).str.contains("not known where").any()
