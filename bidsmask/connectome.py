"""Relations between signals, by the names of ``nilearn.connectome``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "bidsmask.maskers.connectivity": ("ConnectivityMeasure",),
        "bidsmask.numerics.tangent": (
            "cov_to_corr",
            "prec_to_partial",
            "sym_matrix_to_vec",
            "vec_to_sym_matrix",
        ),
    },
    nilearn=("GroupSparseCovariance", "GroupSparseCovarianceCV", "group_sparse_covariance"),
)
