import numpy as np
import pytest

from bidsmask.reports import figures

HOSTILE = "<script>alert(\"1\")</script> & 'x' $\\frac{1}{0}$\u2028\x00"


def rng():
    return np.random.default_rng(0)


def few_kept(n_volumes=60, n_kept=4):
    kept = np.zeros(n_volumes, dtype=bool)
    kept[10 : 10 + n_kept] = True
    return kept


def with_gaps(signals, kept):
    return np.where(kept[:, None], signals, np.nan)


def names(n):
    return [f"region {number}" for number in range(n)]


def draw_outline(n_regions=3, lost=()):
    labels = np.zeros((12, 14, 10), dtype=int)
    labels[2:-2, 2:-2, 2:-2] = 1 + np.arange(8)[:, None, None] * n_regions // 8
    return figures.atlas_outline(labels * 30.0, labels, np.diag([2, 2, 2, 1]), lost_ids=lost)


def draw_coverage(values, min_coverage=0.5):
    values = np.array(values, dtype=float)
    return figures.coverage(values, names=names(values.size), min_coverage=min_coverage)


def draw_motion(n_volumes=60, **changes):
    fd = np.abs(rng().normal(size=n_volumes)) * 0.3
    fd[0] = np.nan
    flags = np.zeros(n_volumes, dtype=bool)
    flags[:2] = True
    given = {
        "fd_mm": fd,
        "std_dvars": fd + 1,
        "outliers": [("non_steady_state", flags), ("framewise_displacement", fd > 0.5)],
        "t_r": 2.0,
        "fd_threshold_mm": 0.5,
    }
    return figures.motion(**given | changes)


def draw_carpet(n_volumes=60, n_voxels=40, kept=None, groups=None, fd=True, after=("simple",)):
    kept = np.ones(n_volumes, dtype=bool) if kept is None else kept
    before = rng().normal(size=(n_volumes, n_voxels))
    return figures.carpet(
        before,
        {name: with_gaps(before, kept) for name in after},
        fd_mm=np.linspace(0, 1, n_volumes) if fd else None,
        sample_mask=kept,
        t_r=2.0,
        groups=groups,
    )


def draw_signals(n_volumes=60, n_regions=12, kept=None, lost=(), networks=None):
    kept = np.ones(n_volumes, dtype=bool) if kept is None else kept
    signals = with_gaps(rng().normal(size=(n_volumes, n_regions)), kept)
    signals[:, list(lost)] = np.nan
    return figures.region_signals(
        signals, names=names(n_regions), networks=networks, t_r=2.0, sample_mask=kept
    )


def draw_connectivity(n_regions=12, lost=(), networks=None):
    matrix = np.corrcoef(rng().normal(size=(n_regions, 50))).reshape(n_regions, n_regions)
    matrix[list(lost)] = np.nan
    matrix[:, list(lost)] = np.nan
    return figures.connectivity(
        matrix, names=names(n_regions), networks=networks, measure="correlation"
    )


