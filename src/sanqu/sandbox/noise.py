"""Noise by OpenDP: whole numbers in, the same with discrete Laplace noise out; no noise is made here."""

from __future__ import annotations

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


def _opendp() -> Any:
    # Half a second and a hundred megabytes: only where somebody asks for a private answer.
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp


def _mechanism(scale: float) -> Any:
    dp = _opendp()
    return dp.m.make_laplace(dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64"), scale=scale)


@lru_cache(maxsize=1024)
def noise_for(most: int, epsilon: float) -> Noise:
    """The least noise with which one subject, who moves a column by at most `most` in all, costs at most `epsilon`."""
    dp = _opendp()
    scale = float(dp.binary_search_param(_mechanism, d_in=most, d_out=epsilon, T=float))
    # The search ends within a float's breadth of the border; what it gives must lie on the right side of it.
    assert _mechanism(scale).map(most) <= epsilon
    return Noise(scale, float(dp.discrete_laplacian_scale_to_accuracy(scale=scale, alpha=1 - SURE)))


def with_noise(numbers: Sequence[int], noise: Noise) -> list[int]:
    """The column with noise; each call draws anew."""
    return cast(list[int], _mechanism(noise.scale)(list(numbers))) if numbers else []
