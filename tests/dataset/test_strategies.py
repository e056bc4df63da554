"""Confound strategies: ours, those of a user, and what the command line changes in them."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.entities import is_label
from bidsmask.dataset.strategies import ColumnGroup, Strategy, TableQuery, label_of
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import StrategyError
from bidsmask.numerics.censoring import CensoringParameters

AXES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
MOTION = {axis + expansion for axis in AXES for expansion in EXPANSIONS}
TISSUES = {
    tissue + expansion
    for tissue in ("csf", "white_matter", "global_signal")
    for expansion in EXPANSIONS
}
OTHERS = {
    *(f"{letter}_comp_cor_0{n}" for letter in "acwt" for n in range(7)),
    *(f"cosine0{n}" for n in range(4)),
    *(f"motion_outlier0{n}" for n in range(4)),
    "non_steady_state_outlier00",
    "framewise_displacement",
    "std_dvars",
    "dvars",
    "rmsd",
    "csf_wm",
    "tcompcor",
}


def a_strategy() -> dict[str, object]:
    return {
        "name": "mine",
        "description": "Six motion\nparameters.",
        "columns": [{"label": "motion", "pattern": "(trans|rot)_[xyz]", "count": 6}],
    }


def written(folder: Path, content: object) -> Path:
    file = folder / "mine.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def columns_of(strategy: Strategy) -> set[str]:
    table = MOTION | TISSUES | OTHERS
    return {name for name in table for group in strategy.groups if group.matches(name)}


# --- laws


@pytest.mark.parametrize("name", strategy_names())
def test_a_strategy_is_called_like_its_file(name: str) -> None:
    assert load_strategy(name).name == name


@pytest.mark.parametrize("name", strategy_names())
def test_overriding_nothing_changes_nothing(name: str) -> None:
    assert load_strategy(name).with_overrides() == load_strategy(name)


@pytest.mark.parametrize("name", strategy_names())
def test_no_strategy_regresses_an_outlier_column(name: str) -> None:
    assert not any("outlier" in column for column in columns_of(load_strategy(name)))


@pytest.mark.parametrize("name", strategy_names())
def test_columns_are_counted_as_they_are_matched(name: str) -> None:
    for group in load_strategy(name).groups:
        matched = {column for column in MOTION | TISSUES | OTHERS if group.matches(column)}
        assert group.count in (None, len(matched))


@given(st.text(alphabet="aB3+_.", min_size=1))
def test_every_name_that_is_accepted_has_a_label_of_bids(name: str) -> None:
    content = a_strategy() | {"name": name}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bidsmask.dataset.strategy_files._parse", lambda _: content)
        if any(letter in "aB3" for letter in name):
            strategy = load_strategy("not-there.yaml")
            assert strategy.name == name
            assert is_label(strategy.label)
        else:
            with pytest.raises(StrategyError, match="name: found"):
                load_strategy("not-there.yaml")


@given(st.from_regex(r"[0-9a-zA-Z+]+", fullmatch=True))
def test_a_name_that_is_a_label_of_bids_is_its_own(name: str) -> None:
    assert label_of(name) == name


def test_no_two_strategies_have_one_label() -> None:
    assert len(set(map(label_of, strategy_names()))) == len(strategy_names())


@given(
    fd=st.one_of(st.none(), st.floats(0.1, 5)),
    dummies=st.one_of(st.just("auto"), st.integers(0, 9)),
    standardize=st.sampled_from(["zscore", "psc", "none"]),
)
def test_what_is_overridden_is_what_is_used(
    fd: float | None, dummies: int | str, standardize: str
) -> None:
    strategy = load_strategy("36P").with_overrides(
        fd_threshold_mm=fd,
        dummy_scans=dummies,  # type: ignore[arg-type]
        standardize=standardize,  # type: ignore[arg-type]
    )
    assert strategy.censoring == CensoringParameters(fd_threshold_mm=fd, dummy_scans=dummies)  # type: ignore[arg-type]
    assert strategy.cleaning.standardize == standardize
    assert strategy.cleaning.low_pass_hz == 0.08


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_a_value_of_any_other_kind_gets_a_letter(value: object) -> None:
    content = yaml.safe_dump(a_strategy() | {"columns": value})
    folder = Path(__file__).parent  # nothing is written: only the parsed content matters
    file = folder / "not-there.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bidsmask.dataset.strategy_files._parse", lambda _: yaml.safe_load(content))
        if value == []:
            assert load_strategy(file).groups == ()
        else:
            with pytest.raises(StrategyError, match=r"not-there\.yaml: .*columns"):
                load_strategy(file)


# --- the strategies that come along


def test_the_strategies_are_these() -> None:
    of_xcpd = {"24P", "27P", "36P", "acompcor", "acompcor_gsr", "aroma", "aroma_gsr", "gsr_only"}
    of_giga = {"simple", "scrubbing.2", "scrubbing.5", "acompcor50", "icaaroma"}
    of_giga |= {"simple+gsr", "scrubbing.2+gsr", "scrubbing.5+gsr"}
    of_nilearn = {"simple", "scrubbing", "compcor"}  # and icaaroma
    assert set(strategy_names()) == of_xcpd | of_giga | of_nilearn | {"none", "baseline"}


def test_listing_the_strategies_does_not_wait_for_numpy_or_yaml() -> None:
    code = (
        "import sys; from bidsmask.dataset.data import strategy_names; strategy_names(); "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'scipy', 'yaml', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_24p_is_friston_expansion() -> None:
    assert columns_of(load_strategy("24P")) == MOTION


def test_27p_adds_the_tissue_and_global_means() -> None:
    expected = MOTION | {"csf", "white_matter", "global_signal"}
    assert columns_of(load_strategy("27P")) == expected


def test_36p_expands_the_tissue_and_global_means() -> None:
    assert columns_of(load_strategy("36P")) == MOTION | TISSUES


OF_XCPD = ["24P", "27P", "36P", "acompcor", "acompcor_gsr", "aroma", "aroma_gsr", "gsr_only"]


@pytest.mark.parametrize("name", OF_XCPD)
def test_the_strategies_of_xcpd_filter_as_published(name: str) -> None:
    cleaning = load_strategy(name).cleaning
    assert (cleaning.filter, cleaning.high_pass_hz, cleaning.low_pass_hz) == (
        "butterworth",
        0.01,
        0.08,
    )


@pytest.mark.parametrize("name", sorted(set(strategy_names()) - set(OF_XCPD)))
def test_all_others_have_no_filter_of_their_own(name: str) -> None:
    assert load_strategy(name).cleaning.filter == "none"


def test_simple_and_its_twin_differ_by_the_global_signal() -> None:
    simple, with_gsr = load_strategy("simple"), load_strategy("simple+gsr")
    assert columns_of(with_gsr) - columns_of(simple) == {"global_signal"}
    assert columns_of(simple) == MOTION | {"csf", "white_matter"} | {
        f"cosine0{n}" for n in range(4)
    }


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        *[(name, f"{name}+gsr") for name in ("simple", "scrubbing.2", "scrubbing.5")],
        *[(name, f"{name}_gsr") for name in ("acompcor", "aroma")],
    ],
)
def test_a_strategy_and_its_twin_differ_by_the_global_signal(name: str, twin: str) -> None:
    without, with_gsr = load_strategy(name), load_strategy(twin)
    added = [group for group in with_gsr.groups if group not in without.groups]
    assert [group.pattern for group in added] == ["global_signal"]
    assert (without.censoring, without.cleaning) == (with_gsr.censoring, with_gsr.cleaning)
    assert with_gsr.wants("global_signal")
    assert not without.wants("global_signal")


@pytest.mark.parametrize(
    ("name", "limits"),
    [("scrubbing", (0.5, 1.5)), ("scrubbing.5", (0.5, None)), ("scrubbing.2", (0.2, None))],
)
def test_scrubbing_leaves_out_what_its_name_says(name: str, limits: tuple[float, float]) -> None:
    censoring = load_strategy(name).censoring
    assert (censoring.fd_threshold_mm, censoring.std_dvars_threshold) == limits
    assert censoring.min_segment_volumes == 5


@pytest.mark.parametrize("asked", ["ica_aroma", "acompcorgsr", "scrubbingp5+gsr", "gsronly"])
def test_a_strategy_may_be_asked_for_by_its_label(asked: str) -> None:
    assert label_of(load_strategy(asked).name) == label_of(asked)


def test_rapidtide_is_left_out_by_name_and_says_what_to_do_instead() -> None:
    with pytest.raises(StrategyError, match=r"every voxel.*lfofilterCleaned.*choose 24P"):
        load_strategy("rapidtide+24P")


def test_none_has_no_columns() -> None:
    assert load_strategy("none").groups == ()
    assert load_strategy("none").cleaning.detrend


def test_acompcor_takes_five_components_of_each_mask() -> None:
    components = [group for group in load_strategy("acompcor").groups if group.mask]
    assert [(group.mask, group.limit) for group in components] == [("WM", 5), ("CSF", 5)]


@pytest.mark.parametrize(
    ("name", "doi"),
    [
        ("24P", "10.1002/mrm.1910350312"),
        ("27P", "10.1016/j.neuroimage.2017.03.020"),
        ("36P", "10.1016/j.neuroimage.2012.08.052"),
        ("acompcor", "10.1016/j.neuroimage.2007.04.042"),
        ("none", "10.1016/j.neuroimage.2017.12.073"),
        ("simple", "10.1371/journal.pcbi.1011942"),
        ("simple+gsr", "10.1371/journal.pcbi.1011942"),
        ("baseline", "10.1371/journal.pcbi.1011942"),
        ("scrubbing", "10.1016/j.neuroimage.2011.10.018"),
        ("scrubbing.2+gsr", "10.1371/journal.pcbi.1011942"),
        ("acompcor50", "10.1016/j.neuroimage.2014.03.028"),
        ("aroma", "10.1016/j.neuroimage.2015.02.064"),
        ("aroma_gsr", "10.1162/imag_a_00257"),
    ],
)
def test_each_strategy_says_what_to_cite(name: str, doi: str) -> None:
    assert load_strategy(name).reference.doi == doi


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(StrategyError, match=r"'36p'. Did you mean '36P'\? Strategies are: 24P, "):
        load_strategy("36p")


@pytest.mark.parametrize("name", ["../data/strategies/24P", "", ".", "/etc/passwd"])
def test_a_name_is_not_a_way_out_of_the_folder(name: str) -> None:
    with pytest.raises(StrategyError):
        load_strategy(name)


# --- a user's own


def test_a_users_file_is_read_like_ours(tmp_path: Path) -> None:
    strategy = load_strategy(written(tmp_path, a_strategy()))
    assert strategy.name == "mine"
    assert strategy.description == "Six motion parameters."
    assert strategy.reference.text == "Strategy of the user (mine.yaml)"
    assert strategy.reference.doi is None
    assert strategy.groups == (ColumnGroup(label="motion", pattern="(trans|rot)_[xyz]", count=6),)
    assert strategy.censoring == CensoringParameters()


@pytest.mark.parametrize("bridge", ["linear", "nilearn"])
@pytest.mark.parametrize("ends", ["even", "nilearn", "xcpd"])
def test_a_file_may_say_how_the_filter_treats_ends_and_gaps(
    tmp_path: Path, ends: str, bridge: str
) -> None:
    cleaning = {"filter": "butterworth", "low_pass_hz": 0.1, "filter_ends": ends, "bridge": bridge}
    strategy = load_strategy(written(tmp_path, a_strategy() | {"cleaning": cleaning}))
    assert (strategy.cleaning.filter_ends, strategy.cleaning.bridge) == (ends, bridge)


def test_the_path_may_be_a_text(tmp_path: Path) -> None:
    file = written(tmp_path, a_strategy())
    assert load_strategy(str(file)) == load_strategy(file)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump(a_strategy()).encode())
    assert load_strategy(file).name == "mine"


LETTERS = {
    "unknown key": ({"columms": []}, r"the file: unknown key 'columms'. Did you mean 'columns'\?"),
    "unknown parameter": (
        {"cleaning": {"highpass": 0.01}},
        r"cleaning: unknown key 'highpass'. Did you mean 'high_pass_hz'\? Keys are: detrend, ",
    ),
    "unknown group key": (
        {"columns": [{"label": "a", "pattern": "b", "regex": "c"}]},
        "columns, item 1: unknown key 'regex'",
    ),
    "name with a dash": ({"name": "my-own"}, "name: found 'my-own', expected letters, digits"),
    "name without a label": ({"name": "_+_"}, r"name: found '_\+_', expected letters, digits"),
    "name is a number": ({"name": 24}, "name: found 24, expected a text"),
    "bad pattern": (
        {"columns": [{"label": "a", "pattern": "(rot"}]},
        r"columns, item 1: pattern: found '\(rot', expected a regular expression, but: missing",
    ),
    "count is true": (
        {"columns": [{"label": "a", "pattern": "b", "count": True}]},
        "count: found True, expected a whole number above 0",
    ),
    "optional is a text": (
        {"columns": [{"label": "a", "pattern": "b", "optional": "maybe"}]},
        "optional: found 'maybe', expected true or false",
    ),
    "mask is unknown": (
        {"columns": [{"label": "a", "pattern": "b", "mask": "GM"}]},
        "mask: found 'GM', expected WM, CSF or combined",
    ),
    "variance is in percent": (
        {"columns": [{"label": "a", "pattern": "b", "variance": 50}]},
        r"variance: found 50, expected a share above 0 and up to 1 \(0.5: half of the variance\)",
    ),
    "retained is a mask": (
        {"columns": [{"label": "a", "pattern": "b", "retained": "WM"}]},
        "retained: found 'WM', expected true or false",
    ),
    "table is a text": (
        {"columns": [{"label": "a", "pattern": "b", "table": "aroma"}]},
        "columns, item 1: table: expected 'key: value' lines, found 'aroma'",
    ),
    "table has a query": (
        {"columns": [{"label": "a", "pattern": "b", "table": {"query": {"desc": "aroma"}}}]},
        "columns, item 1: table: unknown key 'query'",
    ),
    "table without desc": (
        {"columns": [{"label": "a", "pattern": "b", "table": {"suffix": "mixing"}}]},
        "columns, item 1: table: desc: found None, expected a label, such as aroma",
    ),
    "table of a participant": (
        {"columns": [{"label": "a", "pattern": "b", "table": {"desc": "x", "sub": "01"}}]},
        "table: sub: found '01', expected nothing: it is that of the BOLD",
    ),
    "table with a label that is none": (
        {"columns": [{"label": "a", "pattern": "b", "table": {"desc": "x", "acq": 1.5}}]},
        'columns, item 1: table: "acq" cannot be 1.5',
    ),
    "class that no table has": (
        {"columns": [{"label": "a", "table": {"desc": "ICA"}, "classification": "bad"}]},
        "classification: found 'bad', expected rejected or accepted",
    ),
    "class without a table": (
        {"columns": [{"label": "a", "pattern": "b", "classification": "rejected"}]},
        "columns, item 1: a: classification has no effect without table",
    ),
    "regression is misspelt": (
        {"columns": [{"label": "a", "pattern": "b", "regression": "non-aggressive"}]},
        "regression: found 'non-aggressive', expected aggressive, orthogonalised or nonaggressive",
    ),
    "nothing is accepted": (
        {"columns": [{"label": "a", "pattern": "b", "regression": "nonaggressive"}]},
        "the regression nonaggressive spares what is accepted; give classification: rejected, or",
    ),
    "accepted without effect": (
        {"columns": [{"label": "a", "pattern": "b", "accepted": "c"}]},
        "columns, item 1: a: accepted has no effect with the regression aggressive",
    ),
    "bad pattern of what is accepted": (
        {
            "columns": [
                {"label": "a", "pattern": "b", "accepted": "(", "regression": "orthogonalised"}
            ]
        },
        r"accepted: found '\(', expected a regular expression",
    ),
    "group is a text": ({"columns": ["rot_x"]}, "columns, item 1: expected 'key: value' lines"),
    "columns are a text": ({"columns": "rot_x"}, "columns: found 'rot_x', expected a list"),
    "filter is unknown": ({"cleaning": {"filter": "fir"}}, "cleaning: filter must be one of"),
    "ends are unknown": ({"cleaning": {"filter_ends": "odd"}}, "filter_ends must be one of even"),
    "bridge is a number": ({"cleaning": {"bridge": 3}}, "bridge: found 3, expected linear, nil"),
    "threshold is a text": (
        {"censoring": {"fd_threshold_mm": "0,5"}},
        r"censoring: fd_threshold_mm: found '0,5', expected a number \(mm\), or null",
    ),
    "threshold is negative": ({"censoring": {"fd_threshold_mm": -1}}, "censoring: fd_threshold"),
    "cut-off without filter": (
        {"cleaning": {"high_pass_hz": 0.01}},
        "cleaning: Cut-off frequencies have no effect",
    ),
    "segments without threshold": (
        {"censoring": {"min_segment_volumes": 5}},
        r"min_segment_volumes \(5\) has no effect without",
    ),
    "BOLD is no label": (
        {"bold_desc": "pre-proc"},
        "bold_desc: found 'pre-proc', expected a list",
    ),
    "doi is an address": (
        {"reference": {"text": "x", "doi": "https://doi.org/10.1/x"}},
        "reference: doi: found 'https://doi.org/10.1/x', expected a DOI such as",
    ),
    "reference without text": ({"reference": {}}, "reference: text is missing"),
}


@pytest.mark.parametrize(("change", "letter"), LETTERS.values(), ids=LETTERS.keys())
def test_a_badly_written_strategy_gets_a_letter(
    tmp_path: Path, change: dict[str, object], letter: str
) -> None:
    with pytest.raises(StrategyError, match=letter):
        load_strategy(written(tmp_path, a_strategy() | change))


@pytest.mark.parametrize("key", ["name", "description", "columns"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    content = a_strategy()
    del content[key]
    with pytest.raises(StrategyError, match=rf"mine.yaml: the file: {key} is missing"):
        load_strategy(written(tmp_path, content))


@pytest.mark.parametrize("content", ["", "[]", "just words", "1"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(StrategyError, match="expected 'key: value' lines"):
        load_strategy(written(tmp_path, content))


@pytest.mark.parametrize(
    "content", ["{", "a: [", "\x00", "!!python/object/apply:os.system [id]", "- " * 40_000]
)
def test_what_is_not_plain_yaml_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(StrategyError, match="not YAML that can be read"):
        load_strategy(written(tmp_path, content))


def test_an_alias_bomb_neither_hangs_nor_fills_the_message(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(StrategyError) as caught:
        load_strategy(written(tmp_path, "\n".join([*lines, "name: *a19"])))
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="larger than 1 MB"):
        load_strategy(written(tmp_path, "#" * 1_000_001))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match=r"other\.yaml: the strategy cannot be read: No such"):
        load_strategy(tmp_path / "other.yaml")


def test_a_group_may_come_from_another_table(tmp_path: Path) -> None:
    group = {
        "label": "rejected",
        "table": {"dataset": "tedana", "description": "ICA", "suffix": "mixing", "echo": None},
        "classification": "rejected",
        "regression": "orthogonalised",
    }
    strategy = load_strategy(written(tmp_path, a_strategy() | {"columns": [group]}))
    (read,) = strategy.groups
    assert read.table == TableQuery(
        dataset="tedana", criteria=(("echo", None), ("desc", "ICA"), ("suffix", "mixing"))
    )
    assert (read.pattern, read.classification, read.regression) == (
        ".*",
        "rejected",
        "orthogonalised",
    )
    assert list(map(str, strategy.tables)) == [
        "desc-ICA_mixing.tsv",
        "desc-tedana_metrics.tsv",
    ]


def test_a_table_is_of_time_series_unless_it_is_said(tmp_path: Path) -> None:
    group = {"label": "a", "pattern": "b", "table": {"desc": "aroma"}}
    strategy = load_strategy(written(tmp_path, a_strategy() | {"columns": [group]}))
    assert str(strategy.tables[0]) == "desc-aroma_timeseries.tsv"


# --- what the command line changes


def test_another_filter_drops_the_cutoffs_it_cannot_use() -> None:
    cleaning = load_strategy("36P").with_overrides(filter="none").cleaning
    assert (cleaning.high_pass_hz, cleaning.low_pass_hz) == (None, None)
    cleaning = load_strategy("36P").with_overrides(filter="cosine").cleaning
    assert (cleaning.high_pass_hz, cleaning.low_pass_hz) == (0.01, None)


def test_a_given_cutoff_without_effect_is_refused() -> None:
    with pytest.raises(StrategyError, match=r"Strategy simple cannot be used .* no effect"):
        load_strategy("simple").with_overrides(high_pass_hz=0.01)
    with pytest.raises(StrategyError, match="Strategy 36P"):
        load_strategy("36P").with_overrides(filter="none", low_pass_hz=0.1)


def test_a_cutoff_can_be_taken_away() -> None:
    assert load_strategy("36P").with_overrides(low_pass_hz=None).cleaning.low_pass_hz is None


def test_short_segments_need_a_threshold() -> None:
    with pytest.raises(StrategyError, match="no effect without fd_threshold_mm"):
        load_strategy("simple").with_overrides(min_segment_volumes=5)
    changed = load_strategy("simple").with_overrides(min_segment_volumes=5, fd_threshold_mm=0.5)
    assert changed.censoring.min_segment_volumes == 5
