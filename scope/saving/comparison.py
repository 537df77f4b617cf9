"""Routers against always one reference: quality lost where a share of its cost is saved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation import Interval, ResampledOutcomes
from scope.saving.sweep import ReferenceScale

SAVINGS = (0.1, 0.2, 0.4, 0.6)
"""Shares of the reference's cost at which the quality drop is read."""
SHARES = (0.1, 0.2, 0.4)
"""Shares of the questions answered by the small one of two arms."""
HULL, RANDOM_MIX, ORACLE_BOUND = "hull of static arms", "random mix", "oracle"
N_CLASS, N_LABEL = "N-class", "N-label"


@dataclass(frozen=True, slots=True)
class SavingPoint:
    """A router where it saves a share of the reference's cost; NaN where it never does.

    Attributes
    ----------
    saving : float
    drop : Interval
        ``1 - quality / quality of always the reference``.
    gap_recovered : Interval
        Share of the way from always the smallest arm to always the reference.
    gain_over_hull : Interval
        Drop of the hull of static arms at the same cost minus this drop, on the same questions.
    """

    saving: float
    drop: Interval
    gap_recovered: Interval
    gain_over_hull: Interval


@dataclass(frozen=True, slots=True)
class SharePoint:
    """A router of two arms where the small one answers a share of the questions."""

    share: float
    drop: Interval
    gain_over_random: Interval
    """Drop of a random assignment of as many questions minus this drop."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """A router whose threshold or trade-off is swept; `at_shares` is empty for over two arms."""

    name: str
    note: str
    at_savings: tuple[SavingPoint, ...]
    at_shares: tuple[SharePoint, ...]


@dataclass(frozen=True, slots=True)
class FixedPointRow:
    """A router without a setting: one arm for all questions, or a classifier."""

    name: str
    note: str
    saving: Interval
    """May be negative: more expensive than the reference."""
    drop: Interval
    gap_recovered: Interval
    gain_over_hull: Interval


@dataclass(frozen=True, slots=True)
class AgainstReference:
    """Routers against always the reference, on the questions with the outcomes of all arms.

    Attributes
    ----------
    reference, smallest : str
        The reference, and the arm with the lowest mean cost.
    n_questions : int
    sweeps : tuple of SweepRow
        The routers as given, then random mix, hull of static arms and oracle.
    fixed_points : tuple of FixedPointRow
        The classifiers as given, then every arm.
    """

    reference: str
    smallest: str
    n_questions: int
    sweeps: tuple[SweepRow, ...]
    fixed_points: tuple[FixedPointRow, ...]

    def sweep(self, name: str) -> SweepRow:
        """Return the row of one router."""
        return next(row for row in self.sweeps if row.name == name)


def compare_with_reference(
    outcomes: ResampledOutcomes,
    arms: tuple[str, ...],
    reference: str,
    sweeps: Mapping[str, tuple[str, IntArray]],
    fixed: Mapping[str, tuple[str, IntArray]],
    savings: Sequence[float] = SAVINGS,
) -> AgainstReference:
    """Measure saving and drop of routers, arms and bounds on realised outcomes.

    Parameters
    ----------
    outcomes : ResampledOutcomes
        Realised qualities and costs; columns are `arms`.
    arms : tuple of str
    reference : str
        One of them.
    sweeps : mapping of str to (str, ndarray of int, shape (n_questions, n_settings))
        Note and choices by name, from the most expensive settings to the cheapest. They must be
        made on predicted costs.
    fixed : mapping of str to (str, ndarray of int, shape (n_questions,))
        Note and choices of routers without a setting.
    savings : sequence of float
        Shares of the reference's cost at which the sweeps are read.
    """
    scale = ReferenceScale(outcomes, arms.index(reference))
    columns = np.arange(len(arms))
    constant = {
        arm: (_arm_note(scale, m), np.full(len(outcomes.cost_usd_qm), m))
        for m, arm in zip(columns.tolist(), arms, strict=True)
    }
    return AgainstReference(
        reference=reference,
        smallest=arms[scale.smallest],
        n_questions=len(outcomes.cost_usd_qm),
        sweeps=tuple(_sweep_rows(scale, sweeps, savings)),
        fixed_points=tuple(
            _fixed_point(scale, name, note, model_q)
            for name, (note, model_q) in {**fixed, **constant}.items()
        ),
    )


def _arm_note(scale: ReferenceScale, m: int) -> str:
    if m == scale.reference:
        return "always the reference"
    return "the cheapest" if m == scale.smallest else ""


def _sweep_rows(
    scale: ReferenceScale,
    sweeps: Mapping[str, tuple[str, IntArray]],
    savings: Sequence[float],
) -> Iterator[SweepRow]:
    two_arms = scale.outcomes.cost_usd_qm.shape[1] == 2
    shares = SHARES if two_arms else ()
    mix = scale.random_mix()
    random_r = {share: mix.quality_at_share(share) for share in shares}
    oracle_r = {share: scale.oracle_quality_at_share(share) for share in shares}
    for name, (note, model_qg) in sweeps.items():
        sweep = scale.sweep(model_qg)
        yield SweepRow(
            name,
            note,
            tuple(_saving_point(scale, at, sweep.quality_at_saving(at)) for at in savings),
            tuple(_share_point(scale, at, sweep.quality_at_share(at), random_r) for at in shares),
        )
    yield SweepRow(
        RANDOM_MIX,
        "the reference and the cheapest arm, drawn for each question",
        tuple(_saving_point(scale, at, mix.quality_at_saving(at)) for at in savings),
        tuple(_share_point(scale, at, random_r[at], random_r) for at in shares),
    )
    yield SweepRow(
        HULL,
        "the best random mixture of arms, its weights fitted on these outcomes",
        tuple(_saving_point(scale, at, scale.hull_quality_at_saving(at)) for at in savings),
        (),
    )
    yield SweepRow(
        ORACLE_BOUND,
        "every outcome and cost is known beforehand: an upper bound",
        tuple(_saving_point(scale, at, scale.oracle_quality_at_saving(at)) for at in savings),
        tuple(_share_point(scale, at, oracle_r[at], random_r) for at in shares),
    )


def _saving_point(scale: ReferenceScale, saving: float, quality_r: FloatArray) -> SavingPoint:
    drop_r = scale.drop(quality_r)
    hull_r = scale.drop(scale.hull_quality_at_saving(saving))
    return SavingPoint(
        saving,
        Interval.from_replicates(drop_r),
        Interval.from_replicates(scale.gap_recovered(quality_r)),
        Interval.from_replicates(hull_r - drop_r),
    )


def _share_point(
    scale: ReferenceScale, share: float, quality_r: FloatArray, random_r: Mapping[float, FloatArray]
) -> SharePoint:
    drop_r = scale.drop(quality_r)
    gain_r = scale.drop(random_r[share]) - drop_r
    return SharePoint(share, Interval.from_replicates(drop_r), Interval.from_replicates(gain_r))


def _fixed_point(scale: ReferenceScale, name: str, note: str, model_q: IntArray) -> FixedPointRow:
    weight_rq, rows = scale.outcomes.weight_rq, np.arange(len(model_q))
    usd_r = weight_rq @ scale.outcomes.cost_usd_qm[rows, model_q]
    quality_r = weight_rq @ scale.outcomes.correct_qm[rows, model_q]
    # Rounding must not put the cheapest arm below the cost of the hull that begins with it.
    hull_r = scale.hull_quality(usd_r * (1 + 1e-12))
    return FixedPointRow(
        name,
        note,
        Interval.from_replicates(scale.saving(usd_r)),
        Interval.from_replicates(scale.drop(quality_r)),
        Interval.from_replicates(scale.gap_recovered(quality_r)),
        Interval.from_replicates(scale.drop(hull_r) - scale.drop(quality_r)),
    )
