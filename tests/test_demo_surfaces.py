import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.cli.main import main
from bidsmask.demo import SPACES, write_surfaces
from bidsmask.demo.atlas import region_names
from bidsmask.demo.brain import RIBBON_DEPTH, depth
from bidsmask.demo.surfaces import N_VERTICES, draw_hemisphere, sphere
from bidsmask.images.meshes import read_mesh
from bidsmask.images.surface_series import open_surfaces
from bidsmask.maskers import SurfaceLabelsMasker


@pytest.fixture(scope="module")
def demo(demo_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("surfaces") / "demo"
    shutil.copytree(demo_dataset.root.parent, folder)

    def moved(path):
        return folder / path.relative_to(demo_dataset.root.parent)

    run = demo_dataset.runs[-1]
    copy = replace(
        demo_dataset,
        root=moved(demo_dataset.root),
        atlas=moved(demo_dataset.atlas),
        runs=(replace(run, bold=moved(run.bold)),),
    )
    write_surfaces(copy)
    return copy


def pair(demo, ending):
    return {
        side: next(demo.root.parent.rglob(f"*hemi-{label}*{ending}"))
        for side, label in {"left": "L", "right": "R"}.items()
    }


@given(st.integers(0, 3))
def test_a_sphere_is_closed_and_its_faces_look_outward(n_divisions):
    vertices, faces = sphere(n_divisions)
    assert len(vertices) == 10 * 4**n_divisions + 2
    assert len(faces) == 20 * 4**n_divisions
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=-1).reshape(-1, 2)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert np.all(counts == 2)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    assert np.all(np.sum(np.cross(b - a, c - a) * (a + b + c), axis=1) > 0)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_cortex_is_in_the_middle_of_its_ribbon_and_the_wall_is_not_cortex(side):
    hemisphere = draw_hemisphere(side)
    middle = depth(hemisphere.coordinates[hemisphere.is_cortex])
    np.testing.assert_allclose(middle, (1 + RIBBON_DEPTH) / 2, atol=0.01)
    wall = side * hemisphere.coordinates[~hemisphere.is_cortex, 0]
    np.testing.assert_allclose(wall, 3.0, atol=0.26)
    assert 0.05 < np.mean(~hemisphere.is_cortex) < 0.35


def test_grayordinates_and_the_pair_hold_the_same_values(demo):
    (dense,) = demo.root.rglob("*.dtseries.nii")
    cifti, gifti = open_surfaces(dense), open_surfaces(pair(demo, "_bold.func.gii"))
    cortex = np.concatenate(
        [
            each.places + number * N_VERTICES
            for number, each in enumerate(cifti.grid.structures[:2])
        ]
    )
    grayordinates = np.asarray(nib.load(dense).dataobj)
    in_pair = np.concatenate(
        [nib.load(path).agg_data() for path in pair(demo, "_bold.func.gii").values()]
    ).T
    np.testing.assert_array_equal(in_pair[:, cortex], grayordinates[:, : cortex.size])
    outside = np.setdiff1d(np.arange(2 * N_VERTICES), cortex)
    assert not in_pair[:, outside].any()
    assert gifti.n_volumes == cifti.n_volumes == nib.load(demo.runs[-1].bold).shape[3]


def test_regions_on_the_cortex_carry_the_signals_of_regions_in_the_volume(demo, demo_dataset):
    labels = pair(demo, f"den-{N_VERTICES}_atlas-Demo60_dseg.label.gii")
    signals = SurfaceLabelsMasker(labels, standardize="zscore_sample").fit_transform(
        pair(demo, "_bold.func.gii")
    )
    assert signals.shape[1] == len(region_names())
    planted = np.loadtxt(demo_dataset.truth_timeseries[-1], skiprows=1)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(signals.T, planted.T, strict=True)]
    assert np.nanmedian(r) > 0.5


def test_meshes_are_those_that_the_run_lies_on(demo):
    for path in demo.root.rglob("*_midthickness.surf.gii"):
        assert read_mesh(path).n_vertices == N_VERTICES
    assert len(SPACES) == 3


@pytest.mark.parametrize("space", SPACES[1:])
def test_a_map_of_a_seed_is_written_and_drawn(demo, tmp_path, space):
    vertex = int(np.argmax(draw_hemisphere(-1.0).coordinates[:, 2]))
    seeds = tmp_path / "seeds.tsv"
    seeds.write_text(f"name\themi\tvertex\tradius\ntop\tL\t{vertex}\t15\n")
    asked = ["--seeds", str(seeds), "--seed-maps", "--strategies", "simple", "--space", space]
    asked += ["--participant-label", "03"]
    out = tmp_path / "out"
    assert main([str(demo.root), str(out), "participant", *asked]) == 0
    ending = "stat-pearsoncorrelation_desc-simple_boldmap"
    first, *_ = sorted(
        [*out.rglob(f"*{ending}.dscalar.nii"), *out.rglob(f"*hemi-L*{ending}.func.gii")]
    )
    r = np.asarray(nib.load(first).agg_data() if space != "fsLR" else nib.load(first).get_fdata())
    assert np.nanmax(r) > 0.5
    assert len(list(out.rglob("*_stat-seed1_desc-simple_boldmap.svg"))) == 1
