"""Files that appear whole or not at all, and tables that read back as they were written.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed: a
reader, a crash or a power cut sees the old file or the new one, never half of one. A file that
already holds the same bytes is not touched.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.derivatives.digits import float_rows
from bidsmask.errors import OutputError, StorageError

if TYPE_CHECKING:
    import pandas as pd

MISSING = "n/a"
"""How BIDS writes a value that is not there."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with; wide forms, too, which some spreadsheets take for the others."""

_TEMPORARY = ".bidsmask-{name}-{token}.tmp"
_IS_TEMPORARY = re.compile(r"\.bidsmask-(?P<name>[0-9a-f]{12})-[0-9a-f]{12}\.tmp")

_STORAGE_TROUBLE = {
    errno.ENOSPC: ("the disk is full", "Make room"),
    errno.EDQUOT: ("your quota is used up", "Make room or ask for more"),
    errno.EIO: ("the disk reported an error", "Have the disk or network share checked"),
    errno.ESTALE: ("the network share lost the file", "Wait until the share is back"),
}


def write_bytes(path: Path, content: bytes, *, within: Path | None = None) -> None:
    """Let `path` hold `content`, all of it or none.

    Parameters
    ----------
    path : Path
        Where to; missing folders are made. Left untouched if it holds `content` already.
    content : bytes
    within : Path, optional
        The folder that the file has to lie in when symbolic links are followed.

    Raises
    ------
    StorageError
        If the disk is full or fails. A lost network file handle is tried once more.
    OutputError
        If the file may not be written, or would lie outside of `within`.
    """
    try:
        try:
            _write(path, content, within)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            _write(path, content, within)
    except OutputError:
        raise
    except OSError as error:
        raise explain(path, error, f"; {len(content)} bytes were to be written") from error


def write_pieces(path: Path, pieces: Iterable[bytes], *, within: Path | None = None) -> None:
    """Let `path` hold pieces one after the other, all of them or none.

    For what is too large to be in memory. Unlike `write_bytes`, it cannot try again.

    Parameters
    ----------
    path : Path
        Where to; missing folders are made. Left untouched if it holds the same already.
    pieces : iterable of bytes
        Made while they are written. An error in making them leaves `path` as it was.
    within : Path, optional
        The folder that the file has to lie in when symbolic links are followed.

    Raises
    ------
    StorageError
        If the disk is full or fails.
    OutputError
        If the file may not be written, or would lie outside of `within`.
    """
    _make(path, lambda temporary: _write_through(temporary, pieces), within)


def write_by(path: Path, make: Callable[[Path], None], *, within: Path | None = None) -> None:
    """Let `path` be a file that a function makes, all of it or nothing.

    For formats that are not written from the front to the end.

    Parameters
    ----------
    path : Path
        Where to; missing folders are made. Left untouched if it holds the same already.
    make : callable
        Takes the path of a file that is not there yet. An error leaves `path` as it was.
    within : Path, optional
        The folder that the file has to lie in when symbolic links are followed.

    Raises
    ------
    StorageError
        If the disk is full or fails.
    OutputError
        If the file may not be written, or would lie outside of `within`.
    """

    def flushed(temporary: Path) -> None:
        make(temporary)
        _flush(temporary)

    _make(path, flushed, within)


