"""The files at the top of the output."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from bidsmask.derivatives import description
from bidsmask.derivatives.description import (
    bids_uri,
    dataset_links,
    describe_dataset,
    describe_labels,
    write_citation,
    write_dataset_files,
)
from bidsmask.derivatives.writing import read_table
from bidsmask.errors import DatasetError, LockError, OutputError

FMRIPREP = {
    "Name": "fMRIPrep - fMRI PREProcessing workflow",
    "BIDSVersion": "1.4.0",
    "DatasetType": "derivative",
    "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0", "CodeURL": "https://x.org"}],
    "License": "CC0",
    "Authors": ["A. One", "B. Two"],
    "DatasetDOI": "doi:10.18112/openneuro.ds000001.v1.0.0",
    "SourceDatasets": [{"URL": "https://openneuro.org/datasets/ds000001"}],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "fmriprep", FMRIPREP)


def make_source(root: Path, content: dict[str, Any]) -> Path:
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps(content))
    return root


def write(output: Path, source: Path, **links: Path | str) -> dict[str, Any]:
    write_dataset_files(
        output, version="1.2.3", source_root=source, links={"preprocessed": source, **links}
    )
    return read(output)


def read(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "dataset_description.json").read_text())
    return content


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


# --- dataset_description.json --------------------------------------------------------------------


def test_what_bids_requires_of_a_derivative_dataset_is_there(tmp_path: Path, source: Path) -> None:
    content = write(tmp_path / "out", source)
    assert content["BIDSVersion"] == "1.11.1"
    assert content["DatasetType"] == "derivative"
    assert content["Name"].startswith("bidsmask - ")
    assert content["GeneratedBy"][0] == {"Name": "bidsmask", "Version": "1.2.3"}


def test_authors_license_and_pipelines_of_the_source_are_passed_on(
    tmp_path: Path, source: Path
) -> None:
    content = write(tmp_path / "out", source)
    assert content["Authors"] == FMRIPREP["Authors"]
    assert content["License"] == "CC0"
    assert content["GeneratedBy"][1:] == FMRIPREP["GeneratedBy"]
    assert content["SourceDatasets"] == [
        {
            "URL": "https://doi.org/10.18112/openneuro.ds000001.v1.0.0",
            "DOI": "10.18112/openneuro.ds000001.v1.0.0",
        },
        {"URL": "https://openneuro.org/datasets/ds000001"},
    ]


def test_a_source_that_says_nothing_of_itself_is_passed_on_as_a_link(tmp_path: Path) -> None:
    source = tmp_path / "fmriprep"
    source.mkdir()
    content = write(tmp_path / "out", source)
    assert content["SourceDatasets"] == [{"URL": "../fmriprep"}]
    assert "Authors" not in content


def test_the_one_pipeline_of_an_old_description_counts(tmp_path: Path) -> None:
    old = {"Name": "x", "PipelineDescription": {"Name": "fMRIPrep", "Version": "1.5.0"}}
    content = write(tmp_path / "out", make_source(tmp_path / "fmriprep", old))
    assert content["GeneratedBy"][1] == {"Name": "fMRIPrep", "Version": "1.5.0"}


def test_authors_are_left_to_a_citation_file(tmp_path: Path, source: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "CITATION.cff").write_text("cff-version: 1.2.0\n")
    assert "Authors" not in write(tmp_path / "out", source)


@pytest.mark.parametrize(
    ("variable", "value", "container"),
    [
        ("BIDSMASK_DOCKER_TAG", "bidsmask:1.2.3", {"Type": "docker", "Tag": "bidsmask:1.2.3"}),
        ("BIDSMASK_SINGULARITY_URL", "docker://b", {"Type": "singularity", "URI": "docker://b"}),
    ],
)
def test_a_container_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, container: dict[str, str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert describe_dataset({}, version="1", links={})["GeneratedBy"][0]["Container"] == container


@pytest.mark.parametrize("text", ["{", "[]", "", '{"a": ' * 100_000])
def test_a_source_description_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    source = make_source(tmp_path / "fmriprep", {})
    (source / "dataset_description.json").write_text(text)
    with pytest.raises(DatasetError, match=r"fmriprep/dataset_description\.json"):
        write(tmp_path / "out", source)


def test_the_dataset_of_another_program_is_not_overwritten(tmp_path: Path, source: Path) -> None:
    with pytest.raises(OutputError, match="holds another dataset by fMRIPrep"):
        write(source, source)
    assert read(source) == FMRIPREP


def test_an_output_description_that_is_damaged_is_an_output_error(
    tmp_path: Path, source: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dataset_description.json").write_text("{")
    with pytest.raises(OutputError, match="Or choose another output folder"):
        write(tmp_path / "out", source)


# --- links and URIs ------------------------------------------------------------------------------


def test_links_of_earlier_jobs_stay(tmp_path: Path, source: Path) -> None:
    write(tmp_path / "out", source, atlases=tmp_path / "atlases")
    assert write(tmp_path / "out", source)["DatasetLinks"] == {
        "atlases": "../atlases",
        "preprocessed": "../fmriprep",
        "templateflow": "https://github.com/templateflow/templateflow",
    }


def test_a_url_is_a_link_as_it_stands() -> None:
    links = dataset_links(Path("/data/out"), {"raw": "https://openneuro.org/datasets/ds000001"})
    assert links["raw"] == "https://openneuro.org/datasets/ds000001"


def test_a_blank_in_a_path_is_escaped() -> None:
    assert dataset_links(Path("/d/out"), {"x": "/d/my data"})["x"] == "../my%20data"
    assert dataset_links(Path("/out"), {"x": "/my data"})["x"] == "file:///my%20data"
    assert bids_uri(Path("/d/a b.nii"), Path("/out"), {"x": "/d"}) == "bids:x:a%20b.nii"


def test_the_deepest_dataset_names_a_file() -> None:
    links = {"raw": "/data", "preprocessed": "/data/derivatives/fmriprep"}
    output = Path("/data/derivatives/fmriprep/bidsmask")
    assert bids_uri(Path("/data/x"), output, links) == "bids:raw:x"
    assert bids_uri(Path("/data/derivatives/fmriprep/x"), output, links) == "bids:preprocessed:x"
    assert bids_uri(output / "x", output, links) == "bids::x"


def test_a_dataset_is_recognised_behind_a_link_and_an_annexed_file_where_it_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "real" / "sub-01").mkdir(parents=True)
    (tmp_path / "annex").touch()
    (tmp_path / "real" / "sub-01" / "a").symlink_to(tmp_path / "annex")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    for root, seen_from in (("real", "link"), ("link", "real"), ("link/../real", "link")):
        uri = bids_uri(
            tmp_path / seen_from / "sub-01" / "a", tmp_path / "out", {"x": tmp_path / root}
        )
        assert uri == "bids:x:sub-01/a"


def test_a_file_outside_of_all_datasets_is_named_without_its_folder() -> None:
    assert bids_uri(Path("/home/me/my atlas.nii"), Path("/out"), {}) == "file:my%20atlas.nii"


# --- the other files -----------------------------------------------------------------------------


def test_the_dataset_says_how_to_read_it(tmp_path: Path, source: Path) -> None:
    write(tmp_path / "out", source)
    assert "n/a" in (tmp_path / "out" / "README.md").read_text()
    ignored = (tmp_path / "out" / ".bidsignore").read_text().splitlines()
    assert {"*_timeseries.*", "*_relmat.*", "figures", "figures/", "*.html"} <= set(ignored)


def test_what_a_user_wrote_into_readme_and_bidsignore_stays(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "README.md").write_text("mine\n")
    (output / ".bidsignore").write_text("mine*\n")
    write(output, source)
    assert (output / "README.md").read_text() == "mine\n"
    ignored = (output / ".bidsignore").read_text().splitlines()
    assert ignored[0] == "mine*"
    assert "*_timeseries.*" in ignored


def test_labels_are_described_in_one_table_whatever_job_adds_them(
    tmp_path: Path, source: Path
) -> None:
    output = tmp_path / "out"
    write(output, source)
    describe_labels(output, {"simple": "Motion\nand tissue."})
    describe_labels(output, {"36P": "Much.", "simple": "Motion and tissue signals."})
    table = read_table(output / "descriptions.tsv")
    assert list(table["desc_id"]) == ["desc-36P", "desc-bidsmask", "desc-simple"]
    assert table["description"][2] == "Motion and tissue signals."
    described = json.loads((output / "descriptions.json").read_text())
    assert set(described) == {"Description", *table.columns}


def test_jobs_side_by_side_lose_no_label(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out"

    def job(number: int) -> None:
        write(output, source, **{f"set{number}": tmp_path / f"set{number}"})
        describe_labels(output, {f"strategy{number}": "x"})

    threads = [threading.Thread(target=job, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_table(output / "descriptions.tsv")) == 9
    assert len(read(output)["DatasetLinks"]) == 10


def test_the_same_call_twice_touches_nothing(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out"
    write(output, source)
    before = snapshot(output)
    write(output, source)
    assert snapshot(output) == before


def test_the_source_is_not_touched(tmp_path: Path, source: Path) -> None:
    before = snapshot(source)
    write(tmp_path / "out", source)
    assert snapshot(source) == before


def test_the_text_for_a_paper_lies_in_logs(tmp_path: Path) -> None:
    paths = write_citation(tmp_path, markdown="Text [@a].\n", bibtex="@article{a}\n")
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "logs/CITATION.md",
        "logs/CITATION.bib",
    ]
    assert paths[0].read_text() == "Text [@a].\n"


def test_an_output_folder_that_cannot_be_made_is_an_output_error(
    tmp_path: Path, source: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "out", source)


def test_a_lock_that_is_never_released_is_a_lock_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(description, "_LOCK_TIMEOUT_S", 0.1)
    (tmp_path / ".bidsmask").mkdir()
    with (
        FileLock(tmp_path / ".bidsmask" / "dataset.lock"),
        pytest.raises(LockError, match=r"dataset\.lock has been held"),
    ):
        describe_labels(tmp_path, {"x": "y"})
