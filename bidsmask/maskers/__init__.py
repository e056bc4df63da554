"""Maskers: images in, signals out, and back."""

from bidsmask._names import lazily

HOMES = {
    "bidsmask.maskers.labels": ("NiftiLabelsMasker",),
    "bidsmask.maskers.maps": ("NiftiMapsMasker",),
    "bidsmask.maskers.multi": (
        "MultiNiftiLabelsMasker",
        "MultiNiftiMapsMasker",
        "MultiNiftiMasker",
        "MultiNiftiSpheresMasker",
    ),
    "bidsmask.maskers.nifti": ("NiftiMasker",),
    "bidsmask.maskers.spheres": ("NiftiSpheresMasker",),
}
"""Where each masker is."""

__getattr__, __dir__, __all__ = lazily(
    __name__,
    HOMES,
    nilearn=(
        "BaseMasker",
        "MultiSurfaceLabelsMasker",
        "MultiSurfaceMapsMasker",
        "MultiSurfaceMasker",
        "SurfaceLabelsMasker",
        "SurfaceMapsMasker",
        "SurfaceMasker",
    ),
)
