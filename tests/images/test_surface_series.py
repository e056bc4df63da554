"""Runs on surfaces: CIFTI and GIFTI of every make hold the same values."""

import base64
import gzip
import re

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage
from worlds import surface_files as files

from bidsmask.errors import DimensionError, ImageError, SpaceError
from bidsmask.images.cifti import read_cifti
from bidsmask.images.gifti import read_gifti
from bidsmask.images.grayordinates import Grayordinates, Structure
from bidsmask.images.grid import Grid
from bidsmask.images.surface_series import open_surfaces

T, LEFT, RIGHT = 7, 12, 9


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return rng.normal(1000, 20, (LEFT + RIGHT, T)).astype(np.float32)


def pair(folder, values, **how):
    left = files.write_func(folder / "a_hemi-L_bold.func.gii", values[:LEFT], "L", **how)
    right = files.write_func(folder / "a_hemi-R_bold.func.gii", values[LEFT:], "R", **how)
    return {"left": left, "right": right}


def gathered(series):
    """All values (V, T), as the blocks of the series bring them."""
    if not series.by_points:
        return np.concatenate([block.reshape(len(block), -1) for _, block in series.blocks()]).T
    return np.concatenate([series.scale(block).copy() for _, block in series.point_blocks()])


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">i2", "u1", "<i4"])
@pytest.mark.parametrize("block", [1, 50, 1 << 20])
def test_a_cifti_file_of_any_type_is_read_in_blocks_of_any_size(
    tmp_path, values, dtype, block, monkeypatch
):
    monkeypatch.setattr("bidsmask.images.cifti._BLOCK_BYTES", block)
    stored = np.rint(values / 10).astype(dtype)
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", stored.T, files.brain_axis())
    if dtype[0] == ">":
        path = _other_order(path, stored.T)
    series = open_surfaces(path)
    np.testing.assert_array_equal(gathered(series), stored)
    np.testing.assert_array_equal(series.take(np.array([4, 2])), stored[[4, 2]])
    np.testing.assert_array_equal(
        np.concatenate([b.reshape(len(b), -1) for _, b in series.blocks()]).T, stored
    )


def _other_order(path, values):
    """The same file in the other byte order, as nibabel reads and writes it."""
    image = nib.load(path)
    header = nib.Nifti2Header(endianness=">")
    header.set_data_dtype(values.dtype)
    image = nib.Cifti2Image(values, image.header, nifti_header=header)
    image.to_filename(path)
    return path


def test_slope_and_intercept_are_applied(tmp_path, values):
    path = tmp_path / "a.dtseries.nii"
    files.write_dtseries(path, values.T, files.brain_axis(), dtype=np.int16)
    expected = np.asarray(nib.load(path).dataobj).T
    assert open_surfaces(path).dtype == np.float64
    np.testing.assert_allclose(open_surfaces(path).values(), expected, rtol=1e-12)
    assert np.abs(expected - values).max() > 0


def test_the_axis_is_the_one_that_nibabel_reads(tmp_path, values):
    ijk = [[1, 2, 3], [4, 4, 4]]
    axis = files.brain_axis(left=[7, 2, 5], right=[1], ijk=ijk)
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", values[:6].T, axis)
    grid = read_cifti(path).axes.grayordinates
    left, right, voxels = grid.structures
    assert (left.name, left.places.tolist(), left.n_vertices) == ("CORTEX_LEFT", [7, 2, 5], LEFT)
    assert right.places.tolist() == [1]
    assert voxels.places.tolist() == ijk
    np.testing.assert_allclose(grid.volume.affine, files.AFFINE)


@pytest.mark.parametrize(("unit", "expected"), [("SECOND", 0.8), ("HERTZ", None)])
def test_the_repetition_time_is_that_of_the_axis_if_it_counts_seconds(
    tmp_path, values, unit, expected
):
    path = tmp_path / "a.dtseries.nii"
    files.write_dtseries(path, values.T, files.brain_axis(), step=0.8, unit=unit)
    assert open_surfaces(path).t_r == expected


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("encoding", ["ASCII", "B64BIN", "B64GZ"])
@pytest.mark.parametrize("read", [64, 1 << 19])
def test_a_gifti_pair_of_any_encoding_and_layout_holds_the_same_values(
    tmp_path, values, one, encoding, read, monkeypatch
):
    monkeypatch.setattr("bidsmask.images.gifti._BYTES_READ", read)
    values = np.rint(values)
    paths = pair(tmp_path, values, one=one, encoding=f"GIFTI_ENCODING_{encoding}")
    series = open_surfaces(paths)
    assert series.by_points is one
    np.testing.assert_array_equal(gathered(series), values)
    np.testing.assert_array_equal(series.values(), values)


