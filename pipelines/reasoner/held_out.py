"""Questions that a trained reasoner has not seen: only they tell what its answers are worth."""

from collections.abc import Sequence

from scope.errors import ConfigError
from scope.reasoner import TrainingRecord


def check_held_out(prompts: Sequence[str], checkpoint: str, source: str) -> None:
    """Refuse labelled questions that a checkpoint was trained on.

    Raises
    ------
    ConfigError
        If it was trained on one of them.
    """
    record = TrainingRecord.read(checkpoint)
    if record is None:
        return
    if n_seen := sum(record.seen(prompts)):
        raise ConfigError(
            f"{n_seen:,} of the {len(prompts):,} labelled questions of {source} were in the "
            f"training of {checkpoint!r}, so that its predictions there prove nothing; expected "
            "others, or a file of the questions without their outcomes"
        )
