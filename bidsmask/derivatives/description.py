"""The output as a dataset: what it is, where it comes from, what its labels mean.

Safe when several jobs write the same dataset at once, and idempotent: the same call twice
changes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bidsmask.derivatives.manifest import FOLDER as MANIFESTS
from bidsmask.derivatives.manifest import write_manifest
from bidsmask.derivatives.writing import (
    explain,
    lock_file,
    read_table,
    remove_leftovers,
    write_json,
    write_table,
    write_text,
)
from bidsmask.errors import DatasetError, LockError, OutputError

BIDS_VERSION = "1.11.1"

DESCRIPTION_FILE = "dataset_description.json"

TEMPLATEFLOW = "https://github.com/templateflow/templateflow"

OWN_LABEL = ("bidsmask", "Quality measures of a run, and the record that its outputs are complete")
"""The ``desc-`` label of what belongs to no strategy, and its meaning."""

_BIDSIGNORE = Path(__file__).parent / "data" / "bidsignore"

_LOCK_TIMEOUT_S = 60

_README = """\
# Region time series by bidsmask

This dataset follows BIDS {bids_version} (derivatives). For every BOLD run there are, in the folder
`sub-*/[ses-*/]func` and with all entities of the source file in their names:

| file | content |
| --- | --- |
| `*_stat-*_desc-*_timeseries.tsv` | one row per BOLD volume, one column per region |
| `*_desc-*_relmat.tsv` | region by region connectivity; the first column names the rows |
| `*_conditionmeans.tsv`, `*_betaseries.tsv` | of events, if asked for |
| `*_desc-*_networkmeans.tsv` | its means within networks and between them, if asked for |
| `*_stat-coverage_bold.tsv` | share of each region that is covered; why one has no signal |
| `*_dseg.nii.gz`, `*_dseg.tsv` | the atlas on the grid of the run (maps: `*_probseg`), its names |
| `*_desc-*_bold.nii.gz` | cleaned volumes, if asked for (`+smooth`: smoothed afterwards) |
| `*_desc-*_boldmap.nii.gz` | correlation of each seed with every voxel, if asked for |
| `*_stat-{{alff,falff,reho}}_desc-*_boldmap.nii.gz` | measures of every voxel, if asked for |
| `*_stat-{{alff,falff,reho}}_desc-*_bold.tsv` | their means over regions |
| `*_desc-brain_mask.nii.gz` | the voxels that these have values in |
| `*_desc-*_design.tsv` | the confounds that were regressed |
| `*_desc-*_outliers.tsv` | the volumes that were left out, and by which rule |
| `*.dlabel.nii`, `*.dscalar.nii`, `*.dtseries.nii` | atlas, maps, cleaned grayordinates |
| `*_hemi-L_*.gii`, `*_hemi-R_*.gii` | the same on the surfaces of both hemispheres |
| `*_desc-bidsmask_qc.tsv` | quality measures, one row per confound strategy |
| `*_desc-bidsmask_complete.json` | source, settings and checksums of these; written last |

`desc-` names the confound strategy; `descriptions.tsv` says what each one does. The JSON file
beside a table describes its columns and how its numbers were made. Missing values are `n/a`: the
whole column of a region that was not seen, the whole row of a volume that was censored. To read
a table: `pandas.read_csv(file, sep="\\t", na_values="n/a")`. Tables without `run-`, where the runs
have one, are of all runs of a task, one behind the other (`--concatenate`).

