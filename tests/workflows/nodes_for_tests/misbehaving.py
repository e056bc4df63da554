"""Nodes that fail in the ways that nodes fail; workers import them by name."""

import errno
import os
import signal
import time
from pathlib import Path

from nipype.interfaces.base import SimpleInterface, TraitedSpec, traits

from bidsmask.errors import ConfoundsError


class Misbehave(SimpleInterface):
    """Count the calls in `diary`, then do what `how` says."""

    class input_spec(TraitedSpec):
        how = traits.Str(mandatory=True)
        diary = traits.Str(mandatory=True, hash_files=False)
        after = traits.Any(desc="a node that must have run before")

    class output_spec(TraitedSpec):
        out = traits.Str()

    def _run_interface(self, runtime):
        diary = Path(self.inputs.diary)
        calls = len(diary.read_text().splitlines()) if diary.exists() else 0
        with diary.open("a") as file:
            file.write(f"{os.getpid()}\n")
        how = self.inputs.how
        if how == "die" or (how == "die once" and calls == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "sleep":
            time.sleep(60)
        if how == "refuse":
            raise ConfoundsError("confounds.tsv has no column csf. Use the strategy 24P.")
        if how == "fill the disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if how == "kill the server":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if how == "stumble":
            raise KeyError("csf")
        self._results["out"] = how
        return runtime
