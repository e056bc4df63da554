"""What this job may use: never the whole machine when it was given a part of it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_SHARE_OF_MEMORY = 0.9
"""What is left over belongs to the operating system and its file cache."""


def available_cores(environ: Mapping[str, str] = os.environ) -> int:
    """Cores this job may use: its Slurm allocation, its CPU affinity, else all."""
    allocated = environ.get("SLURM_CPUS_PER_TASK", "")
    if allocated.isdigit():
        return int(allocated)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory_gb(environ: Mapping[str, str] = os.environ) -> float:
    """90 % of the memory this job may use, in GB (1e9 bytes): Slurm, cgroup, machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine, *_slurm_limit(environ), *_cgroup_limits()]
    return _SHARE_OF_MEMORY * min(limits) / 1e9


def _slurm_limit(environ: Mapping[str, str]) -> list[int]:
    per_node = environ.get("SLURM_MEM_PER_NODE", "")
    per_cpu = environ.get("SLURM_MEM_PER_CPU", "")
    if per_node.isdigit() and int(per_node):
        return [int(per_node) * 1024**2]
    if per_cpu.isdigit() and int(per_cpu):
        return [int(per_cpu) * 1024**2 * available_cores(environ)]
    return []


def _cgroup_limits() -> list[int]:
    files = [folder / name for folder, name in _memory_cgroups()]
    texts = [path.read_text().strip() for path in files if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]


def _memory_cgroups() -> Iterator[tuple[Path, str]]:
    """Control groups that limit this process: its own and all above; version 2, then 1.

    A container sees its own group as the root; a job of Slurm is some levels below it.
    """
    lines = _OWN_CGROUPS.read_text().splitlines() if _OWN_CGROUPS.is_file() else []
    own = {kinds: path for _, kinds, path in (line.split(":", 2) for line in lines)}
    for place in _up_from(own.get("", "/")):
        yield _CGROUPS / place, "memory.max"
    for place in _up_from(own.get("memory", "/")):
        yield _CGROUPS / "memory" / place, "memory.limit_in_bytes"


def _up_from(path: str) -> Iterator[str]:
    below_root = PurePosixPath(path.lstrip("/"))
    yield from (str(place) for place in (below_root, *below_root.parents))