Reports are in `sub-*.html`, the text and references for a paper in `logs/CITATION.md`, and what
became of each run in `logs/status.tsv`.
"""


def write_dataset_files(
    output_dir: Path,
    *,
    version: str,
    source_root: Path,
    links: Mapping[str, str | Path],
) -> None:
    """Write ``dataset_description.json``, ``README.md``, ``.bidsignore`` and ``descriptions``.

    Links to datasets, ignored patterns and labels that are there already stay; so does a README.

    Parameters
    ----------
    output_dir : Path
        Dataset to write; made if missing.
    version : str
        Of bidsmask.
    source_root : Path
        Dataset whose runs were processed. Its authors, license and pipelines are passed on.
    links : mapping from name to path or URL
        Datasets that BIDS URIs refer to.

    Raises
    ------
    DatasetError
        If the source describes itself in a way that cannot be read.
    OutputError
        If the output cannot be written to, or is the dataset of another program.
    LockError
        If another job keeps the dataset's files locked.
    """
    source = _read_description(source_root)
    with _locked(output_dir):
        before = own_description(output_dir)
        known_links = {**before.get("DatasetLinks", {}), **dataset_links(output_dir, links)}
        description = describe_dataset(source, version=version, links=known_links)
        if (output_dir / "CITATION.cff").exists():
            description.pop("Authors", None)  # BIDS allows one or the other
        write_json(output_dir / DESCRIPTION_FILE, description, within=output_dir)
        if not (output_dir / "README.md").exists():
            text = _README.format(bids_version=BIDS_VERSION)
            write_text(output_dir / "README.md", text, within=output_dir)
        _write_bidsignore(output_dir)
        _write_labels(output_dir, _known_labels(output_dir) | dict([OWN_LABEL]))


def describe_dataset(
    source: Mapping[str, Any], *, version: str, links: Mapping[str, str]
) -> dict[str, Any]:
    """Fill in ``dataset_description.json``.

    Parameters
    ----------
    source : mapping
        The description of the dataset that was processed.
    version : str
        Of bidsmask.
    links : mapping from name to URI
        ``DatasetLinks``; ``preprocessed`` is where the source is.
    """
    return {
        "Name": f"bidsmask - region time series of {source.get('Name') or 'an unnamed dataset'}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        **{key: source[key] for key in ("License", "Authors") if source.get(key)},
        "HowToAcknowledge": "Please cite what logs/CITATION.md cites.",
        "GeneratedBy": [
            {"Name": "bidsmask", "Version": version, **_container()},
            *_pipelines(source),
        ],
        "SourceDatasets": _source_datasets(source, links),
        "DatasetLinks": dict(sorted(links.items())),
    }


def dataset_links(output_dir: Path, links: Mapping[str, str | Path]) -> dict[str, str]:
    """Turn dataset roots into URIs; TemplateFlow is always among them.

    A root that shares a folder with the output is given relative to it, so that both can be
    moved together; any other one in full.

    Examples
    --------
    >>> dataset_links(Path("/data/out"), {"preprocessed": "/data/fmriprep"})["preprocessed"]
    '../fmriprep'
    >>> dataset_links(Path("/out"), {"preprocessed": "/data"})["preprocessed"]
    'file:///data'
    """
    uris = {name: _root_uri(output_dir, root) for name, root in links.items()}
    return {"templateflow": TEMPLATEFLOW, **uris}


def dataset_place(output_dir: Path, root: str | Path) -> str:
    """Say where a dataset is from the output on; a URL as it is.

    Unlike ``DatasetLinks``, files of a run never name a folder of this machine in full.

    Examples
    --------
    >>> dataset_place(Path("/out"), "/data/fmriprep")
    '../data/fmriprep'
    """
    if "://" in str(root):
        return str(root)
    return quote(Path(os.path.relpath(_absolute(root), _absolute(output_dir))).as_posix())


def known_links(output_dir: Path) -> dict[str, str]:
    """Read the ``DatasetLinks`` that earlier jobs have left in an output; empty if none have.

    Raises
    ------
    OutputError
        If the folder is the dataset of another program.
    """
    return dict(own_description(output_dir).get("DatasetLinks", {}))


def bids_uri(path: Path, output_dir: Path, links: Mapping[str, str | Path]) -> str:
    """Name a file by the dataset it lies in; a file in none of them by its name alone.

    Where that one lies on the machine of the analyst is nobody else's business.

    Parameters
    ----------
    path : Path
    output_dir : Path
        The dataset whose files have URIs without a name.
    links : mapping from name to root
        If several roots hold the file, the deepest one counts.

    Examples
    --------
    >>> links = {"preprocessed": "/data/fmriprep"}
    >>> bids_uri(Path("/data/fmriprep/sub-01/func/a.tsv"), Path("/data/out"), links)
    'bids:preprocessed:sub-01/func/a.tsv'
    >>> bids_uri(Path("/data/out/sub-01/func/b.tsv"), Path("/data/out"), links)
    'bids::sub-01/func/b.tsv'
    >>> bids_uri(Path("/home/ada/my_dseg.nii.gz"), Path("/data/out"), links)
    'file:my_dseg.nii.gz'
    """
    roots = {name: Path(root) for name, root in links.items() if "://" not in str(root)}
    roots[""] = output_dir
    return (
        _uri_below(_absolute(path), {name: _absolute(root) for name, root in roots.items()})
        or _uri_below(_real(path), {name: root.resolve() for name, root in roots.items()})
        or f"file:{quote(path.name)}"
    )


def describe_labels(output_dir: Path, labels: Mapping[str, str]) -> None:
    """Add the meaning of ``desc-`` labels to ``descriptions.tsv``.

    Parameters
    ----------
    output_dir : Path
    labels : mapping from label (without ``desc-``) to meaning
        Those that are there already get the new meaning.
    """
    with _locked(output_dir):
        _write_labels(output_dir, _known_labels(output_dir) | dict(labels))


def keep_labels(
    output_dir: Path, labels: Mapping[str, str], others: Callable[[], Mapping[str, str]]
) -> None:
    """Leave in ``descriptions.tsv`` what labels mean that are in use, and nothing else.

    Parameters
    ----------
    output_dir : Path
    labels : mapping from label to meaning
        Those of a request.
    others : callable
        Gives all that are in use. Asked only if there are more than those of the request, or
        less, as somebody has damaged the table.
    """
    with _locked(output_dir):
        if set(_known_labels(output_dir)) ^ {*labels, OWN_LABEL[0]}:
            _write_labels(output_dir, dict(others()) | dict([OWN_LABEL]))


def write_citation(output_dir: Path, *, markdown: str, bibtex: str) -> tuple[Path, Path]:
    """Write the text to put in a paper, and its references, as ``logs/CITATION.{md,bib}``."""
    text, references = (output_dir / "logs" / f"CITATION.{kind}" for kind in ("md", "bib"))
    write_text(text, markdown, within=output_dir)
    write_text(references, bibtex, within=output_dir)
    return text, references


def pipeline_version(root: Path, name: str = "fMRIPrep") -> str | None:
    """Version of the program that made a dataset, as the dataset says; None if it does not."""
    for pipeline in _pipelines(_read_description(root)):
        if str(pipeline["Name"]).lower() == name.lower() and pipeline.get("Version"):
            return str(pipeline["Version"])
    return None


def _read_description(root: Path) -> dict[str, Any]:
    path = root / DESCRIPTION_FILE
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Repair or replace it.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: should hold a JSON object. Repair or replace it.")
    return content


def own_description(output_dir: Path) -> dict[str, Any]:
    """Read what an earlier job wrote; nothing if none has.

    Raises
    ------
    OutputError
        If the output is the dataset of another program.
    """
    try:
        description = _read_description(output_dir)
    except DatasetError as error:
        raise OutputError(f"{error} Or choose another output folder.") from error
    pipelines = _pipelines(description)
    if description and (not pipelines or pipelines[0]["Name"] != "bidsmask"):
        by = f" by {pipelines[0]['Name']}" if pipelines else ""
        raise OutputError(
            f"{output_dir} holds another dataset{by}, which would be overwritten. "
            "Choose another output folder."
        )
    return description


def _container() -> dict[str, Any]:
    """Which container we run in, as the image itself says."""
    if tag := os.environ.get("BIDSMASK_DOCKER_TAG"):
        return {"Container": {"Type": "docker", "Tag": tag}}
    if uri := os.environ.get("BIDSMASK_SINGULARITY_URL"):
        return {"Container": {"Type": "singularity", "URI": uri}}
    return {}


def _pipelines(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say what made a dataset; before BIDS 1.4 that was one ``PipelineDescription``."""
    entries = description.get("GeneratedBy") or [description.get("PipelineDescription")]
    if not isinstance(entries, list):
        entries = [entries]
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("Name")]


