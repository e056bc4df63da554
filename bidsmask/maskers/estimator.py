"""What scikit-learn asks of a transformer, without importing it.

scikit-learn takes every object that behaves like one of its own: ``clone``, ``Pipeline`` and
``set_config`` work with these. Importing it takes longer than reading a run, so it is left to
those who use it (https://scikit-learn.org/stable/developers/develop.html).
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import make_dataclass
from difflib import get_close_matches
from functools import cache, partial
from typing import Any, ClassVar, Self

from bidsmask._typing import Array
from bidsmask.maskers.kin import taken_for

_OUTPUTS = ("default", "pandas", "polars")

_UNCHANGED = "$UNCHANGED$"  # scikit-learn's word for it

_NO_METADATA = ("self", "X", "y")
"""Arguments that scikit-learn always hands over; the others it routes where it is told to."""

_MOVED = {"sample_mask": "Give it to transform or fit_transform, together with the images."}
"""Parameters that nilearn's constructors had once, and where they belong today."""


class Transformer:
    """A transformer whose parameters are those of its constructor."""

    inverse_transform: Callable[..., Any]

    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # without self
        cls.__signature__ = inspect.Signature(parameters)

    def __new__(cls, *_: Any, **parameters: Any) -> Self:
        """Refuse parameters that do not exist, and say which ones are meant."""
        known = cls.__signature__.parameters
        takes_any = any(each.kind is each.VAR_KEYWORD for each in known.values())
        for name in parameters:
            if name not in known and not takes_any:
                raise TypeError(
                    f"{cls.__name__}() got an unexpected keyword argument {name!r}."
                    f"{_hint(name, sorted(known))}"
                )
        return object.__new__(cls)

    @property  # type: ignore[misc]  # nobody sets it
    def __class__(self) -> type:
        """What `isinstance` is told; see `bidsmask.maskers.kin`."""
        return taken_for(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by type: another process may not have imported what `__class__` tells of."""
        return _blank, (type(self),), vars(self).copy()

    @classmethod
    def _parameter_names(cls) -> list[str]:
        parameters = inspect.signature(cls).parameters.values()
        return sorted(each.name for each in parameters if each.kind is not each.VAR_KEYWORD)

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Remember the arguments of a constructor, its `locals`, which does nothing else.

        A subclass may have more parameters, and remembers those itself.
        """
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

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
                    f"{known}.{_hint(own, known)}"
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

    def set_fit_request(self, *, imgs: bool | str | None = _UNCHANGED) -> Self:
        """Have scikit-learn hand arguments through to `fit`; see `set_transform_request`."""
        return self._request("fit", imgs=imgs)

    def set_transform_request(
        self,
        *,
        imgs: bool | str | None = _UNCHANGED,
        confounds: bool | str | None = _UNCHANGED,
        sample_mask: bool | str | None = _UNCHANGED,
    ) -> Self:
        """Have scikit-learn hand arguments through to `transform`, where it routes metadata.

        Parameters
        ----------
        imgs, confounds, sample_mask : bool, str or None
            True: handed through. A name: what a pipeline is given under that name. False: not
            handed through. None: an error if a pipeline is given it. (A pipeline hands the images
            over without being told.)

        Returns
        -------
        transformer : self

        References
        ----------
        https://scikit-learn.org/stable/metadata_routing.html
        """
        return self._request("transform", imgs=imgs, confounds=confounds, sample_mask=sample_mask)

    @property
    def set_inverse_transform_request(self) -> Any:
        """Have scikit-learn hand the signals to `inverse_transform`; see `set_transform_request`.

        Where they are called X, as they are by those that paint voxels, there is no such request.
        """
        if not self._metadata_of("inverse_transform"):
            raise AttributeError("Nothing is routed to inverse_transform: it takes X alone.")
        return partial(self._request, "inverse_transform")

    def _request(self, method: str, **aliases: bool | str | None) -> Self:
        known = self._metadata_of(method)
        routing = self.get_metadata_routing()
        for name, alias in aliases.items():
            if name not in known:
                raise TypeError(f"{method}() takes no {name!r}.{_hint(name, known)}")
            if alias != _UNCHANGED:
                getattr(routing, method).add_request(param=name, alias=alias)
        self._metadata_request = routing  # the name that clone looks for
        return self

    def _metadata_of(self, method: str) -> list[str]:
        """Arguments of a method that scikit-learn may route."""
        parameters = inspect.signature(getattr(type(self), method)).parameters
        return [name for name in parameters if name not in _NO_METADATA]

    def get_metadata_routing(self) -> Any:
        """Say which arguments scikit-learn may hand through to which method, and which it does."""
        from sklearn.utils.metadata_routing import MetadataRequest

        if hasattr(self, "_metadata_request"):
            return self._metadata_request
        routing = MetadataRequest(owner=self)
        for method in ("fit", "transform", "inverse_transform"):
            for name in self._metadata_of(method):
                getattr(routing, method).add_request(param=name, alias=None)
        return routing

    def _repr_html_(self) -> str:
        """Draw the transformer as scikit-learn draws its own, with the parameters folded in."""
        from sklearn.utils import estimator_html_repr

        return str(estimator_html_repr(self))

    def _get_params_html(self, *args: Any, **options: Any) -> Any:
        """Give the table of parameters, by the name that scikit-learn asks for it."""
        from sklearn.base import BaseEstimator

        return BaseEstimator._get_params_html(self, *args, **options)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _changed_parameters(self) -> dict[str, Any]:
        """Give the parameters that have another value than their default, by name."""
        defaults = inspect.signature(type(self)).parameters
        return {
            name: value
            for name, value in self.get_params(deep=False).items()
            if not _is_same(value, defaults[name].default)
        }

    def __repr__(self) -> str:
        changed = [f"{name}={value!r}" for name, value in self._changed_parameters().items()]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="masker",  # nilearn's word
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=_image_tags()(two_d_array=False),
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


def _hint(name: str, known: list[str]) -> str:
    """What to write instead of a parameter that does not exist, as a sentence."""
    if name in _MOVED:
        return f" {_MOVED[name]}"
    close = get_close_matches(name, known, 1)
    return f" Is {close[0]!r} meant?" if close else f" Parameters are: {', '.join(known)}."


def _blank(cls: type) -> Any:
    """Give an object of a class that remembers nothing yet."""
    return object.__new__(cls)


@cache
def _image_tags() -> Any:
    """Tags of what goes in: those of scikit-learn, and nilearn's two for kinds of images."""
    from sklearn.utils import InputTags

    images = [("niimg_like", bool, True), ("surf_img", bool, False)]
    return make_dataclass("ImageTags", images, bases=(InputTags,))


def _is_same(value: Any, default: Any) -> bool:
    """Whether a parameter has been left as it was; of arrays only the object itself counts."""
    if value is default:
        return True
    simple = (str, int, float, bool)
    return isinstance(value, simple) and type(value) is type(default) and bool(value == default)
