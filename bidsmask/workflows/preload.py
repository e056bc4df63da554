"""What a worker needs, imported once by the server that workers are forked from.

Nothing of it is garbage: looking for some, here or in a worker, would take time and have the
worker's memory copied.
"""

import gc
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
gc.freeze()
gc.enable()