def write_text(path: Path, text: str, *, within: Path | None = None) -> None:
    """Write `text` as UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"), within=within)


def write_json(path: Path, content: Mapping[str, Any], *, within: Path | None = None) -> None:
    """Write `content` as JSON, keys in the order given; see `write_bytes`.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, which JSON has no word for.
    """
    text = json.dumps(
        content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain_number
    )
    write_text(path, text + "\n", within=within)


def write_table(path: Path, table: pd.DataFrame, *, within: Path | None = None) -> None:
    """Write `table` as tab-separated values with a header; see `write_bytes`.

    Numbers are written with the fewest digits that read back to the same number of the same
    width (float32 or float64), bools as 0 and 1, what is missing as ``n/a``. Texts go through
    `safe_text`. The index is not written.

    Raises
    ------
    ValueError
        If two columns have the same name.

    See Also
    --------
    read_table : The way back.
    """
    write_text(path, table_text(table), within=within)


def table_text(table: pd.DataFrame) -> str:
    """Give the text that `write_table` writes.

    Raises
    ------
    ValueError
        If two columns have the same name.
    """
    header = [_text_cell(name) for name in table.columns]
    if len(set(header)) < len(header):
        raise ValueError("Two columns of the table have the same name.")
    parts = [_rows(table, columns) for columns in _alike(table)]
    rows = ["\t".join(header), *map("\t".join, zip(*parts, strict=True))]
    return "".join(row + "\n" for row in rows)


def read_table(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """Read a table that `write_table` wrote: ``n/a`` becomes NaN, all other texts stay.

    Columns in which every value is a whole number are integers, those in which every value is a
    number or ``n/a`` are float64, read exactly. Region names (column ``Node``) are texts even
    where they look like numbers.

    Parameters
    ----------
    path : Path
    content : bytes, optional
        What it holds, where that has been read already.

    Raises
    ------
    OutputError
        If it is no table any more.
    """
    import pandas as pd

    try:
        texts = pd.read_csv(
            path if content is None else io.BytesIO(content),
            sep="\t",
            dtype=str,
            na_values=[MISSING],
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except ValueError as error:  # that is what pandas makes of bytes and of rows that do not fit
        raise OutputError(
            f"{path} is damaged: it is no table ({error}). Run the participant level again: it is "
            "made anew."
        ) from error
    return typed(texts)


def typed(texts: pd.DataFrame) -> pd.DataFrame:
    """Turn columns of texts into those that `read_table` gives; what is missing is NaN."""
    import pandas as pd

    columns = {
        name: column if name == "Node" else _numbers_or_texts(column)
        for name, column in texts.items()
    }
    return pd.DataFrame(columns, columns=texts.columns)


def read_numbers(path: Path) -> FloatArray:
    """Read a table of numbers that `write_table` wrote, (rows, columns); ``n/a`` becomes NaN."""
    import pandas as pd

    table = pd.read_csv(
        path, sep="\t", header=None, skiprows=1, dtype=np.float64, na_values=[MISSING]
    )
    return table.to_numpy()


def safe_text(text: str) -> str:
    r"""Make a text one cell of a table, and no formula in any spreadsheet.

    Line breaks, tabs and other control characters become blanks. A text that a spreadsheet would
    compute (CWE-1236) gets an apostrophe in front. Nothing at all becomes ``n/a``.

    Examples
    --------
    >>> safe_text("LH_Vis_1"), safe_text("=HYPERLINK(A1)"), safe_text("left\tright")
    ('LH_Vis_1', "'=HYPERLINK(A1)", 'left right')
    """
    text = _CONTROL.sub(" ", text)
    if text.lstrip().startswith(_FORMULA):
        return "'" + text
    return text if text.strip() else MISSING


def sha256(path: Path) -> str:
    """SHA-256 of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_leftovers(folder: Path, names: Iterable[str] | None = None) -> None:
    """Remove temporary files of a process that was killed while it wrote.

    The caller must know, by a lock, that nobody else is writing these files.

    Parameters
    ----------
    folder : Path
        Need not exist.
    names : iterable of str, optional
        Final names of files directly in `folder`. By default all files in and below it.
    """
    hashes = None if names is None else {_short_hash(name) for name in names}
    pattern = _TEMPORARY.format(name="*", token="*")
    for file in folder.rglob(pattern) if hashes is None else folder.glob(pattern):
        found = _IS_TEMPORARY.fullmatch(file.name)
        if found and (hashes is None or found["name"] in hashes):
            file.unlink(missing_ok=True)


def is_storage_trouble(number: int | None) -> bool:
    """Whether an error number says that a disk is full or fails."""
    return number in _STORAGE_TROUBLE


def explain(path: Path, error: OSError, need: str = "") -> OutputError:
    """Turn a failure to write `path` into a letter: what happened, what was needed, what to do.

    Parameters
    ----------
    path : Path
    error : OSError
        What the operating system said.
    need : str
        How much was to be written, as the end of a sentence.

    Returns
    -------
    error : StorageError or OutputError
        The first if the disk is full or fails, the second if it may not be written to.
    """
    trouble = _STORAGE_TROUBLE.get(error.errno or 0)
    if trouble is None:
        return OutputError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Check the permissions, or choose another output folder."
        )
    reason, remedy = trouble
    return StorageError(
        f"{path}: {reason}{need}{_free_space(path)}. {remedy}, then run the same command again: "
        "it goes on from here."
    )


def check_inside(path: Path, within: Path) -> None:
    """Refuse a place that symbolic links lead out of a folder.

    Raises
    ------
    OutputError
        If `path` would lie outside of `within` once all links to its folder are followed.
    """
    folder = path.parent.resolve()
    if not folder.is_relative_to(within.resolve()):
        raise OutputError(
            f"{path}: a symbolic link leads out of the output folder, to {folder}. Nothing is "
            "written there. Remove the link, or choose another output folder."
        )


