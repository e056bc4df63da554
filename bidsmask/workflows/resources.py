"""What this job may use: never the whole machine when it was given a part of it."""

import os
from collections.abc import Mapping
from pathlib import Path

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
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
    texts = [path.read_text().strip() for path in _CGROUP_LIMITS if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]
