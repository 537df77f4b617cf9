"""How far a judge agrees with labels of people, and which biases it has."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

Classes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

N_RESAMPLES = 1000


def cohens_kappa(label_n: Classes, verdict_n: Classes) -> float:
    """Return Cohen's kappa of two classifications of the same items.

    ``(agreement - chance) / (1 - chance)``, with the chance that two raters with these shares of
    the classes agree. NaN if both use one and the same class only, or there is no item.

    Examples
    --------
    >>> cohens_kappa(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]))
    0.5
    """
    if not len(label_n):
        return float("nan")
    classes = np.unique(np.concatenate([label_n, verdict_n]))
    chance = sum(float(np.mean(label_n == c) * np.mean(verdict_n == c)) for c in classes)
    agreement = float(np.mean(label_n == verdict_n))
    return float("nan") if chance == 1 else (agreement - chance) / (1 - chance)


def kappa_interval(
    label_n: Classes, verdict_n: Classes, *, level: float = 0.95
) -> tuple[float, float]:
    """Return a bootstrap interval of `cohens_kappa` over the items; the same for equal inputs."""
    n, draws = len(label_n), np.random.default_rng(0)
    values = []
    for _ in range(N_RESAMPLES if n else 0):
        drawn = draws.integers(0, n, n)
        values.append(cohens_kappa(label_n[drawn], verdict_n[drawn]))
    known = [value for value in values if value == value]
    if not known:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share(values: Sequence[bool]) -> float | None:
    """Return the share of true values; None if there is no value."""
    return sum(values) / len(values) if values else None


def length_correlation(length_n: Floats, error_n: Floats) -> float | None:
    """Return Spearman's correlation of answer length with score minus label; None if undefined."""
    if len(length_n) < 3 or np.ptp(length_n) == 0 or np.ptp(error_n) == 0:
        return None
    return float(spearmanr(length_n, error_n).statistic)
