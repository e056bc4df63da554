"""What scikit-learn asks of a transformer, without importing it.

scikit-learn takes every object that behaves like one of its own: ``clone``, ``Pipeline`` and
``set_config`` work with these. Importing it takes longer than reading a run, so it is left to
those who use it (https://scikit-learn.org/stable/developers/develop.html).
"""

import inspect
import sys
from typing import Any, Self

from bidsmask._typing import Array

_OUTPUTS = ("default", "pandas", "polars")

_UNCHANGED = "$UNCHANGED$"  # scikit-learn's word for it


class Transformer:
    """A transformer whose parameters are those of its constructor."""

    @classmethod
    def _parameter_names(cls) -> list[str]:
        parameters = inspect.signature(cls).parameters
        return sorted(parameters)

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Remember the arguments of the constructor, which does nothing else."""
        for name in self._parameter_names():
            setattr(self, name, arguments[name])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters by name; with `deep` also those of parameters that have their own.

        Parameters
        ----------
        deep : bool

        Returns
        -------
        parameters : dict
        """
        own = {name: getattr(self, name) for name in self._parameter_names()}
        nested = {
            f"{name}__{key}": value
            for name, item in own.items()
            if deep and hasattr(item, "get_params") and not isinstance(item, type)
            for key, value in item.get_params().items()
        }
        return own | nested

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters; ``a__b`` is the parameter b of the parameter a.

        Returns
        -------
        transformer : self

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        known = self._parameter_names()
        for name, value in parameters.items():
            own, _, nested = name.partition("__")
            if own not in known:
                raise ValueError(
                    f"Invalid parameter {own!r} for estimator {self}. Valid parameters are: "
                    f"{known}."
                )
            if nested:
                getattr(self, own).set_params(**{nested: value})
            else:
                setattr(self, own, value)
        return self

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform` and `fit_transform` give.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None
            An array, or a frame of that library with the names of the columns. None: as before.

        Returns
        -------
        transformer : self

        Raises
        ------
        ValueError
            If it is something else.
        """
        if transform is None:
            return self
        if transform not in _OUTPUTS:
            raise ValueError(f"output config must be one of {_OUTPUTS}, not {transform!r}.")
        self._sklearn_output_config = {"transform": transform}  # the name that clone looks for
        return self

    def set_transform_request(
        self,
        *,
        confounds: bool | str | None = _UNCHANGED,
        sample_mask: bool | str | None = _UNCHANGED,
    ) -> Self:
        """Have scikit-learn hand arguments through to `transform`, where it routes metadata.

        Parameters
        ----------
        confounds, sample_mask : bool, str or None
            True: handed through. A name: what a pipeline is given under that name. False: not
            handed through. None: an error if a pipeline is given it.

        Returns
        -------
        transformer : self

        References
        ----------
        https://scikit-learn.org/stable/metadata_routing.html
        """
        routing = self.get_metadata_routing()
        for name, alias in {"confounds": confounds, "sample_mask": sample_mask}.items():
            if alias != _UNCHANGED:
                routing.transform.add_request(param=name, alias=alias)
        self._metadata_request = routing  # the name that clone looks for
        return self

    def get_metadata_routing(self) -> Any:
        """Say which arguments of `transform` scikit-learn may hand through, and which it does."""
        from sklearn.utils.metadata_routing import MetadataRequest

        if hasattr(self, "_metadata_request"):
            return self._metadata_request
        routing = MetadataRequest(owner=self)
        for name in ("confounds", "sample_mask"):
            routing.transform.add_request(param=name, alias=None)
        return routing

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if not _is_same(value, defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(two_d_array=False),
            no_validation=True,
        )

    def _refuse_unfitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )

    @property
    def _output(self) -> str:
        """What is to be given: this transformer's choice, or the one for all of scikit-learn's."""
        own = getattr(self, "_sklearn_output_config", {}).get("transform")
        if own is not None:
            return str(own)
        sklearn = sys.modules.get("sklearn")  # nobody has chosen anything if it is not there
        return str(sklearn.get_config()["transform_output"]) if sklearn else "default"

    def _as_asked(self, signals: Array) -> Any:
        """Signals (T, P) as an array or as a frame."""
        kind = self._output
        if kind == "default":
            return signals
        names = [str(name) for name in self.get_feature_names_out()]
        if kind == "pandas":
            import pandas as pd

            return pd.DataFrame(signals, columns=names, copy=False)
        import polars

        return polars.DataFrame(signals, schema=names, orient="row")


def _is_same(value: Any, default: Any) -> bool:
    """Whether a parameter has been left as it was; of arrays only the object itself counts."""
    if value is default:
        return True
    simple = (str, int, float, bool)
    return isinstance(value, simple) and type(value) is type(default) and bool(value == default)
