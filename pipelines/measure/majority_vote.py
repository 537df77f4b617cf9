"""The answer of an arm with several samples: their majority, at the cost of all of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipelines.measure.journal import CallResult
from scope.arms import Arm
from scope.samples import majority


def arm_results(rows: Iterable[CallResult]) -> list[CallResult]:
    """Return one result per question and arm, from one result per call.

    Of an arm with several samples, the grade is that of the first sample whose extracted answer
    is the most frequent one; of equally frequent answers the one that came first wins. Without
    an extracted answer it is ungradable. Samples that failed do not vote, and if all failed, so
    has the arm. A question whose samples were not all called yet has no result.

    Parameters
    ----------
    rows : iterable of CallResult
        The latest result of each call.

    Returns
    -------
    list of CallResult
        Tokens and costs are those of all samples together; tokens are None if those of a sample
        are unknown.
    """
    results: list[CallResult] = []
    samples_of: Mapping[tuple[str, str], list[CallResult]] = defaultdict(list)
    for row in rows:
        if row.sample is None:
            results.append(row)
        else:
            samples_of[row.question_id, row.model].append(row)
    for (_, name), samples in samples_of.items():
        if len(samples) == Arm.parse(name).n_samples:
            results.append(_voted(sorted(samples, key=lambda row: row.sample or 0)))
    return results


def _voted(samples: Sequence[CallResult]) -> CallResult:
    """Return the result of all samples of an arm on one question, in their order."""
    arrived = [row for row in samples if row.error is None]
    chosen = majority([row.vote for row in arrived])
    first = arrived[0] if arrived else samples[0]
    return replace(
        first if chosen is None else arrived[chosen],
        correct=None if chosen is None else arrived[chosen].correct,
        prompt_tokens=_total([row.prompt_tokens for row in arrived]),
        completion_tokens=_total([row.completion_tokens for row in arrived]),
        usd=sum(row.usd for row in samples),
        possibly_billed_usd=sum(row.possibly_billed_usd for row in samples),
        attempts=sum(row.attempts for row in samples),
        sample=None,
    )


def _total(counts: Sequence[int | None]) -> int | None:
    """Return the sum; None if there is nothing to add or a count is unknown."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None
