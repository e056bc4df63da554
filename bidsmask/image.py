"""Images: picked, put together, resampled and smoothed, by the names of ``nilearn.image``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "bidsmask.images.arithmetic": (
            "concat_imgs",
            "copy_img",
            "get_data",
            "index_img",
            "iter_img",
            "load_img",
            "math_img",
            "mean_img",
            "new_img_like",
        ),
        "bidsmask.images.resample": ("resample_img", "resample_to_img"),
        "bidsmask.images.smooth": ("smooth_img",),
        "bidsmask.maskers.clean_img": ("clean_img",),
        "bidsmask.maskers.confounds": ("high_variance_confounds",),
    },
    nilearn=(
        "binarize_img",
        "check_niimg",
        "check_niimg_3d",
        "check_niimg_4d",
        "coord_transform",
        "crop_img",
        "largest_connected_component_img",
        "reorder_img",
        "swap_img_hemispheres",
        "threshold_img",
    ),
)
