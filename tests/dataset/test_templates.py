"""What TemplateFlow has, here and in the archive of its package."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset import templates
from bidsmask.dataset.templates import entities_in, identity, template_homes

# --- laws


@given(n=st.sampled_from([100, 200, 400, 1000]), networks=st.sampled_from([7, 17]))
def test_both_spellings_are_one_atlas(n: int, networks: int) -> None:
    ours = f"x_atlas-Schaefer2018_seg-{networks}n_scale-{n}_dseg.nii.gz"
    theirs = f"x_atlas-Schaefer2018_desc-{n}Parcels{networks}Networks_dseg.nii.gz"
    assert identity(entities_in(ours)) == identity(entities_in(theirs))


def test_every_label_image_of_templateflow_can_be_named() -> None:
    for file in templates.published():
        entities = entities_in(file)
        if "_dseg.nii" in file and "atlas" in entities and "tpl" in entities:
            found = templates.published_images(identity(entities), templates.space_of(entities))
            assert file in found


@given(st.text(max_size=60))
def test_any_file_name_gives_clean_entities(name: str) -> None:
    for key, label in entities_in(name).items():
        assert key.isalpha()
        assert re.fullmatch("[0-9a-zA-Z+]+", label)


# --- cases


def test_a_user_need_not_know_how_templateflow_spells() -> None:
    images = templates.published_images(
        {"atlas": "Schaefer2018", "seg": "17n", "scale": "1000"}, "MNI152NLin6Asym"
    )
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