def lock_file(output_dir: Path, name: str) -> Path:
    """Give the place of a lock, below ``.bidsmask``; its folder is made.

    Raises
    ------
    StorageError, OutputError
        If it cannot be made, or is a link: opening a lock empties what it leads to.
    """
    path = output_dir / ".bidsmask" / name
    check_inside(path, output_dir)
    if path.is_symlink():
        raise OutputError(
            f"{path} is a symbolic link, which nothing is written through. Remove it."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(path, error) from error
    return path


def move_aside(path: Path, place: Path, *, within: Path) -> None:
    """Rename a file; both places lie in one folder, all links followed.

    Raises
    ------
    StorageError, OutputError
        If it cannot be renamed, or a link leads out of `within`.
    """
    for each in (path, place):
        check_inside(each, within)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)  # noqa: PTH105 (as in _replace)
        _flush_folder(place.parent)
        _flush_folder(path.parent)
    except OSError as error:
        raise explain(path, error) from error


def _make(path: Path, make: Callable[[Path], None], within: Path | None) -> None:
    try:
        if within is not None:
            check_inside(path, within)
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, make)
    except OutputError:
        raise
    except OSError as error:
        raise explain(path, error) from error


def _write(path: Path, content: bytes, within: Path | None) -> None:
    if within is not None:
        check_inside(path, within)
    if not _holds(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, lambda temporary: _write_through(temporary, [content]))


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    temporary = path.parent / _TEMPORARY.format(
        name=_short_hash(path.name), token=secrets.token_hex(6)
    )
    try:
        make(temporary)
        if _same_bytes(temporary, path):
            temporary.unlink()
            return
        os.replace(temporary, path)  # noqa: PTH105 (one call that a test can make fail)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(path.parent)


def _same_bytes(one: Path, other: Path) -> bool:
    return other.exists() and filecmp.cmp(one, other, shallow=False)


def _write_through(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file and wait until the disk has it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(path: Path) -> None:
    """Wait until the disk has what was written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Wait until the disk knows the new name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network shares cannot flush a folder
            raise
    finally:
        os.close(descriptor)


def _short_hash(name: str) -> str:
    # Not the name itself: that may already be as long as a name can be.
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def _free_space(path: Path) -> str:
    try:
        return f", {shutil.disk_usage(path.parent).free} bytes are free"
    except OSError:
        return ""


def _plain_number(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")


def _alike(table: pd.DataFrame) -> Iterator[slice]:
    """Split the columns: neighbours that hold floats of one type together, the others alone."""
    start = 0
    for kind, run in groupby(table.dtypes):
        stop = start + len(list(run))
        width = stop - start if _holds_floats(kind) else 1
        yield from (slice(first, first + width) for first in range(start, stop, width))
        start = stop


def _holds_floats(kind: Any) -> bool:
    return isinstance(kind, np.dtype) and kind.kind == "f"


def _rows(table: pd.DataFrame, columns: slice) -> list[str]:
    """Texts of the rows of some columns that belong together."""
    if _holds_floats(table.dtypes.iloc[columns.start]):
        return float_rows(table.iloc[:, columns].to_numpy(), MISSING)
    return _cells(table.iloc[:, columns.start])


def _cells(column: pd.Series[Any]) -> list[str]:
    values = column.to_numpy()
    if column.dtype.kind in "iu" and values.dtype.kind not in "iu":  # of pandas' own, with gaps
        return [
            MISSING if gap else str(value)
            for gap, value in zip(column.isna(), column, strict=True)
        ]
    if values.dtype.kind == "f":  # of a type of pandas' own
        return float_rows(values[:, np.newaxis], MISSING)
    if values.dtype.kind == "b":
        values = values.astype(np.int8)
    if values.dtype.kind in "iu":
        return list(map(str, values.tolist()))
    return [_text_cell(value) for value in values]


def _numbers_or_texts(column: pd.Series[str]) -> pd.Series[Any]:
    # By Python's own conversion: which of its own pandas offers depends on its version.
    for kind in (np.int64, np.float64):
        with suppress(ValueError, OverflowError):
            return column.astype(object).astype(kind)
    return column


def _text_cell(value: Any) -> str:
    if value is None or value != value:  # NaN and NaT differ from themselves
        return MISSING
    return str(value) if isinstance(value, Number) else safe_text(str(value))
