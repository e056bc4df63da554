"""Whole files or none, and tables that read back to the bit."""

import errno
import json
import math
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bidsmask.derivatives.digits import float_rows
from bidsmask.derivatives.writing import (
    read_table,
    remove_leftovers,
    safe_text,
    write_bytes,
    write_json,
    write_pieces,
    write_table,
    write_text,
)
from bidsmask.errors import OutputError, StorageError

CALLS = ("open", "write", "fsync", "replace")
"""What can fail between a value and its file."""


@contextmanager
def failing_call(k: int, number: int, *, and_after: bool = False) -> Iterator[list[str]]:
    """Let the k-th system call (from 1) of a write fail with an errno, and maybe all after it."""
    seen: list[str] = []

    def guarded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            if len(seen) == k or (and_after and len(seen) > k):
                raise OSError(number, os.strerror(number))
            return original(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, guarded(name, getattr(os, name)))
        yield seen


def error_of(path: Path, content: bytes) -> type[OutputError] | None:
    try:
        write_bytes(path, content)
    except OutputError as error:
        return type(error)
    return None


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- pieces --------------------------------------------------------------------------------------


def test_pieces_are_written_one_after_the_other(tmp_path: Path) -> None:
    write_pieces(tmp_path / "func" / "a", (letter * 3 for letter in (b"a", b"", b"c")))
    assert (tmp_path / "func" / "a").read_bytes() == b"aaaccc"


def test_pieces_that_make_what_is_there_already_touch_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"ab")
    before = path.stat()
    write_pieces(path, [b"a", b"b"])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("bad"), StorageError("full"), KeyboardInterrupt()])
