"""What a worker needs beyond the main process, imported once by the server that it is forked from.

Nothing of it is garbage: looking for some, here or in a worker, would take time and have the
worker's memory copied.
"""

import gc
import platform
from importlib import import_module

_MODULES = (
    "bidsmask.analysis.figures",
    "bidsmask.workflows.nodes",
    "bidsmask.analysis.reportlets",
    "bidsmask.workflows.worker",
)

gc.disable()
for _name in _MODULES:
    import_module(_name)
platform.platform()  # nipype asks each worker; the answer, from another program, is kept
gc.freeze()
gc.enable()
