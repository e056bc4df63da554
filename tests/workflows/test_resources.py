"""A job never takes itself to own the machine."""

import os

import pytest

from bidsmask.workflows import resources
from bidsmask.workflows.resources import available_cores, available_memory_gb

MACHINE = 64 * 10**9


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with 64 GB and without control groups; gives the folder of the latter."""
    page = os.sysconf("SC_PAGE_SIZE")
    pages = {"SC_PAGE_SIZE": page, "SC_PHYS_PAGES": MACHINE / page}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    monkeypatch.setattr(resources, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(resources, "_OWN_CGROUPS", tmp_path / "own")
    return tmp_path


def limit(folder, name, text):
    folder.mkdir(parents=True)
    (folder / name).write_text(f"{text}\n")


def test_without_limits_it_is_nine_tenths_of_the_machine():
    assert available_memory_gb({}) == pytest.approx(57.6)


def test_cores_are_those_that_slurm_gave():
    assert available_cores({"SLURM_CPUS_PER_TASK": "3"}) == 3


def test_cores_are_those_that_this_process_may_run_on(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5}, raising=False)
    assert available_cores({}) == 2


@pytest.mark.parametrize(
    "environ",
    [
        {"SLURM_MEM_PER_NODE": "10000"},
        {"SLURM_MEM_PER_CPU": "5000", "SLURM_CPUS_PER_TASK": "2"},
    ],
)
def test_memory_is_what_slurm_gave(environ):
    assert available_memory_gb(environ) == pytest.approx(0.9 * 10000 * 1024**2 / 1e9)


def test_all_memory_of_a_node_is_not_zero_memory():
    assert available_memory_gb({"SLURM_MEM_PER_NODE": "0"}) == pytest.approx(57.6)


@pytest.mark.parametrize(
    ("place", "name"),
    [("cgroup", "memory.max"), ("cgroup/memory", "memory.limit_in_bytes")],
)
def test_memory_is_what_a_container_may_use(place, name, machine):
    limit(machine / place, name, 2 * 10**9)
    assert available_memory_gb({}) == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("own", "place", "name"),
    [
        ("0::/slurm/job_7/step_0", "cgroup/slurm/job_7", "memory.max"),
        ("5:memory:/slurm/job_7", "cgroup/memory/slurm/job_7", "memory.limit_in_bytes"),
    ],
)
def test_a_limit_of_a_group_above_counts(own, place, name, machine):
    (machine / "own").write_text(f"{own}\n")
    limit(machine / place, name, 2 * 10**9)
    assert available_memory_gb({}) == pytest.approx(1.8)


def test_a_group_without_limit_does_not_limit(machine):
    limit(machine / "cgroup", "memory.max", "max")
    assert available_memory_gb({}) == pytest.approx(57.6)
