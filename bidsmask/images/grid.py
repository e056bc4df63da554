"""Where the voxels of an image lie: a lattice, as a value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask._warn import warn_user
from bidsmask.numerics.affine import orientation_codes, same_grid, voxel_sizes

NEARLY_FLAT = 1e-6
"""A voxel that fills more of the box of its edges is not flat; below, it is looked into."""

_LAST_ROW = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """A lattice of voxels in the world.

    Two grids are equal if they put the same voxels at the same places, up to a hundredth of a
    millimetre (`bidsmask.numerics.affine.same_grid`). That is no equivalence relation, so a grid
    has no hash.

    Parameters
    ----------
    shape : three ints
        Voxels along each axis.
    affine : array of shape (4, 4)
        From voxel indices to mm (RAS+). A read-only float64 copy is kept.

    Raises
    ------
    ValueError
        If the shape is not three positive numbers, or the affine holds something that is not
        finite, does not end in (0, 0, 0, 1), or is singular.

    Examples
    --------
    >>> grid = Grid(shape=(4, 5, 6), affine=np.diag([-2.0, 2.0, 2.0, 1.0]))
    >>> grid
    Grid(4 × 5 × 6 voxels of 2 × 2 × 2 mm, LAS, first voxel at (0, 0, 0) mm)
    >>> grid == Grid(shape=(4, 5, 6), affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    False
    """

    shape: tuple[int, int, int]
    affine: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _three_sizes(self.shape))
        object.__setattr__(self, "affine", _invertible(self.affine))

    @classmethod
    def from_image(cls, image: Any) -> Self:
        """Grid of a nibabel image, whatever comes after the third axis; see `as_written`."""
        return cls(shape=image.shape[:3], affine=as_written(image.affine))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return same_grid(self.shape, self.affine, other.shape, other.affine)

    def __repr__(self) -> str:
        shape, sizes, first = map(_spell, (self.shape, self.voxel_sizes_mm, self.affine[:3, 3]))
        return (
            f"Grid({' × '.join(shape)} voxels of {' × '.join(sizes)} mm, {self.orientation}, "
            f"first voxel at ({', '.join(first)}) mm)"
        )

    @property
    def voxel_sizes_mm(self) -> FloatArray:
        """Edge lengths of a voxel in mm, (3,)."""
        return voxel_sizes(self.affine)

    @property
    def n_voxels(self) -> int:
        """Voxels of the whole lattice."""
        x, y, z = self.shape
        return x * y * z

    def places_mm(self, numbers: IntArray) -> FloatArray:
        """Where voxels (n,), flat with x running fastest, lie in the world: (n, 3)."""
        ijk = np.column_stack(np.unravel_index(numbers, self.shape, order="F"))
        places: FloatArray = ijk @ self.affine[:3, :3].T + self.affine[:3, 3]
        return places

    @property
    def identity(self) -> dict[str, object]:
        """What tells it apart, as plain values by name."""
        rows = tuple(tuple(float(number) for number in row) for row in self.affine)
        return {"shape": self.shape, "affine": rows}

    def arrays(self) -> dict[str, Array]:
        """Give all that it consists of, as arrays; `from_arrays` takes them."""
        return {"shape": np.array(self.shape), "affine": self.affine}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Make it again of what `arrays` gave."""
        x, y, z = map(int, arrays["shape"])
        return cls(shape=(x, y, z), affine=arrays["affine"])

    @property
    def word(self) -> str:
        """What its places are."""
        return "voxels"

    @property
    def orientation(self) -> str:
        """Where the voxel axes point to, such as "RAS" or "LPS"."""
        return orientation_codes(self.affine)


def as_written(affine: Any) -> FloatArray:
    """Give an affine of the caller's the last row that it has in a file: (0, 0, 0, 1).

    A file has no room for another one. So a script that says ``2 * np.eye(4)`` gets, in memory,
    the lattice that it would get from the file that it saves.

    Parameters
    ----------
    affine : array of shape (4, 4)
        Anything else is given back as it is: `Grid` refuses it.

    Returns
    -------
    affine : float64 array of shape (4, 4)
        New memory.

    Warns
    -----
    UserWarning
        If the last row is another one, by more than rounding.
    """
    matrix: FloatArray = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4):
        return matrix
    if tuple(matrix[3]) == _LAST_ROW:
        return matrix
    if not np.allclose(matrix[3], _LAST_ROW):
        warn_user(
            f"The last row of an affine is {matrix[3].tolist()}, where only (0, 0, 0, 1) means "
            "something. It is taken for that, as when the image is saved. For voxels of 2 mm say "
            "np.diag([2, 2, 2, 1])."
        )
    matrix[3] = _LAST_ROW
    return matrix


def _three_sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape)
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"A grid has three axes of at least one voxel, and not {sizes}.")
    return sizes


def _invertible(affine: FloatArray) -> FloatArray:
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"The affine is not a 4 × 4 matrix of finite numbers:\n{matrix}")
    if tuple(matrix[3]) != _LAST_ROW:
        raise ValueError(f"The last row of the affine is not (0, 0, 0, 1):\n{matrix}")
    if _fullness(matrix) < NEARLY_FLAT and np.linalg.matrix_rank(matrix[:3, :3]) < 3:
        raise ValueError(f"The affine is singular, it makes voxels flat:\n{matrix}")
    matrix.flags.writeable = False
    return matrix


def _fullness(affine: FloatArray) -> float:
    """Volume of a voxel as a share of that of a box with the same edges: 1 if it is one."""
    (a, b, c, _), (d, e, f, _), (g, h, i, _), _ = affine.tolist()
    volume = abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    box = math.hypot(a, d, g) * math.hypot(b, e, h) * math.hypot(c, f, i)
    return float(volume / box) if box else 0.0


def _spell(numbers: Any) -> list[str]:
    return [f"{round(float(number), 3):g}" for number in numbers]
