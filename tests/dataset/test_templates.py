"""What TemplateFlow has, here and in the archive of its package."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.columns.table import read_lut, read_map_lut
from bidsmask.dataset import templates
from bidsmask.dataset.templates import entities_in, identity, template_homes
from bidsmask.errors import AtlasError

# --- laws


@given(n=st.sampled_from([100, 200, 400, 1000]), networks=st.sampled_from([7, 17]))
def test_both_spellings_are_one_atlas(n: int, networks: int) -> None:
    ours = f"x_atlas-Schaefer2018_seg-{networks}n_scale-{n}_dseg.nii.gz"
    theirs = f"x_atlas-Schaefer2018_desc-{n}Parcels{networks}Networks_dseg.nii.gz"
    assert identity(entities_in(ours)) == identity(entities_in(theirs))


@pytest.mark.parametrize("kind", ["dseg", "probseg"])
def test_every_atlas_of_templateflow_can_be_named(kind: templates.Kind) -> None:
    for file in templates.published():
        entities = entities_in(file)
        if f"_{kind}.nii" in file and "atlas" in entities and "tpl" in entities:
            assert file in templates.published_images(identity(entities), kind)


REASONS = r"There is no column 'index'; columns found: |The label \d+ is there |Label 0 is called "


def n_regions(name: str) -> int | str:
    """How many regions a packaged table has, or why it is refused."""
    read = read_lut if name.endswith("_dseg.tsv") else read_map_lut
    try:
        return len(read(templates.packaged_table(name)).ids)
    except AtlasError as error:
        return str(error)


@pytest.mark.parametrize(
    "name", [name for name in templates.published() if name.endswith("_dseg.tsv")]
)
def test_a_packaged_table_of_labels_is_read_or_refused_with_the_reason(name: str) -> None:
    found = n_regions(name)
    if isinstance(found, str):
        assert re.search(rf"{re.escape(name)}: ({REASONS})", found)
    else:
        rows = templates.packaged_table(name).read_text(encoding="utf-8").strip().split("\n")
        assert len(rows) - 1 - found in (0, 1)  # the background is no region


@pytest.mark.parametrize(
    "name", [name for name in templates.published() if name.endswith("_probseg.tsv")]
)
def test_a_packaged_table_of_maps_is_read(name: str) -> None:
    dimensions = re.search(r"desc-(\d+)dimensions", name)
    found = n_regions(name)
    assert isinstance(found, int)
    assert dimensions is None or found == int(dimensions[1])


@given(st.text(max_size=60))
def test_any_file_name_gives_clean_entities(name: str) -> None:
    for key, label in entities_in(name).items():
        assert key.isalpha()
        assert re.fullmatch("[0-9a-zA-Z+]+", label)


# --- cases


def test_a_user_need_not_know_how_templateflow_spells() -> None:
    images = templates.published_images(
        {"atlas": "Schaefer2018", "seg": "17n", "scale": "1000"}, "dseg"
    )
    images = [image for image in images if image.startswith("tpl-MNI152NLin6Asym/")]
    assert [Path(image).name.split("_")[1] for image in images] == ["res-01", "res-02"]
    assert all("desc-1000Parcels17Networks" in image for image in images)


def test_tables_are_read_inside_of_the_archive() -> None:
    name = "tpl-MNI152NLin2009cAsym/tpl-MNI152NLin2009cAsym_res-01_atlas-MASSP20_dseg.tsv"
    table = templates.packaged_table(name)
    text = table.read_text(encoding="utf-8")
    assert text.startswith("index\tname\n1\tleft-caudate\n")
    assert table.stat().st_size == len(text.encode())
    assert table.name == Path(name).name
    assert str(table).endswith(f"templateflow-skel.zip/{name}")


def test_voxel_sizes_are_those_of_the_template() -> None:
    assert templates.voxel_sizes("MNI152NLin6Asym")["06"] == (1.6, 1.6, 1.6)
    assert templates.voxel_sizes("Nowhere") == {}


def test_only_a_file_in_its_own_folder_is_one_of_templateflow() -> None:
    name = "tpl-MNI152NLin6Asym/tpl-MNI152NLin6Asym_res-02_atlas-HCP_dseg.nii.gz"
    assert templates.uri(Path("/any/where") / name) == f"bids:templateflow:{name}"
    assert templates.uri(Path("/any/where") / Path(name).name) is None
    cohort = next(name for name in templates.published() if "/cohort-" in name)
    assert templates.uri(Path("/any/where") / cohort) == f"bids:templateflow:{cohort}"


def test_without_the_package_nothing_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bidsmask.dataset.templates._archive", lambda: None)
    assert templates.published.__wrapped__() == ()
    assert templates.voxel_sizes.__wrapped__("MNI152NLin6Asym") == {}


def test_homes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("BIDSMASK_TEMPLATES", str(tmp_path / "baked"))
    homes = template_homes()
    assert homes[0] == tmp_path / "mine"
    assert homes[-1] == tmp_path / "baked"
    assert len(homes) == 3
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("TEMPLATEFLOW_HOME")
    monkeypatch.delenv("BIDSMASK_TEMPLATES")
    assert template_homes() == homes[1:2]
