"""The completion record of a run: what it was made from, with which settings, and its files.

``<run>_desc-bidsmask_complete.json`` is written last. It tells whether a run is done, and what a
later request for the same names would replace. Files of a request that a later one did not write
again are kept track of below ``.bidsmask/earlier``, each with the settings it was made with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.runs import BoldRun
from bidsmask.derivatives.description import bids_uri, dataset_links
from bidsmask.derivatives.names import output_name, run_folder
from bidsmask.derivatives.writing import write_json

BOLD, MASK, CONFOUNDS = "BOLD", "Mask", "Confounds"

_EARLIER = Path(".bidsmask") / "earlier"
_OF_THE_GRID = ("space", "cohort", "res", "den")
_ENDS = 65_536
_LONGEST_WORD = 60
_ENDING = "_desc-bidsmask_complete.json"
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
        Where the dataset is: its URI, as in ``DatasetLinks``.
    files : mapping from role to SourceFile
        The roles are `BOLD`, `MASK` and `CONFOUNDS`.
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
    """

    run: str
    version: str = ""
    digest: str = ""
    source: Source | None = None
    settings: Mapping[str, str] | None = None
    outputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def agrees(self, output_dir: Path) -> bool:
        """Whether all files are there, unchanged; False if there are none."""
        return agree(self.outputs, output_dir)


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
        dataset=dataset_links(output_dir, home)["preprocessed"],
        files={
            role: SourceFile(
                uri=bids_uri(path, output_dir, home), fingerprint=_fingerprint(path, role)
            )
            for role, path in _files(run)
        },
    )


def is_unchanged(source: Source, run: BoldRun) -> bool:
    """Whether the files of a run have the content that they had."""
    known = {role: file.fingerprint for role, file in source.files.items()}
    return known == {role: _fingerprint(path, role) for role, path in _files(run)}


def record_name(run: BoldRun) -> Path:
    """Where the record of a run is, relative to the output dataset."""
    return output_name(run.entities, suffix="complete", extension=".json", desc="bidsmask")


def read_record(output_dir: Path, run: BoldRun) -> RunRecord | None:
    """Read the record of a run; None if there is none."""
    return _read(output_dir / record_name(run), run_folder(run.entities))


def read_neighbours(output_dir: Path, run: BoldRun) -> list[RunRecord]:
    """Read the records of the same acquisition in other spaces.

    What does not depend on the space, such as the design, is one file for all of them.
    """
    own = record_name(run)
    acquisition = parse_name(own).entities.without(*_OF_THE_GRID)
    found = []
    for path in sorted((output_dir / own.parent).glob(f"*{_ENDING}")):
        if path.name != own.name and _acquisition(path) == acquisition:
            found += [record] if (record := _read(path, own.parent)) else []
    return found


def read_earlier(output_dir: Path, run: BoldRun) -> list[RunRecord]:
    """Read which files of earlier requests are still there, beside those of the last one."""
    try:
        content = json.loads((output_dir / _EARLIER / record_name(run).name).read_bytes())
        return [_parse(part, run_folder(run.entities)) for part in content["Requests"]]
    except (OSError, *_DAMAGE):
        return []


def write_record(record: RunRecord, run: BoldRun, output_dir: Path) -> Path:
    """Write the record of a run that is done; give its name, relative to the output dataset.

    Files of the record before it that are not part of this one stay known as earlier ones.
    """
    before = read_record(output_dir, run)
    _keep_earlier([before] if before else [], record, run, output_dir)
    content = {
        "Description": "The outputs of this run are complete if their SHA-256 sums are these",
        **_as_json(record),
    }
    write_json(output_dir / record_name(run), content, within=output_dir)
    return record_name(run)


def in_words(settings: Mapping[str, object]) -> dict[str, str]:
    """Turn settings into flat texts that can be compared and read; long ones are shortened.

    Examples
    --------
    >>> in_words({"statistic": "mean", "smoothing_fwhm_mm": 6.0, "high_pass_hz": None})
    {'statistic': 'mean', 'smoothing_fwhm_mm': '6', 'high_pass_hz': 'none'}
    """
    return dict(_words("", settings))


def agree(sums: Mapping[str, str], output_dir: Path) -> bool:
    """Whether all of these files are there, unchanged; False if there are none.

    Parameters
    ----------
    sums : mapping
        From the name of a file, relative to the dataset, to its SHA-256.
    output_dir : Path
    """
    return bool(sums) and all(_has_sum(output_dir / name, known) for name, known in sums.items())


def sha256(path: Path) -> str:
    """SHA-256 of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(run: BoldRun) -> Iterator[tuple[str, Path]]:
    for role, path in ((BOLD, run.bold), (MASK, run.mask), (CONFOUNDS, run.confounds)):
        if path is not None:
            yield role, path


def _fingerprint(path: Path, role: str) -> str:
    """Fingerprint of a file; empty if there is nothing to read, of which the run will tell."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        return _sample(path) if role == BOLD else sha256(path)
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


def _keep_earlier(
    before: Iterable[RunRecord], record: RunRecord, run: BoldRun, output_dir: Path
) -> None:
    parts: list[RunRecord] = []
    for part in (*read_earlier(output_dir, run), *before):
        left = {
            name: known
            for name, known in part.outputs.items()
            if name not in record.outputs and _has_sum(output_dir / name, known)
        }
        kept = replace(part, outputs=left)
        if left and kept not in parts:
            parts.append(kept)
    path = output_dir / _EARLIER / record_name(run).name
    if parts:
        description = "Files of earlier requests, and the settings they were made with"
        requests = [_as_json(part) for part in parts]
        write_json(path, {"Description": description, "Requests": requests}, within=output_dir)
    else:
        path.unlink(missing_ok=True)


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
    outputs = dict(sorted(record.outputs.items()))
    return content | {"SettingsDigest": record.digest, "Outputs": outputs}


def _read(path: Path, folder: Path) -> RunRecord | None:
    try:
        return _parse(json.loads(path.read_bytes()), folder)
    except FileNotFoundError:
        return None
    except (OSError, *_DAMAGE):  # damaged: the run is done again, and it is said
        return RunRecord(run=path.name.removesuffix(_ENDING))


def _parse(content: Any, folder: Path) -> RunRecord:
    outputs = {str(name): str(known) for name, known in content["Outputs"].items()}
    for name in outputs:
        parse_name(name)  # or it is none of ours
        if Path(name).parent != folder:
            raise ValueError(f"{name} lies elsewhere.")
    source = content.get("Source")
    settings = content.get("Settings")
    return RunRecord(
        run=str(content["Run"]),
        version=str(content["Version"]),
        digest=str(content["SettingsDigest"]),
        source=None if source is None else _parse_source(source),
        settings=None if settings is None else {str(k): str(v) for k, v in settings.items()},
        outputs=outputs,
    )


def _parse_source(content: Any) -> Source:
    files = {
        str(role): SourceFile(uri=str(file["URI"]), fingerprint=str(file["Fingerprint"]))
        for role, file in content["Files"].items()
    }
    return Source(dataset=str(content["Dataset"]), files=files)


def _has_sum(path: Path, known: str) -> bool:
    try:
        return sha256(path) == known
    except OSError:
        return False


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
