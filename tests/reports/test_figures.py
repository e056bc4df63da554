import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest

from bidsmask.reports import figures
from bidsmask.reports.drawing.colours import BLUE, CENSORED, FAINT, NO_VALUE, ORANGE, RED
from bidsmask.reports.summaries import LedgerSummary

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


def draw_measure(scale):
    matrix = np.corrcoef(rng().normal(size=(9, 50))) * scale
    return figures.connectivity(matrix, names=names(9), measure="covariance")


LEDGER = LedgerSummary(
    strategy="simple",
    n_volumes=1200,
    n_censored=12,
    n_kept=1188,
    n_detrend=2,
    n_filter=100.5,
    n_confounds=26,
    n_regressors=26,
    remaining=1059.5,
)

SHORT = replace(
    LEDGER, n_volumes=3, n_censored=0, n_kept=3, n_filter=0.25, n_confounds=0, remaining=0.75
)

LONG = {
    "coverage": lambda long: figures.coverage(
        np.linspace(0, 1, 20), names=long(20), min_coverage=0.125
    ),
    "signals": lambda long: figures.region_signals(
        rng().normal(size=(9, 12)), names=long(12), t_r=1e3, sample_mask=np.ones(9, bool)
    ),
    "signals of networks": lambda long: figures.region_signals(
        rng().normal(size=(9, 30)),
        names=long(30),
        networks=long(30),
        t_r=0.01,
        sample_mask=np.arange(9) > 1,
    ),
    "connectivity": lambda long: figures.connectivity(
        np.eye(24), names=long(24), measure=long(1)[0]
    ),
    "carpet": lambda long: draw_carpet(after=long(3), groups=long(2) * 20),
    "motion": lambda long: draw_motion(
        n_volumes=12000, outliers=[(name, np.arange(12000) % 7 == 0) for name in long(6)]
    ),
    "ledger": lambda long: figures.ledger([replace(LEDGER, strategy=name) for name in long(3)]),
    "response": lambda long: figures.response(dict.fromkeys(long(3), np.ones(9)), t_r=0.01),
}


def draw_long(kind):
    return LONG[kind](lambda n: [f"WIDE {number} @MW {'WM@' * 30}" for number in range(n)])


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
    "connectivity of tiny values": lambda: draw_measure(1e-9),
    "connectivity of huge values": lambda: draw_measure(1e9),
    "ledger": lambda: figures.ledger([LEDGER]),
    "ledger of a very short run": lambda: figures.ledger([SHORT]),
    "response": lambda: figures.response({"36P": np.linspace(0, 1, 9)}, t_r=2.0),
    "responses of many strategies": lambda: figures.response(
        {f"strategy{n}": np.full(9, n / 20) for n in range(20)}, t_r=2.0
    ),
} | {f"{kind} with long names": partial(draw_long, kind) for kind in LONG}


@pytest.mark.parametrize("case", CASES)
def test_every_case_gives_a_well_formed_svg_that_refers_to_nothing_outside(case, parse_svg):
    assert parse_svg(CASES[case]()).tag.endswith("svg")


@pytest.mark.parametrize(
    "case", ["atlas", "coverage", "motion", "carpet", "signals", "connectivity"]
)
def test_the_same_arrays_give_the_same_bytes(case):
    assert CASES[case]() == CASES[case]()


@pytest.mark.parametrize("case", CASES)
def test_no_text_lies_beyond_the_figure_or_over_another(case, words, parse_svg):
    svg = CASES[case]()
    left, top, width, height = map(float, parse_svg(svg).get("viewBox").split())
    found = words(svg)
    for text in found:
        assert left <= text.left < text.right <= left + width, text
        assert top <= text.top < text.bottom <= top + height, text
    overlapping = [(a.text, b.text) for a, b in combinations(found, 2) if a.overlaps(b)]
    assert overlapping == []


@pytest.mark.parametrize("case", CASES)
def test_a_figure_says_what_it_is_to_those_who_do_not_see_it(case, parse_svg):
    root = parse_svg(CASES[case]())
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == title.get("id")
    assert len(title.text) > 10