def test_pieces_that_end_in_an_error_leave_all_as_it_was(
    tmp_path: Path, error: BaseException
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise error

    write_bytes(tmp_path / "a", b"what was there before")
    with pytest.raises(type(error)):
        write_pieces(tmp_path / "a", pieces())
    assert snapshot(tmp_path) == {"a": b"what was there before"}


@pytest.mark.parametrize("k", range(1, 6))
def test_whichever_call_fails_pieces_are_all_there_or_none(tmp_path: Path, k: int) -> None:
    with failing_call(k, errno.ENOSPC), pytest.raises(StorageError, match="disk is full"):
        write_pieces(tmp_path / "a", [b"a", b"b"])
    assert set(snapshot(tmp_path).items()) <= {("a", b"ab")}


def plain_table(table: pd.DataFrame) -> bytes:
    """Spell a table cell by cell: numbers by numpy, all else as the documentation says."""

    def cell(value: Any) -> str:
        if value is None or value != value:
            return "n/a"
        if isinstance(value, np.bool_):
            return "1" if value else "0"
        if isinstance(value, np.floating):
            return str(np.array([value]).astype("U32")[0])
        return str(value) if isinstance(value, int | float | np.integer) else safe_text(str(value))

    columns = [column.to_numpy() for _, column in table.items()]
    rows = [[cell(value) for value in row] for row in zip(*columns, strict=True)]
    header = [cell(name) for name in table.columns]
    return "".join("\t".join(row) + "\n" for row in [header, *rows]).encode()


def blocks(kind: Any) -> st.SearchStrategy[Any]:
    return arrays(kind, st.tuples(st.just(5), st.integers(1, 6)))


floats = st.one_of(blocks(np.float32), blocks(np.float64), blocks(np.float16))
numbers = st.one_of(floats, blocks(np.int64), blocks(np.uint8), blocks(bool))
texts = st.lists(
    st.one_of(st.text(), st.none(), st.floats(), st.integers(), st.booleans()),
    min_size=5,
    max_size=5,
).map(lambda values: np.array([*values, None], dtype=object)[:5, np.newaxis])


# --- laws ----------------------------------------------------------------------------------------


@given(
    values=arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.floats(width=32)
    )
)
@settings(deadline=None)
def test_float32_reads_back_as_it_was_written(
    values: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.tsv"
    values[np.isinf(values)] = np.nan
    write_table(path, pd.DataFrame(values, columns=[f"c{i}" for i in range(values.shape[1])]))
    back = read_table(path).to_numpy(dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(back, values)


@given(values=arrays(np.float64, 5, elements=st.floats(allow_infinity=False)))
@settings(deadline=None)
def test_float64_reads_back_as_it_was_written(
    values: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.tsv"
    write_table(path, pd.DataFrame({"x": values}))
    np.testing.assert_array_equal(read_table(path)["x"].to_numpy(dtype=float), values)


@given(parts=st.lists(st.one_of(numbers, texts), min_size=1, max_size=5))
@settings(deadline=None)
def test_a_table_has_the_bytes_of_a_plain_way_to_spell_it(
    parts: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.tsv"
    columns = [part[:, number] for part in parts for number in range(part.shape[1])]
    table = pd.DataFrame({f"c{number}": column for number, column in enumerate(columns)})
    write_table(path, table)
    assert path.read_bytes() == plain_table(table)


@given(
    bits=arrays(np.uint32, st.tuples(st.integers(1, 8), st.integers(1, 8))),
    symmetric=st.booleans(),
)
def test_rows_of_float32_are_spelt_as_numpy_spells_them(bits: Any, symmetric: bool) -> None:
    values = bits.view(np.float32)
    if symmetric:
        side = min(values.shape)
        values = np.triu(values[:side, :side])
        values = np.where(np.tri(side, dtype=bool), values.T, values)
    texts = np.where(np.isnan(values), "n/a", values.astype("U32"))
    assert float_rows(values, "n/a") == ["\t".join(row) for row in texts]


@pytest.mark.parametrize("n_digits", range(1, 10))
def test_numbers_of_few_digits_are_spelt_as_numpy_spells_them(n_digits: int) -> None:
    rng = np.random.default_rng(n_digits)
    sizes = 10.0 ** rng.uniform(-6, 8, (100, 100))
    decimals = [[float(f"{x:.{n_digits}g}") for x in row] for row in sizes.tolist()]
    values = np.array(decimals, dtype=np.float32)
    values = np.concatenate([values, np.nextafter(values, 0), np.nextafter(values, np.inf)])
    assert float_rows(values, "n/a") == ["\t".join(row) for row in values.astype("U32")]


@pytest.mark.parametrize("n_cells", [1, 7, 20])
def test_rows_of_large_tables_are_spelt_some_at_a_time(
    n_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bidsmask.derivatives.digits._CELLS_AT_ONCE", n_cells)
    values = np.linspace(-1, 1, 30, dtype=np.float32).reshape(6, 5)
    assert float_rows(values, "n/a") == ["\t".join(row) for row in values.astype("U32")]
    assert float_rows(values[:0], "n/a") == []


@given(st.text())
def test_no_text_cell_is_a_formula_or_breaks_its_row(text: str) -> None:
    cell = safe_text(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len(f"a\t{cell}\tb".splitlines()) == 1
    assert len(cell.split("\t")) == 1
    assert cell


@given(st.text())
def test_making_a_text_safe_twice_is_making_it_safe_once(text: str) -> None:
    assert safe_text(safe_text(text)) == safe_text(text)


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("and_after", [False, True], ids=["only the k-th", "all from the k-th"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES])
@pytest.mark.parametrize("before", [None, b"what was there before"], ids=["new", "existing"])
def test_whichever_call_fails_the_file_is_old_or_new_and_never_half(
    tmp_path: Path, number: int, and_after: bool, before: bytes | None
) -> None:
    path, content = tmp_path / "sub" / "a.tsv", b"x" * 1000
    if before is not None:
        write_bytes(path, before)
    expected = OutputError if number == errno.EACCES else StorageError
    for k in range(1, 20):
        with failing_call(k, number, and_after=and_after) as seen:
            error = error_of(path, content)
        assert error in (None, expected)
        left = snapshot(tmp_path)
        assert set(left) <= {"sub/a.tsv"}, "no temporary file may stay"
        assert left.get("sub/a.tsv") in (before, content)
        if len(seen) < k:
            break
        if before is None:
            path.unlink(missing_ok=True)
        else:
            write_bytes(path, before)
    else:
        pytest.fail("writing never got through")
    assert k > len(CALLS), "each of the calls was made to fail"
    assert path.read_bytes() == content


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_stale_network_handle_is_tried_once_more(tmp_path: Path, k: int) -> None:
    with failing_call(k, errno.ESTALE):
        write_bytes(tmp_path / "a", b"content")
    assert snapshot(tmp_path) == {"a": b"content"}


def test_a_network_handle_that_stays_stale_is_a_storage_error(tmp_path: Path) -> None:
    with (
        failing_call(1, errno.ESTALE, and_after=True),
        pytest.raises(StorageError, match="network share"),
    ):
        write_bytes(tmp_path / "a", b"content")


def test_a_full_disk_says_what_is_needed_and_what_to_do(tmp_path: Path) -> None:
    with (
        failing_call(2, errno.ENOSPC),
        pytest.raises(StorageError, match=r"a\.tsv: the disk is full; 7 bytes .* are free\. Make"),
    ):
        write_bytes(tmp_path / "a.tsv", b"content")


def test_an_interrupt_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a", b"content")
    assert snapshot(tmp_path) == {}


def test_the_disk_has_the_content_before_the_name(tmp_path: Path) -> None:
    with failing_call(0, errno.EIO) as seen:
        write_bytes(tmp_path / "a", b"content")
    assert seen == ["open", "write", "fsync", "replace", "open", "fsync"]


def test_a_share_that_cannot_flush_folders_is_fine(tmp_path: Path) -> None:
    with failing_call(6, errno.EINVAL) as seen:
        write_bytes(tmp_path / "a", b"content")
    assert seen[5] == "fsync"
    assert (tmp_path / "a").read_bytes() == b"content"


def test_a_folder_in_the_place_of_the_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(OutputError, match=r"a\.tsv: cannot be written"):
        write_bytes(tmp_path / "a.tsv", b"content")
    assert snapshot(tmp_path) == {}


def test_a_file_in_the_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "sub-01").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_bytes(tmp_path / "sub-01" / "a.tsv", b"content")


# --- links, modes, leftovers ---------------------------------------------------------------------


def test_nothing_is_written_through_a_link_that_leaves_the_output(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    output.mkdir()
    elsewhere.mkdir()
    (output / "sub-02").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(OutputError, match="symbolic link leads out of the output folder"):
        write_bytes(output / "sub-02" / "func" / "a.tsv", b"content", within=output)
    assert list(elsewhere.iterdir()) == []


def test_an_output_folder_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real", target_is_directory=True)
    write_bytes(tmp_path / "out" / "sub" / "a", b"content", within=tmp_path / "out")
    assert (tmp_path / "real" / "sub" / "a").read_bytes() == b"content"


def test_dots_in_a_path_cannot_leave_the_output(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="leads out"):
        write_bytes(tmp_path / "out" / ".." / "a", b"content", within=tmp_path / "out")


def test_a_link_in_place_of_the_file_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (tmp_path / "a").symlink_to(target)
    write_bytes(tmp_path / "a", b"new")
    assert target.read_bytes() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_equal_content_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"content")
    before = path.stat()
    write_bytes(path, b"content")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_umask_is_respected(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / ("x" * 255), b"content")
    assert snapshot(tmp_path) == {"x" * 255: b"content"}


def leave_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write like a process that is killed just before the renaming."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: None)
        write_bytes(path, b"never seen")


def test_what_a_killed_process_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(tmp_path / "sub-01" / "a", monkeypatch)
    write_bytes(tmp_path / "sub-01" / "b", b"content")
    assert len(snapshot(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert snapshot(tmp_path) == {"sub-01/b": b"content"}


def test_only_leftovers_of_the_files_named_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(tmp_path / "a", monkeypatch)
    leave_behind(tmp_path / "b", monkeypatch)
    remove_leftovers(tmp_path, ["a", "c"])
    assert len(snapshot(tmp_path)) == 1
    remove_leftovers(tmp_path, ["b"])
    assert snapshot(tmp_path) == {}


def test_a_file_of_somebody_is_no_leftover(tmp_path: Path) -> None:
    theirs = tmp_path / ".bidsmask-my-notes.tmp"
    theirs.write_text("mine")
    remove_leftovers(tmp_path)
    assert theirs.exists()


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "nowhere")
    remove_leftovers(tmp_path / "nowhere", ["a"])


# --- cells ---------------------------------------------------------------------------------------


def written(path: Path, table: pd.DataFrame) -> str:
    write_table(path, table)
    return path.read_text(encoding="utf-8")


def test_numbers_have_as_few_digits_as_they_need(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "single": np.array([0.1, 1 / 3, -0.3], dtype=np.float32),
            "double": np.array([0.1, 1 / 3, np.nan]),
            "whole": [1, -2, 3],
            "flag": [True, False, True],
        }
    )
    assert written(tmp_path / "a.tsv", table) == (
        "single\tdouble\twhole\tflag\n"
        "0.1\t0.1\t1\t1\n"
        "0.33333334\t0.3333333333333333\t-2\t0\n"
        "-0.3\tn/a\t3\t1\n"
    )


def test_texts_are_made_safe_and_missing_ones_are_said_to_be(tmp_path: Path) -> None:
    table = pd.DataFrame({"-x": ["=1+1", None, math.nan, "a\tb\nc", "", -0.5, "µ"]}, dtype=object)
    assert written(tmp_path / "a.tsv", table).split("\n") == [
        "'-x", "'=1+1", "n/a", "n/a", "a b c", "n/a", "-0.5", "µ", "",
    ]  # fmt: skip


def test_a_table_without_rows_is_its_header(tmp_path: Path) -> None:
    assert written(tmp_path / "a.tsv", pd.DataFrame({"a": [], "b": []})) == "a\tb\n"


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same name"):
        write_table(tmp_path / "a.tsv", pd.DataFrame([[1, 2]], columns=["'=a", "=a"]))


def test_region_names_are_read_as_texts_and_na_only_when_spelled_so(tmp_path: Path) -> None:
    write_text(tmp_path / "a.tsv", "Node\tx\tother\n01\t1.5\tNA\nNA\tn/a\tnull\n")
    table = read_table(tmp_path / "a.tsv")
    assert list(table["Node"]) == ["01", "NA"]
    assert list(table["other"]) == ["NA", "null"]
    assert math.isnan(table["x"][1])


def test_json_keeps_its_order_and_takes_numpy_numbers(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": np.int64(1), "a": np.float32(0.5), "c": "µ"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert list(json.loads(text).items()) == [("b", 1), ("a", 0.5), ("c", "µ")]
    assert text.endswith("}\n")
    assert "µ" in text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_has_no_word_for_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": value})
    assert snapshot(tmp_path) == {}


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="PosixPath"):
        write_json(tmp_path / "a.json", {"x": tmp_path})


def test_an_undecodable_file_name_can_be_written_about(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == r"caf\udce9"


def test_a_table_of_300_by_400_is_written_quickly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32)
    table = pd.DataFrame(values, columns=[f"region{i}" for i in range(400)])
    times = []
    for number in range(3):
        start = time.process_time()
        write_table(tmp_path / f"{number}.tsv", table)
        times.append(time.process_time() - start)
    assert min(times) < 0.5, "0.1 s on an idle core"
