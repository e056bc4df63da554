"""What a worker needs, imported once by the server that workers are forked from."""

import gc

import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.signal  # noqa: F401

from bidsmask.workflows import drawing, nodes, reportlets, worker

__all__ = ["drawing", "nodes", "reportlets", "worker"]

gc.collect()
gc.freeze()  # garbage is never looked for in all this, nor its memory copied by looking
