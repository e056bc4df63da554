"""Masks: computed, intersected and applied, by the names of ``nilearn.masking``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "bidsmask.images.masks": (
            "apply_mask",
            "compute_background_mask",
            "compute_epi_mask",
            "compute_multi_background_mask",
            "compute_multi_epi_mask",
            "intersect_masks",
            "unmask",
        ),
        "bidsmask.maskers.templates": ("compute_brain_mask", "compute_multi_brain_mask"),
    },
    former={
        "compute_gray_matter_mask": "compute_brain_mask(img, mask_type='gm')",
        "compute_multi_gray_matter_mask": "compute_multi_brain_mask(imgs, mask_type='gm')",
    },
)