def _source_datasets(source: Mapping[str, Any], links: Mapping[str, str]) -> list[dict[str, Any]]:
    doi = str(source.get("DatasetDOI") or "").removeprefix("doi:").removeprefix("https://doi.org/")
    if doi:
        nearest = [{"URL": f"https://doi.org/{doi}", "DOI": doi}]
    else:
        nearest = [{"URL": links["preprocessed"]}] if "preprocessed" in links else []
    before = source.get("SourceDatasets")
    return nearest + [entry for entry in before or [] if entry not in nearest]


def _root_uri(output_dir: Path, root: str | Path) -> str:
    if "://" in str(root):
        return str(root)
    here, there = _absolute(output_dir), _absolute(root)
    shared = os.path.commonpath([here, there])
    if Path(shared) == Path(here.anchor):
        return there.as_uri()
    return quote(Path(os.path.relpath(there, here)).as_posix())


def _uri_below(file: Path, roots: Mapping[str, Path]) -> str | None:
    holding = [(root, name) for name, root in roots.items() if file.is_relative_to(root)]
    if not holding:
        return None
    root, name = max(holding, key=lambda pair: len(pair[0].parts))
    return f"bids:{name}:{quote(file.relative_to(root).as_posix())}"


def _absolute(path: str | Path) -> Path:
    """Make a path absolute, and leave its symbolic links as they are if that can be."""
    path = Path(path)
    return path.resolve() if ".." in path.parts else path.absolute()


