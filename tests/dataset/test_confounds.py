"""The confounds table of a run: which columns, which volumes, and which letters."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nilearn.interfaces import fmriprep

from bidsmask.dataset.confounds import Confounds, load_confounds
from bidsmask.dataset.confounds_table import read_table
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.strategies import ColumnGroup, Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import ConfoundsError, DegreesOfFreedomError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "confounds"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real tables in {REAL}")

N = 40  # volumes
AXES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
MOTION = [axis + expansion for axis in AXES for expansion in EXPANSIONS]
TISSUES = [
    tissue + expansion
    for tissue in ("csf", "white_matter", "global_signal")
    for expansion in EXPANSIONS
]
COMPONENTS = [f"{letter}_comp_cor_{n:02d}" for letter in "acw" for n in range(7)]

Table = dict[str, list[str]]
Write = Callable[[Table], Path]


def a_table(seed: int = 0) -> Table:
    """A table as fMRIPrep 21 writes it, with one non-steady-state volume."""
    rng = np.random.default_rng(seed)
    names = [*TISSUES, "std_dvars", "framewise_displacement", *COMPONENTS]
    names += [f"cosine{n:02d}" for n in range(3)] + MOTION
    names += [f"aroma_motion_{n:02d}" for n in (2, 11)]
    table = {name: [f"{value:.9f}" for value in rng.normal(size=N)] for name in names}
    for name in table:
        if "derivative1" in name or name in ("std_dvars", "framewise_displacement"):
            table[name][0] = "n/a"
    for name in ("std_dvars", "framewise_displacement"):
        table[name][1:] = [f"{abs(float(cell)):.9f}" for cell in table[name][1:]]
    table["non_steady_state_outlier00"] = ["1"] + ["0"] * (N - 1)
    return table


def as_text(table: Table, separator: str = "\t") -> str:
    rows = [list(table), *zip(*table.values(), strict=True)]
    return "".join(separator.join(row) + "\n" for row in rows)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_table(table: Table) -> Path:
        file = tmp_path / "sub-01_task-rest_desc-confounds_timeseries.tsv"
        file.write_text(as_text(table))
        return file

    return write_table


def load(table: Path, strategy: str | Strategy = "36P", sidecar: Path | None = None) -> Confounds:
    chosen = load_strategy(strategy) if isinstance(strategy, str) else strategy
    return load_confounds(table, sidecar, chosen, n_volumes=N)


def flags(confounds: Confounds, method: str) -> list[int]:
    return [int(volume) for volume in np.flatnonzero(dict(confounds.outliers)[method])]


# --- laws


@pytest.mark.parametrize("name", strategy_names())
def test_the_design_is_finite_and_as_long_as_the_run(write: Write, name: str) -> None:
    table, strategy = write(a_table()), load_strategy(name)
    confounds = load_confounds(table, None, strategy, n_volumes=N, may_keep_none=True)
    assert confounds.design.shape == (N, len(confounds.columns))
    assert np.isfinite(confounds.design).all()
    assert len(set(confounds.columns)) == len(confounds.columns)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([*MOTION, *TISSUES]))
def test_the_order_of_columns_in_the_file_changes_no_value(write: Write, order: list[str]) -> None:
    table = a_table()
    straight = load(write(table), "36P")
    shuffled = load(write({name: table[name] for name in order}), "36P")
    assert sorted(shuffled.columns) == sorted(straight.columns)
    for position, name in enumerate(shuffled.columns):
        expected = straight.design[:, straight.columns.index(name)]
        np.testing.assert_array_equal(shuffled.design[:, position], expected)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), fd=st.floats(0.2, 3), dvars=st.floats(0.2, 3))
def test_a_volume_is_kept_when_no_method_flags_it(
    write: Write, seed: int, fd: float, dvars: float
) -> None:
    strategy = load_strategy("none").with_overrides(fd_threshold_mm=fd, std_dvars_threshold=dvars)
    try:
        confounds = load(write(a_table(seed)), strategy)
    except DegreesOfFreedomError:
        return
    flagged = np.any([one for _, one in confounds.outliers], axis=0)
    np.testing.assert_array_equal(confounds.sample_mask, ~flagged)


@pytest.mark.parametrize("name", ["none", "acompcor"])
def test_what_is_saved_is_what_is_loaded(write: Write, tmp_path: Path, name: str) -> None:
    table = a_table()
    if name == "none":
        del table["std_dvars"]
    confounds = load(write(table), name)
    confounds.save(tmp_path / "confounds.npz")
    again = Confounds.load(tmp_path / "confounds.npz")
    for field in ("strategy", "columns", "filled", "warnings"):
        assert getattr(again, field) == getattr(confounds, field)
    for field in ("design", "sample_mask", "fd_mm", "std_dvars"):
        np.testing.assert_array_equal(getattr(again, field), getattr(confounds, field))
    assert [method for method, _ in again.outliers] == [m for m, _ in confounds.outliers]
    assert again.sample_mask.dtype == bool
    assert (again.std_dvars is None) == (name == "none")


# --- columns


def test_columns_follow_the_groups_and_numbers_are_counted(write: Write) -> None:
    table = a_table()
    table["cosine10"], table["cosine9"] = table["csf"], table["csf"]
    columns = load(write(table), "simple").columns
    assert columns[:5] == ("cosine00", "cosine01", "cosine02", "cosine9", "cosine10")
    assert columns[5:9] == tuple(MOTION[:4])
    assert columns[-2:] == ("csf", "white_matter")


def test_non_steady_state_columns_are_not_regressed(write: Write) -> None:
    table = write(a_table())
    for name in map(load_strategy, strategy_names()):
        columns = load_confounds(table, None, name, n_volumes=N, may_keep_none=True).columns
        assert not any("outlier" in column for column in columns)


def test_a_column_that_two_groups_want_comes_once(write: Write) -> None:
    base = load_strategy("none")
    groups = tuple(ColumnGroup(label=text, pattern=text) for text in ("csf", "csf|white_matter"))
    strategy = Strategy(**{**vars(base), "groups": groups})
    assert load(write(a_table()), strategy).columns == ("csf", "white_matter")


def test_the_first_row_takes_the_value_of_the_second(write: Write) -> None:
    table = a_table()
    table["trans_x"][:3] = ["n/a"] * 3
    confounds = load(write(table), "24P")
    column = confounds.design[:, confounds.columns.index("trans_x")]
    assert list(column[:4]) == [float(table["trans_x"][3])] * 4
    derivatives = [name for name in MOTION if "derivative1" in name]
    assert set(confounds.filled) == {"trans_x", *derivatives}


@pytest.mark.parametrize("cell", ["", "NaN", "n/a", "N/A", "NA", "nan", "null", "None", "<NA>"])
def test_every_way_to_write_no_value_is_read(write: Write, cell: str) -> None:
    table = a_table()
    table["csf"][0] = cell
    assert "csf" in load(write(table), "27P").filled


def test_names_of_the_first_fmriprep_are_translated(write: Write) -> None:
    old = {
        "X": "trans_x", "Y": "trans_y", "Z": "trans_z", "RotX": "rot_x", "RotY": "rot_y",
        "RotZ": "rot_z", "CSF": "csf", "WhiteMatter": "white_matter", "stdDVARS": "std_dvars",
        "GlobalSignal": "global_signal", "FramewiseDisplacement": "framewise_displacement",
        "non-stdDVARS": "dvars", "tCompCor03": "t_comp_cor_03", "aCompCor00": "a_comp_cor_00",
        "Cosine01": "cosine01", "NonSteadyStateOutlier00": "non_steady_state_outlier00",
    }  # fmt: skip
    file = write({name: ["n/a"] + ["1"] * (N - 1) for name in old})
    assert list(read_table(file).position) == list(old.values())


def test_numbered_columns_with_an_underscore_are_translated(write: Write) -> None:
    file = write({name: ["1"] for name in ("cosine_00", "non_steady_state_outlier_00")})
    assert list(read_table(file).position) == ["cosine00", "non_steady_state_outlier00"]


def test_a_new_name_wins_over_an_old_one(write: Write) -> None:
    table = a_table() | {"CSF": ["7"] * N}
    confounds = load(write(table), "27P")
    assert confounds.design[1, confounds.columns.index("csf")] == float(table["csf"][1])


def test_old_names_serve_a_strategy_of_the_user(write: Write) -> None:
    group = ColumnGroup(label="motion", pattern="(trans|rot)_[xyz]", count=6)
    strategy = Strategy(**{**vars(load_strategy("none")), "groups": (group,)})
    old = ["X", "Y", "Z", "RotX", "RotY", "RotZ"]
    table = {name: a_table()[new] for name, new in zip(old, AXES, strict=True)}
    assert load(write(table), strategy).columns == AXES


def test_all_missing_columns_are_named_and_what_would_work(write: Write) -> None:
    table = a_table()
    for name in ("csf_power2", "rot_z_derivative1", "global_signal"):
        del table[name]
    with pytest.raises(ConfoundsError) as caught:
        load(write(table), "36P")
    letter = str(caught.value)
    assert "motion: no column ['rot_z_derivative1'];" in letter
    assert "no column ['global_signal', 'csf_power2']." in letter
    assert letter.endswith("this table has all columns for 'aroma', 'baseline', 'none'.")
    assert "sub-01_task-rest_desc-confounds_timeseries.tsv" in letter


def test_what_is_made_of_a_missing_column_is_not_named_too(write: Write) -> None:
    table = {name: cells for name, cells in a_table().items() if "csf" not in name}
    with pytest.raises(ConfoundsError, match=r"no column \['csf'\]"):
        load(write(table), "36P")


def test_names_in_camel_case_that_fmriprep_never_had_are_pointed_out(write: Write) -> None:
    table = {name.replace("trans_x", "transX"): cells for name, cells in a_table().items()}
    with pytest.raises(ConfoundsError, match=r"header in camel case, such as transX\.$"):
        load(write(table), "36P")


def test_the_letter_lists_strategies_that_do_not_need_what_is_missing(write: Write) -> None:
    table = a_table()
    del table["global_signal"]
    with pytest.raises(ConfoundsError, match="columns for '24P', 'acompcor', 'acompcor50', 'aro"):
        load(write(table), "simple+gsr")


def test_a_run_too_short_for_cosines_is_warned_of(write: Write) -> None:
    table = {name: cells for name, cells in a_table().items() if "cosine" not in name}
    confounds = load(write(table), "simple")
    assert confounds.warnings == (
        "sub-01_task-rest_desc-confounds_timeseries.tsv has no column for high-pass.",
    )


@pytest.mark.parametrize("how", ["butterworth", "cosine"])
def test_with_a_filter_that_is_a_high_pass_cosines_leave_the_design(
    write: Write, how: str
) -> None:
    strategy = load_strategy("simple").with_overrides(filter=how, high_pass_hz=0.01)
    run = write(a_table())
    confounds = load_confounds(run, None, strategy, n_volumes=None)
    assert confounds.columns == load(run, "simple").columns[3:]
    assert confounds.warnings == ()


def test_with_a_low_pass_alone_cosines_stay_in_the_design(write: Write) -> None:
    strategy = load_strategy("simple").with_overrides(filter="butterworth", low_pass_hz=0.1)
    columns = load_confounds(write(a_table()), None, strategy, n_volumes=None).columns
    assert columns[0] == "cosine00"


# --- CompCor


def masks(table: Table, n_csf: int = 2) -> dict[str, dict[str, str]]:
    names = [name for name in table if name.startswith("a_comp_cor")]
    return {name: {"Mask": "CSF" if number < n_csf else "WM"} for number, name in enumerate(names)}


def before_21() -> Table:
    named = ("w_comp_cor", "c_comp_cor")
    return {name: cells for name, cells in a_table().items() if not name.startswith(named)}


def test_since_21_the_name_says_the_mask(write: Write) -> None:
    columns = load(write(a_table()), "acompcor").columns
    assert columns[-10:] == (
        *(f"w_comp_cor_0{n}" for n in range(5)),
        *(f"c_comp_cor_0{n}" for n in range(5)),
    )


def test_before_21_the_json_says_the_mask(write: Write, tmp_path: Path) -> None:
    table, sidecar = before_21(), tmp_path / "confounds.json"
    sidecar.write_text(json.dumps(masks(table)))
    confounds = load(write(table), "acompcor", sidecar)
    assert confounds.columns[-7:-2] == tuple(f"a_comp_cor_0{n}" for n in range(2, 7))
    assert confounds.columns[-2:] == ("a_comp_cor_00", "a_comp_cor_01")
    assert "has 2 columns only for cerebrospinal fluid components" in confounds.warnings[0]


def test_before_21_without_the_json_there_is_no_guess(write: Write) -> None:
    with pytest.raises(ConfoundsError) as caught:
        load(write(before_21()), "acompcor")
    expected = "associated json file, sub-01_task-rest_desc-confounds_timeseries.json."
    assert expected in str(caught.value)
    assert "'24P', '27P', '36P', 'aroma', 'aroma_gsr', 'baseline', 'gsr_only', 'none'" in str(
        caught.value
    )


def test_a_component_without_a_mask_is_named(write: Write, tmp_path: Path) -> None:
    table, sidecar = before_21(), tmp_path / "confounds.json"
    known = masks(table)
    del known["a_comp_cor_03"]
    sidecar.write_text(json.dumps(known))
    with pytest.raises(ConfoundsError, match=r"has no 'Mask' for a_comp_cor_03"):
        load(write(table), "acompcor", sidecar)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, "\udcff"])
def test_a_broken_json_is_named_only_where_it_is_needed(
    write: Write, tmp_path: Path, content: str
) -> None:
    sidecar = tmp_path / "broken.json"
    sidecar.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfoundsError, match=r"broken\.json"):
        load(write(before_21()), "acompcor", sidecar)
    assert load(write(before_21()), "36P", sidecar).columns
    assert load(write(a_table()), "acompcor", sidecar).columns
    table = before_21()
    del table["csf"]
    with pytest.raises(ConfoundsError, match=r"strategy simple cannot be used.* no column .'csf'"):
        load(write(table), "simple", sidecar)


# --- volumes


def test_the_flagged_first_volumes_are_left_out(write: Write) -> None:
    table = a_table() | {"non_steady_state_outlier01": ["0", "1"] + ["0"] * (N - 2)}
    confounds = load(write(table), "none")
    assert flags(confounds, "non_steady_state") == [0, 1]
    assert list(np.flatnonzero(~confounds.sample_mask)) == [0, 1]


def test_a_number_of_dummy_scans_replaces_the_flags(write: Write) -> None:
    for n_dummies in (0, 3):
        strategy = load_strategy("none").with_overrides(dummy_scans=n_dummies)
        confounds = load(write(a_table()), strategy)
        assert flags(confounds, "non_steady_state") == list(range(n_dummies))


def test_thresholds_are_strict_and_the_first_volume_is_not_flagged(write: Write) -> None:
    table = a_table()
    table["framewise_displacement"] = ["n/a", "0.5", "0.500001"] + ["0.1"] * (N - 3)
    table["std_dvars"] = ["n/a"] + ["1.0"] * (N - 2) + ["1.6"]
    strategy = load_strategy("none").with_overrides(fd_threshold_mm=0.5, std_dvars_threshold=1.5)
    confounds = load(write(table), strategy)
    assert [method for method, _ in confounds.outliers] == [
        "non_steady_state",
        "framewise_displacement",
        "std_dvars",
    ]
    assert flags(confounds, "framewise_displacement") == [2]
    assert flags(confounds, "std_dvars") == [N - 1]
    assert confounds.fd_mm is not None
    assert np.isnan(confounds.fd_mm[0])


def test_short_segments_are_a_method_of_their_own(write: Write) -> None:
    table = a_table()
    table["framewise_displacement"] = ["n/a"] + ["0.1"] * (N - 1)
    for volume in (20, 24):
        table["framewise_displacement"][volume] = "0.9"
    strategy = load_strategy("none").with_overrides(fd_threshold_mm=0.5, min_segment_volumes=5)
    assert flags(load(write(table), strategy), "short_segment") == [21, 22, 23]


def test_fd_without_a_threshold_is_only_reported(write: Write) -> None:
    table = a_table()
    table["framewise_displacement"][5] = "n/a"
    confounds = load(write(table), "none")
    assert [method for method, _ in confounds.outliers] == ["non_steady_state"]
    assert confounds.fd_mm is not None
    del table["framewise_displacement"], table["std_dvars"]
    confounds = load(write(table), "none")
    assert confounds.fd_mm is None
    assert confounds.std_dvars is None


@pytest.mark.parametrize("column", ["framewise_displacement", "std_dvars"])
def test_a_threshold_needs_its_column(write: Write, column: str) -> None:
    table = a_table()
    option = {"framewise_displacement": "fd_threshold_mm", "std_dvars": "std_dvars_threshold"}
    strategy = load_strategy("none").with_overrides(**{option[column]: 0.5})  # type: ignore[arg-type]
    table[column][9] = "n/a"
    with pytest.raises(ConfoundsError, match=rf"row 10 \(line 11\), column {column}: found n/a"):
        load(write(table), strategy)
    del table[column]
    with pytest.raises(
        ConfoundsError, match=rf"no column {column}, so volumes cannot be censored"
    ):
        load(write(table), strategy)


def test_a_run_without_a_volume_left_is_an_error(write: Write) -> None:
    table = a_table()
    table["framewise_displacement"] = ["n/a"] + ["9"] * (N - 1)
    strategy = load_strategy("36P").with_overrides(fd_threshold_mm=0.5)
    with pytest.raises(DegreesOfFreedomError) as caught:
        load(write(table), strategy)
    assert "strategy 36P keeps 0 of 40 volumes" in str(caught.value)
    assert "framewise_displacement 39 (thresholds: FD 0.5 mm" in str(caught.value)


# --- damaged tables


def with_cell(column: str, row: int, cell: str) -> str:
    table = a_table()
    table[column][row] = cell
    return as_text(table)


DAMAGED = {
    "text": (with_cell("csf", 4, "abc"), r"row 5 \(line 6\), column csf: found 'abc', expected a"),
    "inf": (with_cell("csf", 4, "inf"), r"row 5 \(line 6\), column csf: found 'inf'"),
    "too large": (with_cell("csf", 4, "1e999"), "column csf: found '1e999'"),
    "underscore": (with_cell("csf", 4, "1_0"), "column csf: found '1_0'"),
    "decimal comma": (with_cell("csf", 4, "0,25"), "found '0,25'.*decimal comma.*spreadsheet"),
    "n/a inside": (with_cell("csf", 4, "n/a"), r"row 5 \(line 6\), column csf: found n/a. Only"),
    "n/a at the end": (with_cell("csf", N - 1, "n/a"), rf"row {N} .* column csf: found n/a"),
    "n/a column": (as_text(a_table() | {"csf": ["n/a"] * N}), "column csf is n/a in every row"),
    "commas": (as_text(a_table(), ","), "separated by commas, expected tabs"),
    "semicolons": (as_text(a_table(), ";"), "separated by semicolons"),
    "spaces": (as_text(a_table(), " "), "separated by spaces, expected tabs"),
    "no header": (as_text(a_table()).partition("\n")[2], "contains no header.*trans_x"),
    "row names": (
        re.sub("\n(?!$)", "\n1\t", as_text(a_table())),
        "has 66 cells, but the header has 65. .*row.names = FALSE",
    ),
    "empty": ("", "the confounds table is empty"),
    "blank": ("\n\n", "the confounds table is empty"),
    "header only": (as_text({name: [] for name in a_table()}), "has a header, but no rows"),
    "twice": (as_text(a_table()).replace("cosine00", "csf", 1), "one column is called 'csf'"),
    "ragged": (
        as_text(a_table()).replace("\n", "\t1\n", 8).replace("\t1\n", "\n", 7),
        r"row 7 \(line 8\) has 66 cells, but the header has 65",
    ),
    "blank line inside": (as_text(a_table()).replace("\n", "\n\n", 1), r"row 1 \(line 2\) has 1 "),
    "pointer": ("/annex/objects/MD5E-s1--0.tsv\n", "git-annex pointer.*datalad get"),
}


@pytest.mark.parametrize(("content", "letter"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_table_gets_a_letter(tmp_path: Path, content: str, letter: str) -> None:
    file = tmp_path / "damaged.tsv"
    file.write_text(content)
    with pytest.raises(ConfoundsError, match=rf"(?s)damaged\.tsv.*{letter}"):
        load(file, "36P")


def test_two_columns_of_one_name_cost_only_who_uses_them(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text(as_text(a_table()).replace("cosine00", "csf", 1))
    assert load(file, "24P").design.shape == (N, 24)


def test_a_bad_cell_in_a_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text(with_cell("cosine01", 4, "abc"))
    assert load(file, "36P").columns


@pytest.mark.parametrize("n_volumes", [N - 1, N + 1])
def test_rows_and_volumes_must_agree(write: Write, n_volumes: int) -> None:
    with pytest.raises(
        ConfoundsError, match=f"{N} rows, but the BOLD run has {n_volumes} volumes"
    ):
        load_confounds(write(a_table()), None, load_strategy("none"), n_volumes=n_volumes)


def test_a_table_saved_by_a_spreadsheet_reads_the_same(write: Write, tmp_path: Path) -> None:
    file = write(a_table())
    saved = tmp_path / "saved.tsv"
    saved.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(load(saved).design, load(file).design)
    assert load(saved).columns == load(file).columns


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub("$", "\t", text.rstrip("\n"), flags=re.MULTILINE),
        lambda text: text.replace("\n", "\t\t\n"),
        lambda text: text.replace("\n", "\t\n", 1),
        lambda text: text.replace("\n", "\t\n").replace("\t\n", "\n", 1),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\n".join(
            "\t".join(f'"{cell}"' for cell in line.split("\t")) for line in text.splitlines()
        ),
        lambda text: text.replace("\t", " \t "),
        lambda text: f"{text}\n\n",
    ],
    ids=["tab", "tabs", "in the header", "in the rows", "cr", "quotes", "blanks", "lines"],
)
def test_what_surrounds_the_cells_means_nothing(
    write: Write, tmp_path: Path, change: Callable[[str], str]
) -> None:
    file = write(a_table())
    changed = tmp_path / "changed.tsv"
    changed.write_text(change(file.read_text()), newline="")
    np.testing.assert_array_equal(load(changed).design, load(file).design)
    assert load(changed).columns == load(file).columns


def test_an_empty_last_cell_is_a_value_that_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text("csf\twhite_matter\n1\t\n2\t5\n")
    assert read_table(file).cells == [["1", ""], ["2", "5"]]


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfoundsError, match=r"gone\.tsv: cannot be read: No such file"):
        load(tmp_path / "gone.tsv")
    (tmp_path / "link.tsv").symlink_to(tmp_path / "gone.tsv")
    with pytest.raises(ConfoundsError, match=r"link\.tsv: a broken link.*datalad get"):
        load(tmp_path / "link.tsv")
    (tmp_path / "binary.tsv").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ConfoundsError, match=r"binary\.tsv: not a text file in UTF-8"):
        load(tmp_path / "binary.tsv")
    with pytest.raises(ConfoundsError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_table_that_is_too_large_is_not_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bidsmask.dataset.confounds_table.MAX_TABLE_BYTES", 1000)
    with pytest.raises(ConfoundsError, match="larger than"):
        load(write(a_table()))


def test_a_hostile_header_stays_out_of_the_message(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text("\t".join(["x" * 100_000] * 2) + "\n1\t1\n")
    with pytest.raises(ConfoundsError) as caught:
        load(file)
    assert len(str(caught.value)) < 1000


# --- real tables, and nilearn as oracle


REAL_TABLES = {
    "ds000031_sub-01_ses-002_task-rest_run-001_desc-confounds_timeseries.tsv": {
        "none",
        "baseline",
        "gsr_only",
    },
    "no_nonsteady_desc-confounds_regressors.tsv": {
        name for name in strategy_names() if "compcor" not in name
    },
    "test-v21_desc-confounds_timeseries.tsv": set(strategy_names()) - {"aroma", "aroma_gsr"},
    "test_desc-confounds_regressors.tsv": set(strategy_names()),
}


def real(name: str) -> tuple[Path, Path | None, int]:
    table = REAL / name
    sidecar = table.with_suffix(".json")
    return table, sidecar if sidecar.exists() else None, len(table.read_text().splitlines()) - 1


@pytest.mark.real
@needs_real_tables
@pytest.mark.parametrize("name", REAL_TABLES)
@pytest.mark.parametrize("strategy", strategy_names())
def test_every_strategy_works_on_every_table_that_has_its_columns(
    name: str, strategy: str
) -> None:
    table, sidecar, n_volumes = real(name)
    chosen = load_strategy(strategy)
    if strategy in REAL_TABLES[name]:
        confounds = load_confounds(table, sidecar, chosen, n_volumes=n_volumes, may_keep_none=True)
        assert np.isfinite(confounds.design).all()
    else:
        with pytest.raises(ConfoundsError, match="cannot be used"):
            load_confounds(table, sidecar, chosen, n_volumes=n_volumes)


@pytest.fixture
def bold(tmp_path: Path) -> Callable[[Path, Path | None], Path]:
    """A BOLD file name beside a confounds table, as nilearn wants it."""

    def place(table: Path, sidecar: Path | None = None) -> Path:
        suffix = table.name.rpartition("_")[2]
        target = tmp_path / f"sub-02_task-rest_desc-confounds_{suffix}"
        shutil.copy(table, target)
        if sidecar is not None:
            shutil.copy(sidecar, target.with_suffix(".json"))
        image = tmp_path / "sub-02_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
        image.touch()
        return image

    return place


@pytest.mark.real
@needs_real_tables
@pytest.mark.parametrize("name", [name for name, fit in REAL_TABLES.items() if "simple" in fit])
@pytest.mark.parametrize("strategy", ["simple", "simple+gsr"])
def test_simple_has_the_columns_and_volumes_of_nilearn(
    bold: Callable[[Path, Path | None], Path], name: str, strategy: str
) -> None:
    table, sidecar, n_volumes = real(name)
    ours = load_confounds(table, sidecar, load_strategy(strategy), n_volumes=n_volumes)
    gsr = {"global_signal": "basic"} if "gsr" in strategy else {}
    theirs, kept = fmriprep.load_confounds_strategy(
        str(bold(table, sidecar)), denoise_strategy="simple", demean=False, **gsr
    )
    assert sorted(ours.columns) == sorted(theirs.columns)
    # old versions of pandas read the last bit of a number otherwise
    np.testing.assert_allclose(ours.design, theirs[list(ours.columns)].to_numpy(), rtol=1e-14)
    expected = np.ones(n_volumes, dtype=bool)
    if kept is not None:
        expected[:] = False
        expected[kept] = True
    np.testing.assert_array_equal(ours.sample_mask, expected)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 9999), fd=st.floats(1.5, 3), dvars=st.floats(1.5, 3))
def test_censored_volumes_are_those_of_nilearn(
    write: Write, bold: Callable[[Path], Path], seed: int, fd: float, dvars: float
) -> None:
    file = write(a_table(seed))
    strategy = load_strategy("simple").with_overrides(
        fd_threshold_mm=fd, std_dvars_threshold=dvars, min_segment_volumes=5
    )
    try:
        ours = load(file, strategy).sample_mask
    except DegreesOfFreedomError:
        return
    _, kept = fmriprep.load_confounds(
        str(bold(file)),
        strategy=("motion", "high_pass", "wm_csf", "scrub"),
        scrub=5,
        fd_threshold=fd,
        std_dvars_threshold=dvars,
    )
    np.testing.assert_array_equal(np.flatnonzero(ours), kept)


@pytest.mark.real
@needs_real_tables
@pytest.mark.parametrize("fd", [0.1, 0.2, 0.5])
def test_censored_volumes_of_a_real_table_are_those_of_nilearn(
    bold: Callable[[Path, Path | None], Path], fd: float
) -> None:
    table, sidecar, n_volumes = real("test_desc-confounds_regressors.tsv")
    strategy = load_strategy("simple").with_overrides(
        fd_threshold_mm=fd, std_dvars_threshold=1.5, min_segment_volumes=5
    )
    ours = load_confounds(table, sidecar, strategy, n_volumes=n_volumes)
    _, kept = fmriprep.load_confounds(
        str(bold(table, sidecar)),
        strategy=("motion", "high_pass", "wm_csf", "scrub"),
        scrub=5,
        fd_threshold=fd,
        std_dvars_threshold=1.5,
    )
    np.testing.assert_array_equal(np.flatnonzero(ours.sample_mask), kept)