@pytest.mark.parametrize("read", [3, 1 << 19])
@pytest.mark.parametrize(
    ("how", "encoding"),
    [
        (lambda text: text.replace("<Data>", "<Data >").replace("</Data>", "</Data\n>"), "UTF-8"),
        (lambda text: re.sub("<Data>(.{9})", r"<Data>\n \1\n<!-- <Data> -->\t", text), "UTF-8"),
        (lambda text: re.sub("<Data>(.*?)</", r"<Data><![CDATA[\1]]></", text), "UTF-8"),
        (lambda text: re.sub("<Data>e", "<Data>&#101;", text), "UTF-8"),
        (lambda text: text.replace("<MetaData", "<MetaData><!-- <Data>eJw=</Data> --", 1), None),
        (lambda text: text, "UTF-16"),
    ],
    ids=["spaces in tags", "comments", "CDATA", "references", "tags in comments", "UTF-16"],
)
def test_values_are_read_however_xml_may_spell_them(
    tmp_path, monkeypatch, values, how, encoding, read
):
    path = files.write_func(tmp_path / "a.func.gii", values[:LEFT], "L")
    spelled = how(path.read_text())
    assert spelled != path.read_text() or encoding == "UTF-16"
    path.write_text(spelled.replace("UTF-8", encoding or "UTF-8"), encoding=encoding or "UTF-8")
    monkeypatch.setattr("bidsmask.images.gifti._BYTES_READ", read)
    np.testing.assert_array_equal(read_gifti(path).array(), values[:LEFT])


def test_columns_first_and_big_endian_are_read(tmp_path, values):
    path = pair(tmp_path, values, one=True, encoding="GIFTI_ENCODING_B64BIN")["left"]
    text = path.read_text()
    start, end = text.index("<Data>") + 6, text.index("</Data>")
    turned = base64.b64encode(values[:LEFT].T.astype(">f4").tobytes()).decode()
    text = text[:start] + turned + text[end:]
    text = text.replace("RowMajorOrder", "ColumnMajorOrder").replace("LittleEndian", "BigEndian")
    path.write_text(text)
    assert not read_gifti(path).by_vertex
    np.testing.assert_array_equal(open_surfaces(path).values(), values[:LEFT])


def test_values_in_a_file_beside_are_read_and_elsewhere_refused(tmp_path, values):
    path = pair(tmp_path, values, one=True, encoding="GIFTI_ENCODING_B64BIN")["left"]
    text = path.read_text()
    start, end = text.index("<Data>") + 6, text.index("</Data>")
    text = (text[:start] + text[end:]).replace(
        'Encoding="Base64Binary"', 'Encoding="ExternalFileBinary"'
    )
    (tmp_path / "beside.bin").write_bytes(b"1234" + values[:LEFT].tobytes())
    text = re.sub(r'ExternalFile\w+="\w*"', "", text)
    text = text.replace("<DataArray ", '<DataArray ExternalFileOffset="4" ExternalFileName="@" ')
    path.write_text(text.replace("@", "beside.bin"))
    np.testing.assert_array_equal(open_surfaces(path).values(), values[:LEFT])
    for name in ("../beside.bin", str(tmp_path / "beside.bin"), ".."):
        path.write_text(text.replace("@", name))
        with pytest.raises(ImageError, match="same folder only"):
            open_surfaces(path).values()
    path.write_text(text.replace("@", "gone.bin"))
    with pytest.raises(ImageError, match=r"values are in gone\.bin, which is not beside it"):
        open_surfaces(path).values()


def test_whatever_is_given_the_values_are_the_same(tmp_path, values):
    paths = pair(tmp_path, values)
    cifti = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    images = [nib.load(path) for path in paths.values()]
    left, right = paths.values()
    for given in (
        paths,
        (left, right),
        [str(right), str(left)],
        images,
        dict(zip(paths, images, strict=True)),
        str(cifti),
        nib.load(cifti),
        nib.Cifti2Image(values.T, nib.load(cifti).header),
    ):
        series = open_surfaces(given)
        np.testing.assert_array_equal(series.values(), values)
        assert series.grid == open_surfaces(paths).grid


def test_one_hemisphere_is_an_image_of_its_own(tmp_path, values):
    right = pair(tmp_path, values)["right"]
    series = open_surfaces(right)
    assert [each.name for each in series.grid.structures] == ["CORTEX_RIGHT"]
    np.testing.assert_array_equal(series.values(), values[LEFT:])


def test_a_space_in_the_name_is_held_against_the_one_that_is_given(tmp_path, values):
    path = tmp_path / "sub-1_space-fsLR_bold.dtseries.nii"
    files.write_dtseries(path, values.T, files.brain_axis())
    assert open_surfaces(path).grid.space == "fsLR"
    with pytest.raises(SpaceError, match="fsLR, and not in fsaverage"):
        open_surfaces(path, space="fsaverage")


# Bad files


def test_hemispheres_of_different_length_are_named(tmp_path, values):
    paths = pair(tmp_path, values)
    files.write_func(paths["right"], values[LEFT:, :3], "R")
    with pytest.raises(DimensionError, match=r"hemi-L.*: 7.*hemi-R.*: 3.*copy it again"):
        open_surfaces(paths)


