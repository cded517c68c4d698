"""datasketch's permutations: the one module that imports datasketch.

Those of the default scheme stand in a table (``permutations.npz``), because importing datasketch
brings scipy and redis along and takes a second, which every start of the service would wait for. It
was written by ``python -m clustering.training.permutations``; a test compares it with datasketch.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final, cast

import numpy as np

from clustering.articles import UInt32Array

TABLE: Final = "permutations.npz"
IN_TABLE: Final = ((128, 1),)
"""Number of permutations and seed of those that stand in the table."""


@cache
def affine32_permutations(count: int, seed: int) -> UInt32Array:
    """Multipliers and offsets of datasketch's ``affine32`` scheme.

    Parameters
    ----------
    count
        Number of permutations, at least 1. The first n offsets of a longer list are not the
        list of length n: ``count`` is part of the scheme.
    seed
        datasketch's ``seed``.

    Returns
    -------
    permutations
        uint32, shape (2, count), read-only: row 0 the odd multipliers a, row 1 the offsets b of
        h -> a * fmix32(h) + b mod 2^32.
    """
    if (count, seed) in IN_TABLE:
        with (
            resources.files(__package__).joinpath(TABLE).open("rb") as file,
            np.load(file, allow_pickle=False) as table,
        ):
            permutations = cast("UInt32Array", table[name_in_table(count, seed)])
    else:
        permutations = made_permutations(count, seed)
    permutations.setflags(write=False)
    return permutations


def made_permutations(count: int, seed: int) -> UInt32Array:
    """Return them as datasketch makes them."""
    import datasketch  # late: see above

    sketch = datasketch.MinHash(num_perm=count, seed=seed, scheme="affine32")
    return cast("UInt32Array", np.ascontiguousarray(sketch.permutations, dtype=np.uint32))


def name_in_table(count: int, seed: int) -> str:
    """Return the name of an array of the table."""
    return f"{count}_{seed}"
