"""The completion record of a run: what it was made from, with which settings, and its files.

``<run>_desc-bidsmask_complete.json`` is written last. A run is done, and counts, if its record is
there and its files are as the record says. Runs that were joined have a record, too, which was
made from theirs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.runs import BoldRun
from bidsmask.derivatives.description import bids_uri, dataset_place
from bidsmask.derivatives.names import output_name, run_folder
from bidsmask.derivatives.writing import sha256, write_json

BOLD, RIGHT, MASK, CONFOUNDS, SIDECAR = (
    "BOLD",
    "BOLDRight",
    "Mask",
    "Confounds",
    "ConfoundsSidecar",
)
EVENTS, TABLE = "Events", "Table"

ENDING = "_desc-bidsmask_complete.json"
"""How the name of a record ends."""

_IN_FILE_NAMES = frozenset(
    [
        *("measures", "statistics", "fisher_z", "voxelwise", "seed_maps", "alff", "reho"),
        *("create_matrices", "condition_means", "beta_series"),
    ]
)
"""Settings that never replace anything: what they choose has names of its own."""

_OF_THE_SMOOTHED_COPY = "voxelwise_smoothing_fwhm_mm"
_OF_THE_GRID = ("space", "cohort", "res", "den")
_ENDS = 65_536
_LONGEST_WORD = 60
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file that a run was made from.

    Parameters
    ----------
    uri : str
        Its BIDS URI.
    fingerprint : str
        SHA-256 of its content; of a BOLD image of its size, its beginning and its end.
    """

    uri: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a run was made from.

    Parameters
    ----------
    dataset : str
        Where the dataset is, from the output on.
    files : mapping from role to SourceFile
        The roles are `BOLD` (of two hemispheres the left one), `RIGHT`, `MASK`, `CONFOUNDS`,
        `SIDECAR`, `EVENTS`, and `TABLE` with the name of one that a strategy asks for besides; of
        joined runs, their names, and the files are their records.
    """

    dataset: str
    files: Mapping[str, SourceFile]

    def is_another(self, other: Source, role: str) -> bool:
        """Whether two files are not the same one.

        They are if they have the same name in the same dataset, whatever has become of its
        content, and if they have the same name and content: then the dataset was moved.
        """
        mine, theirs = self.files.get(role), other.files.get(role)
        if mine is None or theirs is None:
            return mine is not theirs
        if mine.uri != theirs.uri:
            return True
        same_content = bool(mine.fingerprint) and mine.fingerprint == theirs.fingerprint
        return self.dataset != other.dataset and not same_content

    def agrees(self, other: Source) -> bool:
        """Whether both are of the same files; of what not all need, if both asked about it."""
        mine, theirs = self.files, other.files
        roles = {
            role
            for role in (*mine, *theirs)
            if not role.startswith((EVENTS, TABLE)) or (role in mine and role in theirs)
        }
        return all(mine.get(role) == theirs.get(role) for role in roles)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a record says; less, if an older version wrote it or it was damaged.

    Parameters
    ----------
    run : str
        Name of the run.
    version : str
        Of bidsmask.
    digest : str
        Fingerprint of the settings; empty if the record is damaged.
    source, settings
        None if the record does not tell.
    outputs : mapping
        From the name of a file, relative to the dataset, to its SHA-256.
    labels : mapping
        From the labels of ``desc`` in the names of these files to their meaning.
    """

    run: str
    version: str = ""
    digest: str = ""
    source: Source | None = None
    settings: Mapping[str, str] | None = None
    outputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_joined(self) -> bool:
        """Whether it is of runs that were joined."""
        return self.source is not None and BOLD not in self.source.files

    @property
    def origin(self) -> str:
        """Fingerprint of all that the outputs were made of: inputs, settings and version.

        The same wherever the datasets are.
        """
        made_of = {key: value for key, value in _as_json(self).items() if key != "Outputs"}
        if self.source is not None:
            made_of["Source"] = made_of["Source"]["Files"]
        text = json.dumps(made_of, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def agrees(self, output_dir: Path) -> bool:
        """Whether all files are there, unchanged; False if there are none."""
        return agree(self.outputs, output_dir)

    def leaves(self, file: str, earlier: RunRecord) -> bool:
        """Whether a file of an earlier request still holds beside what this one makes.

        It does if it was made from the same files by the same version, with the same settings
        as far as both requests have them and they are about it: another strategy's are not.
        """
        if self.source is None or earlier.source is None or self.version != earlier.version:
            return False
        if not self.source.agrees(earlier.source):
            return False
        own = f"desc-{parse_name(file).entities.get('desc')}"
        return all(
            name.startswith("desc-") and name.partition(".")[0] != own
            for name in changed_settings(earlier.settings or {}, self.settings or {})
        )


def read_source(run: BoldRun, output_dir: Path, links: Mapping[str, str | Path]) -> Source:
    """Tell what a run is made from.

    Parameters
    ----------
    run : BoldRun
    output_dir : Path
        The dataset to which the place of the source is given.
    links : mapping from name to root
        ``preprocessed`` is the dataset of the run.
    """
    home = {"preprocessed": links["preprocessed"]}
    return Source(
        dataset=dataset_place(output_dir, links["preprocessed"]),
        files={
            role: SourceFile(
                uri=bids_uri(path, output_dir, home), fingerprint=fingerprint(path, role)
            )
            for role, path in _files(run)
        },
    )


def source_of_joined(runs: Iterable[BoldRun], output_dir: Path) -> Source:
    """Tell what joined runs are made from: the results of each, by its record."""
    records = {run.name: record_name(run) for run in runs}
    return Source(
        dataset=".",
        files={
            run: SourceFile(
                uri=f"bids::{quote(name.as_posix())}", fingerprint=sha256(output_dir / name)
            )
            for run, name in records.items()
        },
    )


def made_from(run: BoldRun, digest: str) -> str:
    """Compute one fingerprint of settings, and of the content of all files that a run reads."""
    files = [(role, fingerprint(path, role)) for role, path in _files(run)]
    reference = "" if run.boldref is None else fingerprint(run.boldref, "Reference")
    return hashlib.sha256(repr((digest, files, reference)).encode()).hexdigest()


def is_unchanged(source: Source, run: BoldRun) -> bool:
    """Whether the files of a run have the content that they had."""
    known = {role: file.fingerprint for role, file in source.files.items()}
    return known == {role: fingerprint(path, role) for role, path in _files(run)}


def record_name(run: BoldRun) -> Path:
    """Where the record of a run is, relative to the output dataset."""
    return output_name(run.entities, suffix="complete", extension=".json", desc="bidsmask")


def record_of(run_name: str) -> Path:
    """Where the record of a run is, by the name of the run.

    Raises
    ------
    ValueError
        If it is no name of a run.

    Examples
    --------
    >>> str(record_of("sub-01_task-rest"))
    'sub-01/func/sub-01_task-rest_desc-bidsmask_complete.json'
    """
    entities = parse_name(f"{run_name}_complete.json").entities
    return output_name(entities, suffix="complete", extension=".json", desc="bidsmask")


def find_records(output_dir: Path, subjects: Iterable[str] = ("*",)) -> list[Path]:
    """Find all records, relative to the output dataset; of some subjects if labels are given."""
    return sorted(
        path.relative_to(output_dir)
        for label in subjects
        for session in ("", "ses-*/")
        for path in output_dir.glob(f"sub-{label}/{session}func/*{ENDING}")
    )


def read_record(output_dir: Path, run: BoldRun) -> RunRecord | None:
    """Read the record of a run; None if there is none."""
    return read_record_file(output_dir / record_name(run), run_folder(run.entities))


def read_record_file(path: Path, folder: Path) -> RunRecord | None:
    """Read a record from wherever it is; None if it is not there.

    Parameters
    ----------
    path : Path
    folder : Path
        Where its files are, relative to the output dataset. One that names others is damaged.
    """
    try:
        return _parse(json.loads(path.read_bytes()), folder)
    except FileNotFoundError:
        return None
    except (OSError, *_DAMAGE):  # damaged: the run is done again, and it is said
        return RunRecord(run=path.name.removesuffix(ENDING))


def read_neighbours(output_dir: Path, run: BoldRun) -> list[RunRecord]:
    """Read the records of the same acquisition in other spaces.

    What does not depend on the space, such as the design, is one file for all of them.
    """
    own = record_name(run)
    acquisition = parse_name(own).entities.without(*_OF_THE_GRID)
    found = []
    for path in sorted((output_dir / own.parent).glob(f"*{ENDING}")):
        if path.name != own.name and _acquisition(path) == acquisition:
            found += [record] if (record := read_record_file(path, own.parent)) else []
    return found


def write_record(record: RunRecord, name: Path, output_dir: Path) -> None:
    """Write the record of what is done, under its name relative to the output dataset."""
    content = {
        "Description": "The outputs of this run are complete if their SHA-256 sums are these",
        "Origin": record.origin,
        **_as_json(record),
    }
    write_json(output_dir / name, content, within=output_dir)


def in_words(settings: Mapping[str, object]) -> dict[str, str]:
    """Turn settings into flat texts that can be compared and read; long ones are shortened.

    Examples
    --------
    >>> in_words({"statistic": "mean", "smoothing_fwhm_mm": 6.0, "high_pass_hz": None})
    {'statistic': 'mean', 'smoothing_fwhm_mm': '6', 'high_pass_hz': 'none'}
    """
    return dict(_words("", settings))


def changed_settings(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Name the settings that both have, and whose change replaces what was made with them."""
    return [
        name
        for name, value in before.items()
        if name in now and now[name] != value and is_replaced(name, value, now[name])
    ]


def is_replaced(name: str, before: str, now: str) -> bool:
    """Whether files made with two values of a setting have the same names."""
    if name == _OF_THE_SMOOTHED_COPY:
        return "0" not in (before, now)  # one of them has no such copy
    return name not in _IN_FILE_NAMES


def agree(sums: Mapping[str, str], output_dir: Path) -> bool:
    """Whether all of these files are there, unchanged; False if there are none.

    Parameters
    ----------
    sums : mapping
        From the name of a file, relative to the dataset, to its SHA-256.
    output_dir : Path
    """
    return bool(sums) and all(has_sum(output_dir / name, known) for name, known in sums.items())


def has_sum(path: Path, known: str) -> bool:
    """Whether the content of a file has this SHA-256; False if it cannot be read."""
    try:
        return sha256(path) == known
    except OSError:
        return False


def _files(run: BoldRun) -> Iterator[tuple[str, Path]]:
    files = {
        **dict(zip((BOLD, RIGHT), run.files, strict=False)),
        MASK: run.mask,
        CONFOUNDS: run.confounds,
        SIDECAR: run.confounds_json,
        EVENTS: run.events,
        **{f"{TABLE} {table.query}": table.path for table in run.tables},
    }
    yield from ((role, path) for role, path in files.items() if path is not None)


def fingerprint(path: Path, role: str) -> str:
    """Fingerprint of a file; empty if there is nothing to read, of which the run will tell."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        return _sample(path) if role in (BOLD, RIGHT) else sha256(path)
    except OSError:
        return ""


def _sample(path: Path) -> str:
    with path.open("rb") as file:  # gigabytes: a sample has to do
        size = file.seek(0, 2)
        file.seek(0)
        content = file.read(_ENDS)
        file.seek(max(size - _ENDS, 0))
        content += file.read(_ENDS)
    return hashlib.sha256(f"{size} ".encode() + content).hexdigest()


def _acquisition(path: Path) -> object:
    try:
        return parse_name(path).entities.without(*_OF_THE_GRID)
    except ValueError:
        return None  # not one of our names


def _as_json(record: RunRecord) -> dict[str, Any]:
    content: dict[str, Any] = {"Run": record.run, "Version": record.version}
    if record.source is not None:
        files = {
            role: {"URI": file.uri, "Fingerprint": file.fingerprint}
            for role, file in record.source.files.items()
        }
        content["Source"] = {"Dataset": record.source.dataset, "Files": files}
    if record.settings is not None:
        content["Settings"] = dict(record.settings)
    return content | {
        "SettingsDigest": record.digest,
        "Labels": dict(sorted(record.labels.items())),
        "Outputs": dict(sorted(record.outputs.items())),
    }


def _parse(content: Any, folder: Path) -> RunRecord:
    outputs = {str(name): str(known) for name, known in content["Outputs"].items()}
    for name in outputs:
        parse_name(name)  # or it is none of ours
        if Path(name).parent != folder:
            raise ValueError(f"{name} lies elsewhere.")
    source = content.get("Source")
    settings = content.get("Settings")
    record = RunRecord(
        run=str(content["Run"]),
        version=str(content["Version"]),
        digest=str(content["SettingsDigest"]),
        source=None if source is None else _parse_source(source),
        settings=None if settings is None else {str(k): str(v) for k, v in settings.items()},
        outputs=outputs,
        labels={str(key): str(value) for key, value in content["Labels"].items()},
    )
    if content["Origin"] != record.origin:
        raise ValueError("The record was changed after it was written.")
    return record


def _parse_source(content: Any) -> Source:
    files = {
        str(role): SourceFile(uri=str(file["URI"]), fingerprint=str(file["Fingerprint"]))
        for role, file in content["Files"].items()
    }
    return Source(dataset=str(content["Dataset"]), files=files)


def _words(name: str, value: object) -> Iterator[tuple[str, str]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        yield name, _shortened(_word(value))
        return
    for key, item in value.items():
        yield from _words(f"{name}.{key}" if name else str(key), item)


def _word(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, tuple | list):
        return ", ".join(_word(item) for item in value)
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_WORD:
        return text
    return f"{text[: _LONGEST_WORD // 2]}... ({hashlib.sha256(text.encode()).hexdigest()[:12]})"
