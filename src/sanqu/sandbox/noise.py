"""Noise by OpenDP: whole numbers in, the same with discrete Laplace noise out; no noise is made here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

# How often a figure lies within what is said of its accuracy.
SURE = 0.95


@dataclass(frozen=True)
class Noise:
    """What is added to each number of a column: OpenDP's discrete Laplace of this scale."""

    scale: float
    # With `SURE`, a number with noise is no further than this from the one without.
    within: float


def _mechanism(scale: float) -> Any:
    # Loaded where somebody asks for noise, and without the library's prelude, which loads all of scikit-learn.
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import l1_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    return make_laplace(vector_domain(atom_domain(T="i64")), l1_distance(T="i64"), scale=scale)


@lru_cache(maxsize=1024)
def noise_for(most: int, epsilon: float) -> Noise:
    """The least noise with which one subject, who moves a column by at most `most` in all, costs at most `epsilon`."""
    from opendp.accuracy import discrete_laplacian_scale_to_accuracy
    from opendp.mod import binary_search_param, enable_features

    enable_features("contrib")
    scale = float(binary_search_param(_mechanism, d_in=most, d_out=epsilon, T=float))
    # The search ends within a float's breadth of the border; what it gives must lie on the right side of it.
    while _mechanism(scale).map(most) > epsilon:
        scale = math.nextafter(scale, math.inf)
    return Noise(scale, float(discrete_laplacian_scale_to_accuracy(scale=scale, alpha=1 - SURE)))


def with_noise(numbers: Sequence[int], noise: Noise) -> list[int]:
    """The column with noise; each call draws anew."""
    return cast(list[int], _mechanism(noise.scale)(list(numbers))) if numbers else []