CASES = {
    "atlas": draw_outline,
    "atlas with a lost region": lambda: draw_outline(lost=(2,)),
    "atlas of one region, which is lost": lambda: draw_outline(n_regions=1, lost=(1,)),
    "coverage": lambda: draw_coverage(np.linspace(0, 1, 40)),
    "coverage with NaN": lambda: draw_coverage([np.nan, 0.2, 1.0]),
    "coverage of one region": lambda: draw_coverage([1.0]),
    "coverage, all lost": lambda: draw_coverage([0.0, 0.0]),
    "coverage without a minimum": lambda: draw_coverage([0.0, 1.0], min_coverage=0.0),
    "motion": draw_motion,
    "motion of three volumes": lambda: draw_motion(n_volumes=3),
    "motion without DVARS": lambda: draw_motion(std_dvars=None),
    "motion with nothing but flags": lambda: draw_motion(std_dvars=None, fd_mm=None),
    "motion without flags": lambda: draw_motion(outliers=[("short_segment", np.zeros(60, bool))]),
    "motion without movement": lambda: draw_motion(fd_mm=np.zeros(60)),
    "motion flagged by an unknown method": lambda: draw_motion(outliers=[("mine", few_kept())]),
    "carpet": draw_carpet,
    "carpet of one voxel": lambda: draw_carpet(n_voxels=1),
    "carpet of three volumes": lambda: draw_carpet(n_volumes=3),
    "carpet with few volumes kept": lambda: draw_carpet(kept=few_kept()),
    "carpet with groups": lambda: draw_carpet(groups=["a"] * 10 + ["b"] * 30),
    "carpet without FD": lambda: draw_carpet(fd=False),
    "carpet without strategies": lambda: draw_carpet(after=()),
    "carpets of six strategies": lambda: draw_carpet(after="abcdef"),
    "signals": draw_signals,
    "signals with lost regions": lambda: draw_signals(lost=(0, 5)),
    "signals of one region": lambda: draw_signals(n_regions=1),
    "signals of three volumes": lambda: draw_signals(n_volumes=3),
    "signals with few volumes kept": lambda: draw_signals(kept=few_kept()),
    "signals in networks": lambda: draw_signals(networks=list("aabbccddeeff")),
    "signals with one region left": lambda: draw_signals(n_regions=3, lost=(0, 2)),
    "connectivity": draw_connectivity,
    "connectivity with lost regions": lambda: draw_connectivity(lost=(0, 5)),
    "connectivity of one region": lambda: draw_connectivity(n_regions=1),
    "connectivity of two regions": lambda: draw_connectivity(n_regions=2),
    "connectivity in networks": lambda: draw_connectivity(40, networks=list("abcd") * 10),
    "connectivity with one region left": lambda: draw_connectivity(3, lost=(0, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_gives_a_well_formed_svg_that_refers_to_nothing_outside(case, parse_svg):
    assert parse_svg(CASES[case]()).tag.endswith("svg")


@pytest.mark.parametrize(
    "case", ["atlas", "coverage", "motion", "carpet", "signals", "connectivity"]
)
def test_the_same_arrays_give_the_same_bytes(case):
    assert CASES[case]() == CASES[case]()


def test_the_settings_of_the_user_change_nothing():
    import matplotlib as mpl

    expected = draw_motion()
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        assert draw_motion() == expected
        assert mpl.rcParams["font.size"] == 30


def test_a_file_knows_no_date_and_no_program():
    svg = draw_coverage([0.2, 1.0]).lower()
    assert b"matplotlib v" not in svg
    assert b"<metadata" not in svg
    assert b"doctype" not in svg


def test_arrays_are_left_as_they_were():
    values = np.array([np.nan, 0.2, 1.0])
    before = values.copy()
    draw_coverage(values)
    np.testing.assert_array_equal(values, before)
    signals = with_gaps(rng().normal(size=(20, 4)), few_kept(20))
    before = signals.copy()
    figures.region_signals(signals, names=names(4), t_r=1.0, sample_mask=few_kept(20))
    np.testing.assert_array_equal(signals, before)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.coverage(np.array([0.1]), names=[HOSTILE], min_coverage=0.5),
        lambda: figures.region_signals(
            rng().normal(size=(9, 1)),
            names=[HOSTILE],
            networks=[HOSTILE],
            t_r=1.0,
            sample_mask=np.ones(9, bool),
        ),
        lambda: figures.connectivity(
            np.eye(1), names=[HOSTILE], networks=[HOSTILE], measure=HOSTILE
        ),
        lambda: draw_motion(outliers=[(HOSTILE, few_kept())]),
        lambda: draw_carpet(after=[HOSTILE], groups=[HOSTILE] * 40),
    ],
)
def test_hostile_names_are_text_and_nothing_else(draw, texts, parse_svg):
    svg = draw()
    assert b"<script" not in svg
    assert not any(element.tag.endswith("script") for element in parse_svg(svg).iter())
    assert any("<script>" in text for text in texts(svg))
    assert not any(set(text) & {"\u2028", "\x00"} for text in texts(svg))


def test_lost_regions_are_named_with_their_coverage(texts):
    found = texts(draw_coverage([0.0, 0.31, 1.0]))
    assert "2 of 3 regions below the minimum" in found
    assert {"region 0", "region 1", "0 %", "31 %", "100 %"} <= set(found)


def test_a_region_just_below_whole_does_not_read_100():
    assert b"100 %" not in draw_coverage([0.999] * 3)


def test_a_ledger_writes_its_sum(make_ledger, texts):
    found = texts(figures.ledger([make_ledger(), make_ledger(strategy=HOSTILE)]))
    assert (
        "300 volumes − 12 censored − 2 detrend − 100.5 filter − 26 confounds = 159.5 remaining"
        in found
    )
    assert "simple" in found


def test_flagged_volumes_are_counted_by_method(texts):
    assert "non-steady state: 2" in texts(draw_motion())


def test_the_scale_of_a_matrix_ends_at_a_round_number():
    from bidsmask.reports.drawing.matrix import _limit

    assert _limit(np.array([0.1, -0.37])) == pytest.approx(0.5)
    assert _limit(np.array([0.001])) == pytest.approx(0.001)
    assert _limit(np.array([812.0])) == pytest.approx(1000)
    assert _limit(np.zeros(3)) == 1
    assert _limit(np.empty(0)) == 1


def test_regions_of_one_network_are_brought_together():
    from bidsmask.reports.drawing.axes import grouped

    order, blocks = grouped(["b", "a", "b"], 3)
    assert order.tolist() == [0, 2, 1]
    assert blocks == [("b", 0, 2), ("a", 2, 1)]


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (
            lambda: figures.atlas_outline(np.ones((3, 3, 3)), np.zeros((3, 3, 3), int), np.eye(4)),
            "no region on this grid",
        ),
        (
            lambda: figures.atlas_outline(np.ones((3, 3, 3)), np.ones((3, 3, 4), int), np.eye(4)),
            r"one shape; they are \(3, 3, 3\) and \(3, 3, 4\)",
        ),
        (lambda: draw_coverage([]), "There is no region"),
        (
            lambda: figures.coverage(np.ones(2), names=["a"], min_coverage=0.5),
            "There are 1 names",
        ),
        (
            lambda: draw_motion(fd_mm=None, std_dvars=None, outliers=[]),
            "nothing to draw",
        ),
        (lambda: draw_motion(std_dvars=np.ones(3)), "their lengths are 3, 60"),
        (
            lambda: figures.carpet(
                np.ones((5, 2)), {"a": np.ones((4, 2))}, fd_mm=None,
                sample_mask=np.ones(5, bool), t_r=1.0,
            ),
            r"shapes are \(4, 2\), \(5, 2\)",
        ),
        (lambda: draw_carpet(n_voxels=0), "no voxel with a value"),
        (lambda: draw_carpet(groups=["a"]), "There are 1 groups for 40 columns"),
        (lambda: draw_signals(lost=range(12)), "No region has a signal"),
        (
            lambda: figures.region_signals(
                np.ones((5, 1)), names=["a"], t_r=1.0, sample_mask=np.ones(4, bool)
            ),
            "5 rows of signals for 4 volumes",
        ),
        (lambda: draw_connectivity(lost=range(12)), "has no value"),
        (
            lambda: figures.connectivity(np.ones((2, 3)), names=names(3), measure="covariance"),
            r"must be square; its shape is \(2, 3\)",
        ),
        (lambda: figures.ledger([]), "There is no strategy"),
    ],
)  # fmt: skip
def test_without_something_to_draw_there_is_a_sentence(draw, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw()


def test_a_run_of_usual_size_gives_small_files():
    kept = np.ones(300, dtype=bool)
    kept[50:60] = False
    assert len(draw_carpet(300, 900, kept, after=("simple", "36P"))) < 170_000
    assert len(draw_signals(300, 400, kept, networks=list("abcdefgh") * 50)) < 170_000
    assert len(draw_connectivity(400, networks=list("abcdefgh") * 50)) < 170_000
