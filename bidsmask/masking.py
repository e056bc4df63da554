"""Masks: computed, intersected and applied, by the names of ``nilearn.masking``."""

from bidsmask._names import MASKING, lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    MASKING,
    former={
        "compute_gray_matter_mask": "compute_brain_mask(img, mask_type='gm')",
        "compute_multi_gray_matter_mask": "compute_multi_brain_mask(imgs, mask_type='gm')",
    },
)
