"""Connectivity of several subjects, with the words and the numbers of nilearn's estimator."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.covariance import LedoitWolf
from sklearn.utils.validation import check_array, check_is_fitted

from bidsmask._typing import FloatArray
from bidsmask.maskers.cleaning import clean
from bidsmask.maskers.kin import taken_for
from bidsmask.maskers.parameters import check_choice
from bidsmask.numerics.tangent import (
    cov_to_corr,
    geometric_mean,
    inverse_root,
    logarithm_seen_from,
    matrix_function,
    prec_to_partial,
    sym_matrix_to_vec,
    vec_to_sym_matrix,
)

_OF_COVARIANCE: dict[str, Callable[[FloatArray], FloatArray]] = {
    "covariance": lambda covariance: covariance,
    "correlation": cov_to_corr,
    "partial correlation": lambda covariance: prec_to_partial(np.linalg.inv(covariance)),
    "tangent": lambda covariance: covariance,
    "precision": np.linalg.inv,
}
KINDS = tuple(_OF_COVARIANCE)
"""What there is to choose from."""


class ConnectivityMeasure(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Matrices of how signals go together, one for each subject.

    Parameters
    ----------
    cov_estimator : estimator of scikit-learn's, optional
        With `fit` and ``covariance_``. By default LedoitWolf, which shrinks: its matrices can be
        inverted, and its correlations are smaller than those of `numpy.corrcoef`.
    kind : {"covariance", "correlation", "partial correlation", "tangent", "precision"}
        tangent: how each covariance differs from the geometric mean of all.
    vectorize : bool
        Give the lower triangles as vectors: `bidsmask.connectome.sym_matrix_to_vec`.
    discard_diagonal : bool
        Vectors without the diagonal.
    standardize : bool or {"zscore_sample"}
        For correlations: give all signals a standard deviation of 1 first, which matters because
        of the shrinkage.
    verbose : int, default=0
        There so that scripts written for nilearn run.

    Attributes
    ----------
    cov_estimator_ : estimator
    mean_ : array of shape (P, P)
        Mean of the matrices; of tangent, the geometric mean of the covariances.
    whitening_ : array of shape (P, P), or None
        Inverse square root of the mean, for tangent.
    n_features_in_ : int
        P.

    See Also
    --------
    bidsmask.NiftiLabelsMasker : Gives the signals.

    Notes
    -----
    Numbers are those of nilearn 0.14.1, but for ``standardize="zscore_sample"``, which is the same
    as True here and without effect there, and for `confounds`, with which nilearn takes a straight
    line over the subjects out of each edge. Matrices are computed in float64 whatever the signals
    are in: logarithms in float32, as nilearn takes them, are off by up to 3e-4 of their spread.

    References
    ----------
    Ledoit & Wolf (2004), doi:10.1016/S0047-259X(03)00096-4; Varoquaux et al. (2010), MICCAI,
    doi:10.1007/978-3-642-15705-9_25

    Examples
    --------
    >>> signals = np.random.default_rng(0).normal(size=(3, 50, 4))
    >>> measure = ConnectivityMeasure(kind="tangent", vectorize=True)
    >>> measure.fit_transform(list(signals)).shape
    (3, 10)
    >>> measure.inverse_transform(measure.transform(list(signals))).shape
    (3, 4, 4)
    """

    def __init__(
        self,
        cov_estimator: Any = None,
        kind: str = "covariance",
        vectorize: bool = False,
        discard_diagonal: bool = False,
        standardize: Any = True,
        verbose: int = 0,
    ) -> None:
        self.cov_estimator = cov_estimator
        self.kind = kind
        self.vectorize = vectorize
        self.discard_diagonal = discard_diagonal
        self.standardize = standardize
        self.verbose = verbose

    @property  # type: ignore[misc]  # nobody sets it
    def __class__(self) -> type:
        """What `isinstance` is told; see `bidsmask.maskers.kin`."""
        return taken_for(self, "connectome")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by type: another process may not have imported what `__class__` tells of."""
        return object.__new__, (type(self),), self.__getstate__()

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn the mean of the subjects.

        Parameters
        ----------
        X : arrays of shape (T, P)
            One for each subject; T may differ.
        y : None
            Ignored; there for scikit-learn.

        Returns
        -------
        measure : self

        Raises
        ------
        ValueError
            If subjects do not have the same columns, or a parameter cannot be used.
        """
        self._learn(X)
        return self

    def fit_transform(self, X: Any, y: Any = None, confounds: Any = None) -> FloatArray:  # noqa: N803
        """Learn the mean of the subjects, then give their matrices; see `transform`."""
        self._check_confounds(confounds)
        self._check_group(X)
        return self._given(self._learn(X), confounds)

    def transform(self, X: Any, confounds: Any = None) -> FloatArray:  # noqa: N803
        """Give the matrices of subjects.

        Parameters
        ----------
        X : arrays of shape (T, P)
            One for each subject.
        confounds : array or frame with a row for each subject, optional
            Regressed out of the vectors, which are standardised then: each edge has a mean of 0
            and a standard deviation of 1 over the subjects, whatever their order.

        Returns
        -------
        connectivities : array of shape (S, P, P), or (S, P (P + 1) / 2) of vectors

        Raises
        ------
        ValueError
            If a single subject is to be placed in the space tangent to its own mean.
        """
        check_is_fitted(self)
        self._check_confounds(confounds)
        self._check_group(X)
        subjects = _subjects(X)
        if subjects[0].shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {subjects[0].shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return self._given(self._matrices(subjects), confounds)

    def inverse_transform(
        self, connectivities: Any, diagonal: FloatArray | None = None
    ) -> FloatArray:
        """Give matrices of what `transform` gave; of tangent, the covariances.

        Parameters
        ----------
        connectivities : array of shape (S, P, P) or (S, n)
        diagonal : array of shape (S, P), optional
            Where it was left out of the vectors; divided by the square root of 2. Of correlations
            it is known.

        Returns
        -------
        matrices : array of shape (S, P, P)

        Raises
        ------
        ValueError
            If the diagonal was left out and is not known.
        """
        check_is_fitted(self)
        matrices = np.array(connectivities)
        if self.vectorize:
            if self.discard_diagonal and diagonal is None:
                diagonal = self._known_diagonal(len(matrices))
            matrices = vec_to_sym_matrix(matrices, diagonal=diagonal)
        if self.kind != "tangent":
            return matrices
        root = matrix_function(np.sqrt, self.mean_)
        return np.array([root @ matrix_function(np.exp, each) @ root for each in matrices])

    def set_output(self, *, transform: Any = None) -> Self:
        """Refuse to give frames: matrices have no columns to be named.

        Raises
        ------
        NotImplementedError
            But for None, which changes nothing.
        """
        if transform is None:
            return self
        raise NotImplementedError(
            f"{type(self).__name__} gives arrays of matrices or vectors, and no frames."
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cov_estimator_")

    def _learn(self, imgs: Any) -> list[FloatArray]:
        """Learn from subjects, and give their matrices."""
        subjects = _subjects(imgs)
        check_choice("kind", self.kind, KINDS)
        check_choice("standardize", self.standardize, (True, False, "zscore_sample", None))
        self.cov_estimator_ = self._estimator()
        self.n_features_in_ = subjects[0].shape[1]
        matrices = self._matrices(subjects)
        curved = self.kind == "tangent"
        mean = geometric_mean(matrices) if curved else np.mean(matrices, axis=0)
        self.mean_ = mean if curved else (mean + mean.T) / 2
        self.whitening_ = inverse_root(mean) if curved else None
        return matrices

    def _estimator(self) -> Any:
        if self.cov_estimator is None:
            return LedoitWolf(store_precision=False)
        if not hasattr(self.cov_estimator, "fit"):
            raise ValueError(
                "'cov_estimator' must be an estimator with '.fit()' and '.covariance_', such as "
                f"those of sklearn.covariance, and not {self.cov_estimator!r}."
            )
        return clone(self.cov_estimator)

    def _matrices(self, subjects: Sequence[FloatArray]) -> list[FloatArray]:
        if self.kind == "correlation" and self.standardize:
            subjects = [_standard_scores(signals) for signals in subjects]
        covariances = [self.cov_estimator_.fit(signals).covariance_ for signals in subjects]
        return [_OF_COVARIANCE[self.kind](each.astype(np.float64)) for each in covariances]

    def _given(self, matrices: Sequence[FloatArray], confounds: Any) -> FloatArray:
        if self.kind == "tangent":
            whitening = self.whitening_
            assert whitening is not None  # learned with the mean
            matrices = [logarithm_seen_from(whitening, each) for each in matrices]
        if not self.vectorize:
            return np.array(matrices)
        vectors = sym_matrix_to_vec(np.array(matrices), discard_diagonal=self.discard_diagonal)
        if confounds is None:
            return vectors
        return clean(vectors, confounds=confounds, detrend=False)  # subjects are no volumes

    def _known_diagonal(self, n_subjects: int) -> FloatArray:
        if self.kind not in ("correlation", "partial correlation"):
            raise ValueError(
                "Without their diagonal, which was left out and is not known, one cannot "
                f"reconstruct connectivity matrices of {self.kind}. Give it, or use "
                "discard_diagonal=False."
            )
        return np.full((n_subjects, self.n_features_in_), 1 / np.sqrt(2))

    def _check_confounds(self, confounds: Any) -> None:
        if confounds is None:
            return
        if not hasattr(confounds, "__iter__"):
            raise TypeError(
                "'confounds' input argument must be an iterable: an array or a frame, and not "
                f"{confounds!r}."
            )
        if not self.vectorize:
            raise ValueError(
                "'confounds' are provided but vectorize=False. They are regressed out of vectors, "
                "and not out of symmetric matrices."
            )

    def _check_group(self, imgs: Any) -> None:
        alone = isinstance(imgs, np.ndarray) and imgs.ndim == 2
        if self.kind == "tangent" and (alone or (hasattr(imgs, "__len__") and len(imgs) < 2)):
            raise ValueError(
                "Tangent space parametrization can only be applied to a group of subjects, as it "
                "returns deviations to the mean. Give at least two."
            )


def _subjects(given: Any) -> list[FloatArray]:
    """Signals of each subject."""
    if hasattr(given, "toarray"):
        check_array(given, accept_sparse=False)  # says what to do
    if not hasattr(given, "__iter__"):
        raise TypeError(f"Input must be an iterable of numpy arrays, not {type(given).__name__}.")
    subjects = [given] if isinstance(given, np.ndarray) and given.ndim == 2 else list(given)
    if not subjects:
        raise ValueError("There is no subject.")
    if any(not isinstance(signals, np.ndarray) or signals.ndim != 2 for signals in subjects):
        found = [(type(signals).__name__, np.shape(signals)) for signals in subjects]
        raise ValueError(f"Each subject must be 2D numpy.ndarray.\n You provided {found}")
    n_columns = [signals.shape[1] for signals in subjects]
    if len(set(n_columns)) > 1:
        raise ValueError(
            f"All subjects must have the same number of features.\nYou provided: {n_columns}"
        )
    return subjects  # the estimator checks their values


def _standard_scores(signals: FloatArray) -> FloatArray:
    """Z-scores with the sample's standard deviation, in the type of the signals."""
    scores: FloatArray = signals - signals.mean(axis=0)
    std = scores.std(axis=0, ddof=1)
    scores /= np.where(std < np.finfo(np.float64).eps, 1, std)
    return scores
