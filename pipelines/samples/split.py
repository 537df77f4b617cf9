"""Split samples into training, validation and test files by the hash of the prompt."""

from pathlib import Path

import numpy as np

from scope.errors import ConfigError
from scope.samples import SPLITS, Samples, check_suffix, split_of, take, write_samples


def split_samples(
    samples: Samples, output: Path, suffix: str, shares: tuple[float, float, float]
) -> dict[str, int]:
    """Write ``train``, ``validation`` and ``test`` files; return the prompts in each.

    One text never is in two of them.

    Raises
    ------
    ConfigError
        If the shares do not sum to 1, or the suffix is unknown.
    """
    check_suffix(Path(f"train{suffix}"))
    split_q = np.array([split_of(prompt, shares) for prompt in samples.prompts])
    counts: dict[str, int] = {}
    for split in SPLITS:
        rows = np.flatnonzero(split_q == split)
        write_samples(output / f"{split}{suffix}", take(samples, rows=rows.tolist()))
        counts[split] = len(rows)
    return counts


def parse_shares(text: str) -> tuple[float, float, float]:
    """Read ``0.8,0.1,0.1``.

    Raises
    ------
    ConfigError
        If it has another form; `split_of` checks the sum.
    """
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"--shares is {text!r}; expected three numbers, as 0.8,0.1,0.1"
        ) from error
    return train, validation, test