def test_figures_of_a_run_are_drawn_without_matplotlib():
    code = (
        "import sys, numpy as np\n"
        "import bidsmask.analysis.figures\n"
        "from bidsmask.reports import figures\n"
        "figures.coverage(np.ones(3), names=list('abc'), min_coverage=0.5)\n"
        "figures.connectivity(np.eye(3), names=list('abc'), measure='correlation')\n"
        "print(sorted({'matplotlib', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_file_knows_no_date_and_no_program():
    svg = draw_coverage([0.2, 1.0]).lower()
    assert b"<metadata" not in svg
    assert b"doctype" not in svg


# Where things are drawn


def scale_of(words, *, column=None, row=None):
    """From positions to values, as the numbers of an axis tell it: those in a column or row."""
    found = [
        ((text.left + text.right) / 2 if row else text.middle, text)
        for text in words
        if text.text.lstrip("\N{MINUS SIGN}").replace(".", "", 1).isdigit()
        and (row is None or row[0] < text.top < row[1])
        and (column is None or column[0] < text.right < column[1])
    ]
    positions = [position for position, _ in found]
    values = [float(text.text.replace("\N{MINUS SIGN}", "-")) for _, text in found]
    assert len(values) > 1
    return np.polynomial.Polynomial.fit(positions, values, 1)


def path_points(path):
    return np.array(re.findall(r"-?[\d.]+", path["d"]), dtype=float).reshape(-1, 2)


def test_a_trace_is_where_its_axes_say(words, elements):
    fd = np.abs(rng().normal(size=60))
    svg = draw_motion(fd_mm=fd, std_dvars=None, outliers=[])
    (line,) = [path for path in elements(svg, "path") if "stroke" in path]
    x, y = path_points(line).T
    bottom = float(elements(svg, "svg")[1]["y"]) + float(elements(svg, "svg")[1]["height"])
    to_fd = scale_of([text for text in words(svg) if text.bottom < bottom + 8], column=(0, 50))
    to_seconds = scale_of(words(svg), row=(bottom + 10, 999))
    np.testing.assert_allclose(to_fd(y), fd, atol=0.02)
    np.testing.assert_allclose(to_seconds(x), (np.arange(60) + 0.5) * 2.0, atol=0.3)


def test_a_gap_in_a_trace_is_not_drawn(elements):
    fd = np.ones(10)
    fd[[0, 4]] = np.nan
    svg = draw_motion(fd_mm=fd, std_dvars=None, outliers=[])
    line = next(path for path in elements(svg, "path") if "stroke" in path)
    parts = [path_points({"d": part}) for part in line["d"].split("M")[1:]]
    assert [len(part) for part in parts] == [3, 5]


def test_a_single_volume_between_gaps_is_a_dot(elements):
    fd = np.array([np.nan, 1.0, np.nan])
    svg = draw_motion(fd_mm=fd, std_dvars=None, outliers=[])
    line = next(path for path in elements(svg, "path") if "stroke" in path)
    assert line["d"].endswith("h0")
    assert line["stroke-linecap"] == "round"


def test_flagged_volumes_are_tinted_where_they_are(elements):
    flags = few_kept(n_volumes=60, n_kept=4)
    svg = draw_motion(outliers=[("framewise_displacement", flags)], std_dvars=None)
    panel = next(box for box in elements(svg, "svg") if "x" in box)
    left, width = float(panel["x"]), float(panel["width"])
    marks = [rect for rect in elements(svg, "rect") if rect.get("fill") == ORANGE][:2]
    for mark in marks:  # behind the trace, and in the row of its method
        assert float(mark["x"]) == pytest.approx(left + width * 10 / 60, abs=0.02)
        assert float(mark["width"]) == pytest.approx(width * 4 / 60, abs=0.02)


def test_each_way_of_flagging_has_a_colour_of_its_own(elements):
    methods = ("non_steady_state", "framewise_displacement", "std_dvars", "short_segment", "mine")
    svg = draw_motion(outliers=[(method, few_kept()) for method in methods])
    swatches = [rect["fill"] for rect in elements(svg, "rect") if rect["width"] == "12"]
    assert len(set(swatches)) == len(methods)


def test_bars_of_coverage_are_as_long_as_the_coverage_and_red_when_lost(elements):
    svg = draw_coverage([0.2, 0.5, 1.0, np.nan])
    bars = [rect for rect in elements(svg, "rect") if rect.get("fill") in (RED, BLUE)]
    whole = next(float(r["width"]) for r in elements(svg, "rect") if r.get("fill") == FAINT)
    assert [bar["fill"] for bar in bars] == [RED, BLUE, BLUE]
    shares = [float(bar["width"]) / whole for bar in bars]
    np.testing.assert_allclose(shares, [0.2, 0.5, 1.0], atol=1e-4)


def test_sorted_coverage_is_where_its_axis_says(words, elements):
    svg = draw_coverage([0.2, 0.6, 1.0], min_coverage=0.0)
    steps = next(path for path in elements(svg, "path") if "stroke" in path)
    to_percent = scale_of(words(svg), column=(20, 55))
    heights = to_percent(np.unique(path_points(steps)[:, 1]))
    np.testing.assert_allclose(np.sort(heights), [20, 60, 100], atol=0.1)


def test_parts_of_a_ledger_fill_the_bar_in_their_shares(make_ledger, elements):
    svg = figures.ledger([make_ledger()])
    bars = [rect for rect in elements(svg, "rect") if rect.get("stroke") == "#ffffff"]
    widths = np.array([float(bar["width"]) for bar in bars])
    np.testing.assert_allclose(widths / widths.sum() * 300, [159.5, 26, 100.5, 2, 12], atol=0.02)


def test_colours_of_a_matrix_tell_sign_diagonal_and_loss_apart(pictures):
    matrix = np.array([[1, 0.5, -0.5], [0.5, 1, 0], [-0.5, 0, 1]])
    lost = np.full((4, 4), np.nan)
    lost[:3, :3] = matrix
    picture = pictures(figures.connectivity(lost, names=names(4), measure="correlation"))[
        0
    ].astype(int)
    red, blue = picture[..., 0], picture[..., 2]
    assert (picture[np.arange(3), np.arange(3)] == 255).all()
    assert red[0, 1] - blue[0, 1] > 60
    assert blue[0, 2] - red[0, 2] > 60
    assert abs(red[1, 2] - blue[1, 2]) < 10
    assert (picture[3] == NO_VALUE).all()
    assert (picture[:, 3] == NO_VALUE).all()


def test_regions_of_a_matrix_stand_in_the_order_of_their_networks(pictures):
    matrix = np.eye(30)
    matrix[0, 2] = matrix[2, 0] = 1.0
    networks = ["a", "b", "a"] + ["c"] * 27
    picture = pictures(
        figures.connectivity(matrix, names=names(30), networks=networks, measure="correlation")
    )[0].astype(int)
    assert picture[0, 1, 0] - picture[0, 1, 2] > 60
    assert abs(picture[0, 2, 0] - picture[0, 2, 2]) < 10


def test_pictures_of_signals_tell_high_low_left_out_and_lost_apart(pictures):
    kept = np.ones(40, dtype=bool)
    kept[5] = False
    signals = with_gaps(np.tile([3.0, -3.0], 20)[:, None] * np.ones(3), kept)
    signals[:, 1] = np.nan
    svg = figures.region_signals(signals, names=names(3), t_r=2.0, sample_mask=kept)
    picture = pictures(svg)[0].astype(int)
    assert picture.shape == (3, 40, 3)
    assert (picture[0, 0::2, 0] - picture[0, 0::2, 2] > 60)[kept[0::2]].all()
    assert (picture[0, 1::2, 2] - picture[0, 1::2, 0] > 60)[kept[1::2]].all()
    assert (picture[[0, 2], 5] == CENSORED).all()
    assert (picture[1] == NO_VALUE).all()


def test_carpets_are_bright_above_the_mean_and_dark_below(pictures):
    kept = np.ones(40, dtype=bool)
    kept[7] = False
    after = with_gaps(np.tile([3.0, -3.0], 20)[:, None] * np.ones(2), kept)
    svg = figures.carpet(
        after * 0 + rng().normal(size=(40, 2)),
        {"simple": after},
        fd_mm=None,
        sample_mask=kept,
        t_r=1.0,
    )
    picture = pictures(svg)[1]
    assert (picture[:, 0] > 180).all()
    assert (picture[:, 1] < 75).all()
    assert (picture[:, 7] == CENSORED).all()


def test_every_name_is_written(texts):
    assert set(names(12)) <= set(texts(draw_signals()))
    assert set(names(12)) <= set(texts(draw_connectivity()))
    assert set("abcdef") <= set(texts(draw_signals(networks=list("aabbccddeeff"))))
    assert set("abcd") <= set(texts(draw_connectivity(40, networks=list("abcd") * 10)))


def test_networks_of_few_rows_keep_their_names_apart(texts):
    groups = ["outside the atlas"] * 350 + [f"network {n // 100}" for n in range(650)]
    svg = draw_carpet(100, 1000, groups=groups)
    assert {f"network {number}" for number in range(6)} <= set(texts(svg))


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


def test_a_scale_of_colours_ends_at_a_round_number():
    from bidsmask.reports.drawing.scales import round_limit

    assert round_limit(np.array([0.1, -0.37])) == pytest.approx(0.5)
    assert round_limit(np.array([0.001])) == pytest.approx(0.001)
    assert round_limit(np.array([812.0])) == pytest.approx(1000)
    assert round_limit(np.zeros(3)) == 1
    assert round_limit(np.empty(0)) == 1


def test_regions_of_one_network_are_brought_together():
    from bidsmask.reports.drawing.arrangement import grouped

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
        (lambda: figures.response({}, t_r=2.0), "There is no strategy"),
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
