"""Laws are about numbers, not about time: on a busy machine an example may take long."""

from hypothesis import settings

settings.register_profile("numerics", deadline=None)
settings.load_profile("numerics")