def test_a_file_that_contradicts_its_name_is_refused(tmp_path, values):
    path = files.write_func(tmp_path / "a_hemi-L_bold.func.gii", values[:LEFT], "R")
    with pytest.raises(ImageError, match="says inside that it is of CORTEX_RIGHT"):
        open_surfaces(path)
    right = files.write_func(tmp_path / "b.func.gii", values[:LEFT], "R")
    with pytest.raises(ImageError, match="was given for CORTEX_LEFT"):
        open_surfaces({"left": right})
    with pytest.raises(ImageError, match="both are of CORTEX_RIGHT"):
        open_surfaces([right, right])


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["cifti", "gifti"])
def test_a_truncated_file_is_named(tmp_path, values, share, kind):
    path = tmp_path / "a.dtseries.nii"
    files.write_dtseries(path, values.T, files.brain_axis())
    if kind == "gifti":
        path = pair(tmp_path, values)["left"]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=path.name):
        open_surfaces(path).values()


def test_a_compressed_cifti_file_is_told_to_be_decompressed(tmp_path, values):
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    compressed = tmp_path / "a.dtseries.nii.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ImageError, match="gunzip"):
        open_surfaces(compressed)


def test_a_volume_that_is_called_cifti_is_none(tmp_path):
    path = tmp_path / "a.dtseries.nii"
    nib.Nifti1Image(np.zeros((2, 2, 2, 3), dtype=np.float32), np.eye(4)).to_filename(
        tmp_path / "b.nii"
    )
    path.write_bytes((tmp_path / "b.nii").read_bytes())
    with pytest.raises(ImageError, match="is no CIFTI-2 file"):
        open_surfaces(path)


def test_an_xml_entity_is_not_expanded(tmp_path, values):
    path = pair(tmp_path, values)["left"]
    text = path.read_text()
    head, rest = text.split("<GIFTI", 1)
    head = head[: head.index("<!DOCTYPE")] if "<!DOCTYPE" in head else head
    path.write_text(f'{head}<!DOCTYPE GIFTI [<!ENTITY a "ha">]><GIFTI{rest}')
    with pytest.raises(ImageError, match="declares an XML entity"):
        open_surfaces(path)


def test_a_stream_that_inflates_to_more_than_it_says_is_refused(tmp_path, values):
    path = pair(tmp_path, values)["left"]
    path.write_text(path.read_text().replace(f'Dim0="{LEFT}"', f'Dim0="{LEFT - 1}"'))
    with pytest.raises(ImageError, match="more values than it says"):
        open_surfaces(path).values()


def test_a_mesh_holds_no_values(tmp_path):
    points = GiftiDataArray(np.zeros((4, 3), np.float32), intent="NIFTI_INTENT_POINTSET")
    GiftiImage(darrays=[points]).to_filename(tmp_path / "lh.surf.gii")
    with pytest.raises(ImageError, match="holds a mesh"):
        open_surfaces(tmp_path / "lh.surf.gii")


def test_a_compressed_volume_is_called_a_volume(tmp_path):
    with pytest.raises(ImageError, match=r"bold\.nii\.gz holds volumes.*NiftiLabelsMasker"):
        open_surfaces(tmp_path / "bold.nii.gz")


def test_arrays_in_the_place_of_hemispheres_are_told_where_to_go():
    arrays = {"left": np.zeros((4, 3)), "right": np.zeros((4, 3))}
    with pytest.raises(TypeError, match=r"for 'left' is of type 'ndarray'.*GiftiImage"):
        open_surfaces(arrays)


def test_an_array_is_no_image_on_surfaces():
    with pytest.raises(TypeError, match=r"\.dtseries\.nii"):
        open_surfaces(np.zeros((3, 4)))


def test_indices_that_are_no_numbers_are_refused(tmp_path, values):
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    content = path.read_bytes()
    assert b"<VertexIndices>0 1 2" in content
    path.write_bytes(content.replace(b"<VertexIndices>0 1 2", b"<VertexIndices>0 x 2"))
    with pytest.raises(ImageError, match="is no number"):
        open_surfaces(path)


def test_claims_of_impossible_sizes_are_refused_by_arithmetic_alone(tmp_path, values):
    path = pair(tmp_path, values)["left"]
    path.write_text(path.read_text().replace(f'Dim0="{LEFT}"', 'Dim0="999999999999"'))
    with pytest.raises(ImageError, match=r"of 999999999999 values|too early"):
        open_surfaces(path)


def test_a_lattice_or_a_mesh_of_impossible_size_is_refused():
    places = np.array([[1, 2, 3]])
    huge = Grid(shape=(99999, 99999, 9999), affine=np.eye(4))
    with pytest.raises(ValueError, match="No lattice is as large"):
        Grayordinates(structures=(Structure(name="THALAMUS", places=places),), volume=huge)
    with pytest.raises(ValueError, match="no mesh has as many"):
        Structure(name="CORTEX_LEFT", places=np.array([1]), n_vertices=10**12)