def _real(path: Path) -> Path:
    # The folder only: the files of a DataLad dataset are links to somewhere else altogether.
    return path.parent.resolve() / path.name


def _write_bidsignore(output_dir: Path) -> None:
    path = output_dir / ".bidsignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    ours = _BIDSIGNORE.read_text(encoding="utf-8").splitlines()
    lines += [line for line in ours if line not in lines]
    write_text(path, "".join(line + "\n" for line in lines), within=output_dir)


def _known_labels(output_dir: Path) -> dict[str, str]:
    """Read which labels have a meaning, without ``desc-``; none of a table that is damaged."""
    path = output_dir / "descriptions.tsv"
    if not path.exists():
        return {}
    try:
        table = read_table(path)
        labels = (str(label).removeprefix("desc-") for label in table["desc_id"])
        return dict(zip(labels, table["description"], strict=True))
    except (OutputError, KeyError):  # made anew by `keep_labels`
        return {}


def _write_labels(output_dir: Path, labels: Mapping[str, str]) -> None:
    import pandas as pd

    path = output_dir / "descriptions.tsv"
    rows = sorted(
        (f"desc-{label}", " ".join(str(meaning).split())) for label, meaning in labels.items()
    )
    table = pd.DataFrame(rows, columns=["desc_id", "description"])
    write_table(path, table, within=output_dir)
    write_json(
        path.with_suffix(".json"),
        {
            "Description": "What the labels of the entity desc mean in this dataset",
            "desc_id": {"Description": "Entity desc and label, as in file names"},
            "description": {"Description": "How files with this label were made"},
        },
        within=output_dir,
    )
    write_manifest(output_dir, "dataset", [DESCRIPTION_FILE, *_LABEL_FILES])


@contextmanager
def _locked(output_dir: Path) -> Iterator[None]:
    """Let one job at a time change the files at the top of the dataset."""
    from filelock import FileLock, Timeout

    path = lock_file(output_dir, "dataset.lock")
    lock = FileLock(path, timeout=_LOCK_TIMEOUT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockError(
            f"{path} has been held by another job for {_LOCK_TIMEOUT_S} s. See whether that job "
            "hangs; end it and run the same command again."
        ) from error
    except OSError as error:
        raise explain(path, error) from error
    try:
        remove_leftovers(output_dir, _TOP_FILES)
        remove_leftovers(output_dir / MANIFESTS, ["dataset.json"])
        yield
    finally:
        lock.release()


_LABEL_FILES = ("descriptions.tsv", "descriptions.json")
_TOP_FILES = (DESCRIPTION_FILE, "README.md", ".bidsignore", *_LABEL_FILES)
