"""A demo that needs no download: a drawn head, planted signals, and artefacts with a known cause.

What is planted, so that it can be asked for by name:

- **Signals**: 60 cortical regions in 6 networks and 2 hemispheres, with a known correlation
  matrix. Signals and matrix are kept in ``truth/``; cleaning should bring them back.
- **What a table can explain**: drift, a global signal, fluid and vessels, and movement that is
  linear in the six motion parameters. The confounds are measured on the image, as fMRIPrep does.
- **What only censoring removes**: each jerk (framewise displacement above 0.4 mm) leaves a
  pattern of its own.
- **What goes wrong in real datasets**: sessions in one subject only; two runs that differ by
  ``dir`` alone; volumes before the steady state; dropout below the frontal lobes, which leaves
  some regions with few voxels in sub-02 and sub-03, and two without any in sub-03.

- **A run on surfaces**: the last one also as grayordinates and as a pair of GIFTI files.

The pieces compose: `draw_head` and `demo_parcellation` give a head and its regions on any grid,
`simulate_run` a run in memory, `write_run` its files, and `write_dataset` all of it.
"""

from bidsmask.demo.atlas import demo_parcellation
from bidsmask.demo.brain import draw_head
from bidsmask.demo.dataset import (
    ATLAS_NAME,
    BOLD_GRID,
    DEMO_RUNS,
    DemoDataset,
    RunFiles,
    RunPlan,
    SimulatedRun,
    cubic_grid,
    simulate_run,
    write_atlas,
    write_confounds,
    write_dataset,
    write_demo,
    write_root,
    write_run,
)
from bidsmask.demo.surfaces import SPACES, write_surfaces

__all__ = [
    "ATLAS_NAME",
    "BOLD_GRID",
    "DEMO_RUNS",
    "SPACES",
    "DemoDataset",
    "RunFiles",
    "RunPlan",
    "SimulatedRun",
    "cubic_grid",
    "demo_parcellation",
    "draw_head",
    "simulate_run",
    "write_atlas",
    "write_confounds",
    "write_dataset",
    "write_demo",
    "write_root",
    "write_run",
    "write_surfaces",
]
