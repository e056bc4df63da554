"""A group that never was, as the values of its page: of any size, and the same each time."""

import numpy as np

from bidsmask.reports.group.values import (
    Absent,
    AlongDistance,
    Attrition,
    Benchmark,
    Benchmarks,
    Column,
    Distribution,
    Estimate,
    GroupCoverage,
    GroupPage,
    Limit,
    MeanConnectivity,
    Outlier,
    Ranked,
    Recommendation,
    RunTable,
    Shares,
    Undone,
)

STRATEGIES = ("24P", "36P", "scrubbing.5", "acompcor")
NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")


def group_page(n_participants, *, n_runs=2, n_regions=100, strategies=STRATEGIES, word="words"):
    """Page of a group; `word` stands in every text that comes from outside."""
    rng = np.random.default_rng(n_participants)
    runs = _runs(rng, n_participants, n_runs, strategies, word)
    names = list(dict.fromkeys(runs.names))
    networks = [NETWORKS[place * len(NETWORKS) // n_regions] for place in range(n_regions)]
    regions = [f"LH_{network}_{place + 1}" for place, network in enumerate(networks)]
    regions[0] += f" {word}"
    return GroupPage(
        n_participants=n_participants,
        runs=runs,
        version="0.1.0",
        distributions=_distributions(),
        outliers=(
            Outlier(run=f"{names[0]} {word}", report="sub-0001.html", words=(f"mean FD {word}",)),
        ),
        rules=(f"mean FD above 0.55 mm {word}", "time kept below 4 min"),
        attrition=tuple(
            Attrition(
                strategy=f"{name}",
                n_runs=len(names),
                n_kept_runs=len(names) - place,
                n_participants=n_participants,
                n_kept_participants=n_participants - place,
                reasons=(("mean FD above 0.55 mm", place),) if place else (),
            )
            for place, name in enumerate(strategies)
        ),
        absent=(Absent(name="sub-9999_task-rest", reason=f"It failed: {word}"),),
        coverage=(_coverage(rng, regions, networks, names),),
        connectivity=(_connectivity(rng, regions, networks, strategies, n_participants),),
        benchmarks=(_benchmarks(rng, strategies, n_participants, word),),
        recommendations=(
            Recommendation(
                title=f"Schaefer2018, {word}",
                answer=f"Take scrubbing.5 ({word}).",
                criteria=("motion left", "dependence on distance", "participants lost"),
                ranking=tuple(
                    Ranked(place=place + 1, strategy=name, numbers=("0.06", "−0.2", "4 %"))
                    for place, name in enumerate(strategies)
                ),
                reasons=("36P is behind by motion left: 0.03 more (95 %: 0.02 to 0.04).",),
                changes=("If participants lost came first, it would be 36P.",),
                caveats=(f"{n_participants} participants {word}.",),
            ),
        ),
        undone=(Undone(what="ICC", why=f"No participant has two sessions {word}."),),
        methods=(f"Runs were compared {word}.",),
        references=(f"Ciric R (2017). {word}",),
    )


def _runs(rng, n_participants, n_runs, strategies, word):
    n_all = n_participants * n_runs
    fd = 0.08 + 0.12 * rng.gamma(1.6, size=n_all)
    fd[1] = 0.6
    tsnr = 62 - 60 * np.minimum(fd, 0.6) + rng.normal(0, 6, n_all)
    dvars = 18 + 22 * fd + rng.normal(0, 2, n_all)
    run = np.repeat(np.arange(n_all), len(strategies))
    place = np.tile(np.arange(len(strategies)), n_all)
    share = np.clip(1 - fd[run] * (place == 2) * 0.9, 0.2, 1)
    nu = share * np.array([80, 40, 110, 65])[place % 4] + rng.normal(0, 3, run.size)
    nu[rng.random(run.size) < 0.004] = np.nan
    minutes = 8 * share
    bad, poor = (fd[run] > 0.55) | (minutes < 4), (fd[run] > 0.25) | (nu < 30)
    verdicts = np.where(bad, "do not use", np.where(poor, "look", "good"))
    rules = np.where(fd[run] > 0.55, "mean FD", np.where(minutes < 4, "time kept", ""))
    participants = [f"sub-{each // n_runs + 1:04d}" for each in run]
    tasks = ["rest" if each % n_runs == 0 else f"nback {word}" for each in run]
    words = ("participant_id", "Participant"), ("task_id", "Task")
    (first, second) = words
    return RunTable(
        names=[
            f"{who}_task-{task}" for who, task in zip(participants, tasks, strict=True)
        ],
        strategies=[strategies[each] for each in place],
        reports=[f"{who}.html" for who in participants],
        included=~bad,
        columns=(
            Column(name=first[0], label=first[1], values=participants),
            Column(name=second[0], label=second[1], values=tasks),
            Column(name="strategy", label="Strategy", values=[strategies[p] for p in place]),
            Column(name="mean_fd", label="mean FD", unit="mm", values=fd[run], decimals=3,
                   meaning=f"Mean framewise displacement {word}"),
            Column(name="mean_dvars", label="DVARS", values=dvars[run], decimals=1,
                   in_table=False),
            Column(name="median_tsnr", label="tSNR", values=tsnr[run], decimals=1),
            Column(name="dof_remaining", label="ν", values=nu, decimals=1,
                   meaning="Temporal degrees of freedom left"),
            Column(name="minutes_kept", label="time kept", unit="min", values=minutes),
            Column(name="verdict", label="Verdict", values=verdicts.tolist()),
            Column(name="excluded_by", label="Excluded by", values=rules.tolist()),
        ),
    )  # fmt: skip


def _distributions():
    return (
        Distribution(
            column="mean_fd",
            title="Motion",
            note="Mean framewise displacement of each run.",
            by_strategy=False,
            limits=(Limit(value=0.25, label="look above 0.25"), Limit(value=0.5, label="out")),
        ),
        Distribution(
            column="median_tsnr", title="tSNR", note="Before cleaning.", by_strategy=False
        ),
        Distribution(
            column="dof_remaining",
            title="Degrees of freedom",
            note="What is left.",
            by_strategy=True,
            limits=(Limit(value=30, label="look below 30"),),
        ),
        Distribution(column="minutes_kept", title="Time kept", note="", by_strategy=True),
    )  # fmt: skip


def _coverage(rng, regions, networks, names):
    shape = (len(regions), len(names))
    shares = 1 - np.minimum(rng.gamma(0.4, 0.06, size=shape), 1)
    some = [place for place, network in enumerate(networks) if network == "Limbic"]
    shares[some] = rng.beta(2, 2, size=(len(some), shape[1]))
    bad = rng.random(shape[1]) < 0.01
    shares[: shape[0] // 2, bad] = 0.1
    return GroupCoverage(
        atlas="Schaefer2018",
        regions=regions,
        networks=networks,
        runs=names,
        shares=shares,
        lost=shares < 0.5,
    )


def _connectivity(rng, regions, networks, strategies, n):
    codes = np.unique(networks, return_inverse=True)[1]
    same = codes[:, None] == codes
    means = []
    for place in range(len(strategies)):
        noise = rng.normal(0, 0.08, size=same.shape)
        mean = 0.12 * (place != 1) + 0.45 * same + (noise + noise.T) / 2
        mean[3] = mean[:, 3] = np.nan
        means.append(mean)
    return MeanConnectivity(
        of="Pearson's correlation",
        atlas="Schaefer2018",
        measure="Fisher z",
        regions=regions,
        networks=networks,
        strategies=strategies,
        means=means,
        n_participants=[n - place for place in range(len(strategies))],
    )


def _benchmarks(rng, strategies, n, word):
    edges = np.linspace(-1, 1, 201)
    middles, scale = (edges[:-1] + edges[1:]) / 2, 1 / np.sqrt(max(n, 5) - 2)
    distance = np.linspace(15, 150, 20)
    qc_fc, along, median, rho = [], [], [], []
    for place in range(len(strategies)):
        shift = 0.12 - 0.04 * place
        density = np.exp(-0.5 * ((middles - shift) / (scale + 0.03)) ** 2)
        chance = np.exp(-0.5 * (middles / scale) ** 2)
        qc_fc.append(
            Shares(
                edges=edges,
                observed=density / density.sum(),
                chance=chance / chance.sum(),
                note=f"median |r| {shift:.2f}",
            )
        )
        mean = shift + 0.1 * np.exp(-distance / 40) + rng.normal(0, 0.004, distance.size)
        borders = np.linspace(0, 150, 41)
        centre = shift + 0.1 * np.exp(-borders[:-1] / 40)
        cloud = np.exp(-0.5 * ((middles - centre[:, None]) / 0.08) ** 2)
        along.append(
            AlongDistance(
                distance=distance,
                mean=mean,
                chance_low=np.full(distance.size, -0.03),
                chance_high=np.full(distance.size, 0.03),
                distance_borders=borders,
                r_borders=edges,
                counts=(99 * cloud).astype(int),
                note="ρ −0.31",
            )
        )
        median.append(
            Estimate(
                value=shift + 0.04,
                low=shift + 0.03,
                high=shift + 0.06,
                chance=0.05,
                chance_low=0.045,
                chance_high=0.06,
            )
        )
        rho.append(Estimate(value=-0.3 + 0.08 * place, low=-0.4 + 0.08 * place, high=-0.2))
    none = tuple(Estimate(value=float("nan")) for _ in strategies)
    return Benchmarks(
        title="Schaefer2018, rest",
        strategies=strategies,
        benchmarks=(
            Benchmark(title="median |QC-FC|", better="lower", estimates=tuple(median),
                      of_own=tuple(each.value - 0.01 for each in median),
                      meaning=f"Median over edges of |r| {word}"),
            Benchmark(title="distance dependence", better="nearer to 0", estimates=tuple(rho),
                      of_own=(np.nan,) * len(strategies)),
            Benchmark(title="ICC(A,1)", better="higher", estimates=none,
                      of_own=(np.nan,) * len(strategies)),
        ),
        qc_fc=tuple(qc_fc),
        distance=tuple(along),
        caveats=(f"{n} participants {word}: |r| is wide by chance.",),
    )  # fmt: skip
