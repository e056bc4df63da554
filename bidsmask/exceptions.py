"""What is raised and warned of, by the names of ``nilearn.exceptions``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "bidsmask.errors": ("AllVolumesRemovedError", "BoundingBoxError", "DimensionError"),
        "bidsmask.images.masks": ("MaskWarning",),
    },
    nilearn=("MeshDimensionError", "NotImplementedWarning"),
)
