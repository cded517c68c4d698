"""datasketch's permutations: the one module that imports datasketch."""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np

from clustering.articles import UInt32Array


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
    # Late: datasketch brings scipy and redis along, which takes a second that commands which sign
    # nothing should not wait for.
    import datasketch

    sketch = datasketch.MinHash(num_perm=count, seed=seed, scheme="affine32")
    permutations = cast("UInt32Array", np.ascontiguousarray(sketch.permutations, dtype=np.uint32))
    permutations.setflags(write=False)
    return permutations
