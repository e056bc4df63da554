"""Figures of a group: where things are drawn, and that they can be read."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.reports.drawing.colours import BLUE, LOST, ORANGE
from bidsmask.reports.group.estimates import estimates
from bidsmask.reports.group.means import Matrix, matrices, pooled
from bidsmask.reports.group.qc_fc import qc_fc, qc_fc_distance
from bidsmask.reports.group.seen import MAX_RUNS, seen, worst_of
from bidsmask.reports.group.strips import Strip, strips, swarm
from bidsmask.reports.group.values import AlongDistance, Benchmark, Estimate, Shares

WIDE = "WM@" * 30


def names(n, word="region"):
    return [f"{word} {number}" for number in range(n)]


def strip(values, name="24P", filled=None, note=""):
    values = np.asarray(values, dtype=float)
    filled = np.ones(values.size, bool) if filled is None else np.asarray(filled)
    numbers = np.arange(values.size)
    return Strip(name=name, note=note, values=values, numbers=numbers, filled=filled)


def draw_strips(*rows, label="mean FD", limits=()):
    return strips(rows, label=label, unit="mm", decimals=2, key="here", limits=limits)


def some(n=200):
    return np.random.default_rng(0).gamma(2, size=n)


def draw_seen(n_regions=30, n_runs=40, networks=None, word="region"):
    shares = np.random.default_rng(0).uniform(size=(n_regions, n_runs))
    shares[0, 0] = np.nan
    return seen(shares, shares < 0.5, regions=names(n_regions, word), networks=networks)


def draw_matrices(n=3, n_regions=30, networks=None, title="24P"):
    values = np.random.default_rng(0).normal(size=(n_regions, n_regions))
    values[0] = values[:, 0] = np.nan
    found = [Matrix(title=title, note="N = 20", values=values + place) for place in range(n)]
    return matrices(found, regions=names(n_regions), networks=networks, label="mean z")


def shares(centre=0.1):
    edges = np.linspace(-1, 1, 101)
    observed = np.histogram(np.random.default_rng(0).normal(centre, 0.1, 999), edges)[0] / 999
    return Shares(edges=edges, observed=observed, chance=observed[::-1], note="median |r| 0.10")


def along(**changes):
    x = np.linspace(10, 150, 9)
    given = {
        "distance": x,
        "mean": x / 500,
        "chance_low": -x / 900,
        "chance_high": x / 900,
        "distance_borders": np.linspace(0, 150, 5),
        "r_borders": np.linspace(-1, 1, 11),
        "counts": np.arange(40).reshape(4, 10),
        "note": "ρ 0.3",
    }
    return AlongDistance(**given | changes)


def benchmark(*values, better="lower", title="median |QC-FC|"):
    dots = tuple(
        Estimate(value=v, low=v - 0.1, high=v + 0.2, chance=0.05, chance_low=0, chance_high=0.1)
        for v in values
    )
    own = tuple(value + 0.1 for value in values)
    return Benchmark(title=title, better=better, estimates=dots, of_own=own)


NONE = Benchmark(
    title="ICC", better="higher", estimates=(Estimate(value=np.nan),) * 2, of_own=(np.nan,) * 2
)

CASES = {
    "strips": lambda: draw_strips(strip(some()), strip(some() + 1, "36P")),
    "strips of spaces": lambda: draw_strips(
        strip(some(), note="fsLR, 91k"), strip(some(), note=WIDE)
    ),
    "strip of one run": lambda: draw_strips(strip([0.2])),
    "strip of equal runs": lambda: draw_strips(strip([5.0] * 300)),
    "strip without a value beside one": lambda: draw_strips(strip([np.nan] * 3), strip([1, 2])),
    "strip of negative values": lambda: draw_strips(strip([-3.0, -2.5, np.nan])),
    "strip with limits": lambda: draw_strips(
        strip(some()), limits=[(0.5, "look above 0.5"), (0.55, "do not use above 0.55"), (99, "")]
    ),
    "strip with excluded runs": lambda: draw_strips(strip(some(9), filled=np.arange(9) > 4)),
    "strips with long names": lambda: draw_strips(strip(some(), WIDE), label=WIDE[:30]),
    "seen": draw_seen,
    "seen in networks": lambda: draw_seen(networks=["Vis"] * 20 + ["Default"] * 10),
    "seen of one region and run": lambda: draw_seen(1, 1),
    "seen of very many": lambda: draw_seen(600, 700),
    "seen with long names": lambda: draw_seen(9, word=WIDE),
    "matrices": draw_matrices,
    "one matrix": lambda: draw_matrices(1),
    "many matrices": lambda: draw_matrices(9),
    "matrices of two regions": lambda: draw_matrices(2, 2),
    "matrices in networks": lambda: draw_matrices(networks=["Vis"] * 20 + ["Default"] * 10),
    "matrices with long names": lambda: draw_matrices(5, networks=[WIDE] * 30, title=WIDE),
    "QC-FC": lambda: qc_fc([shares(), shares(-0.2)], ["24P", "36P"]),
    "QC-FC of one strategy": lambda: qc_fc([shares()], ["24P"]),
    "QC-FC of many strategies": lambda: qc_fc([shares()] * 7, names(7, WIDE)),
    "distance": lambda: qc_fc_distance([along(), along()], ["24P", "36P"]),
    "distance without chance": lambda: qc_fc_distance(
        [along(chance_low=np.full(9, np.nan), chance_high=np.full(9, np.nan))], ["24P"]
    ),
    "distance of many strategies": lambda: qc_fc_distance([along()] * 6, names(6, WIDE)),
    "estimates": lambda: estimates([benchmark(0.1, 0.2), NONE], ["24P", "36P"]),
    "many estimates": lambda: estimates([benchmark(0.1, -1.25, title=WIDE)] * 8, [WIDE, "36P"]),
    "estimates all alike": lambda: estimates([benchmark(0, 0)], ["24P", "36P"]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_gives_a_well_formed_svg_that_says_what_it_is(case, parse_svg):
    root = parse_svg(CASES[case]())
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert root.get("aria-labelledby") == title.get("id")
    assert len(title.text) > 10
    assert "nan" not in CASES[case]().decode()


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


@pytest.mark.parametrize("case", ["strips", "seen", "matrices", "QC-FC", "distance", "estimates"])
def test_the_same_values_give_the_same_bytes(case):
    assert CASES[case]() == CASES[case]()


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (lambda: draw_strips(strip([np.nan])), "No run has a value"),
        (lambda: seen(np.ones((2, 3)), np.ones((2, 3), bool), regions=["a"]), "1 names"),
        (lambda: matrices([], regions=["a"], label="z"), "no matrix"),
        (lambda: qc_fc([], []), "no QC-FC"),
        (lambda: qc_fc_distance([], []), "no QC-FC with distances"),
        (lambda: estimates([], ["24P"]), "no benchmark"),
    ],
)
def test_without_something_to_draw_there_is_a_sentence(draw, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw()


# Dots


def dots(svg):
    """Position of each dot by what it stands for."""
    found = {}
    for numbers, path in re.findall(r'data-rows="([^"]*)" d="([^"]*)"', svg.decode()):
        places = re.findall(r"M([-\d.]+) ([-\d.]+)h0", path)
        found |= {
            int(number): tuple(map(float, place))
            for number, place in zip(numbers.split(), places, strict=True)
        }
    return found


@settings(max_examples=40)
@given(st.lists(st.floats(0, 700), min_size=1, max_size=80), st.floats(2, 40))
def test_dots_stay_on_their_strip_and_lonely_ones_in_its_middle(positions, half_height):
    x = np.array(positions)
    offsets = swarm(x, 4.0, half_height)
    assert np.abs(offsets).max() <= half_height + 1e-9
    bins = np.floor((x - x.min()) / 4.0)
    alone = np.array([(bins == one).sum() == 1 for one in bins])
    np.testing.assert_array_equal(offsets[alone], 0)


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(1, 60))
def test_every_known_value_is_a_dot_in_its_order(seed, n):
    values = np.random.default_rng(seed).normal(size=n)
    values[1::4] = np.nan
    found = dots(draw_strips(strip(values, filled=np.arange(n) % 3 > 0)))
    assert sorted(found) == np.flatnonzero(np.isfinite(values)).tolist()
    x = np.array([found[number][0] for number in sorted(found)])
    known = values[np.isfinite(values)]
    assert (np.diff(x[np.argsort(known, kind="stable")]) >= 0).all()


def test_an_excluded_run_is_a_ring(parse_svg):
    svg = draw_strips(strip([1, 2, 3], filled=[True, False, True]))
    paths = [path.attrib for path in parse_svg(svg).iter("{http://www.w3.org/2000/svg}path")]
    assert [path["stroke"] for path in paths] == [BLUE, ORANGE, "#ffffff"]
    assert [path.get("data-rows") for path in paths] == ["0 2", "1", None]
    assert paths[1]["d"] == paths[2]["d"]


def test_values_that_are_not_known_are_counted(texts):
    said = texts(draw_strips(strip([1, 2, 4, np.nan, np.nan])))
    assert "3 runs, 2 n/a" in said
    assert "median 2.00 mm" in said


# Coverage


def test_the_worst_of_neighbours_is_drawn(pictures):
    covered = np.ones((3, 2 * MAX_RUNS))
    covered[1, 77] = 0.0
    (picture,) = pictures(seen(covered, covered < 0.5, regions=names(3)))
    red = (picture == LOST).all(axis=-1)
    assert picture.shape[1] == MAX_RUNS
    assert red.sum() == 1
    assert red[1, 38]


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 30))
def test_sharing_a_place_loses_no_extreme(n, at_most):
    numbers = np.random.default_rng(n).normal(size=(2, n))
    found = worst_of(numbers, at_most, axis=1)
    assert found.shape == (2, min(n, at_most))
    np.testing.assert_array_equal(found.max(axis=1), numbers.max(axis=1))


def test_regions_stand_with_their_networks(pictures):
    covered = np.array([[1.0], [0.0], [1.0], [0.0]])
    svg = seen(covered, covered < 0.5, regions=names(4), networks=["a", "b", "a", "b"])
    (picture,) = pictures(svg)
    assert (picture[:, 0] == LOST).all(axis=-1).tolist() == [False, False, True, True]


# Matrices


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12))
def test_pooling_keeps_a_constant_and_knows_no_n_a(n, at_most):
    values = np.full((n, n), 0.25)
    values[::3, ::2] = np.nan
    found = pooled(values, at_most)
    assert len(found) == min(n, at_most)
    np.testing.assert_allclose(found[np.isfinite(found)], 0.25)


def test_matrices_share_their_colours(pictures):
    low, high = np.full((2, 2), -0.4), np.full((2, 2), 0.4)
    both = [Matrix(title=str(n), note="", values=v) for n, v in enumerate((low, high, low))]
    first, second, third, bar = pictures(matrices(both, regions=names(2), label="z"))
    assert (first == third).all()
    assert first[0, 1, 2] > first[0, 1, 0]  # blue
    assert second[0, 1, 0] > second[0, 1, 2]  # red
    assert bar.shape[0] == 1


# Benchmarks


def test_a_dot_lies_where_its_axis_says(elements, words):
    svg = estimates([benchmark(0.1, 0.3)], ["24P", "36P"])
    circles = [float(each["cx"]) for each in elements(svg, "circle")]
    ticks = {
        float(text.text.replace("\N{MINUS SIGN}", "-")): (text.left + text.right) / 2
        for text in words(svg)
        if text.text in ("0.0", "0.2", "0.4")
    }
    first, *_, last = sorted(ticks)
    scale = np.polynomial.Polynomial.fit([ticks[first], ticks[last]], [first, last], 1)
    np.testing.assert_allclose(scale(np.array(circles[:4])), [0.2, 0.1, 0.4, 0.3], atol=0.01)


def test_an_estimate_that_is_not_known_is_n_a(texts, elements):
    svg = estimates([NONE], ["24P", "36P"])
    assert texts(svg).count("n/a") == 2
    assert len(elements(svg, "circle")) == 1  # of the legend


def test_chance_is_an_outline_over_the_edges(elements):
    svg = qc_fc([replace(shares(), note="")], ["24P"])
    fills = [path.get("fill") for path in elements(svg, "path")]
    assert fills == [BLUE, "none"]
