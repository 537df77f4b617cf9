"""The router data of BEST-Route: one line a prompt, one candidate an arm."""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from scope.arms import Arm
from scope.arrays import IntArray
from scope.errors import ConfigError
from scope.samples.jsonl import SCORES, plain_number
from scope.samples.labels import ArmScores
from scope.samples.samples import Samples
from scope.samples.split import Split
from scope.storage import atomic_file

N_DRAWS = 10
"""Draws of a candidate on a training prompt; other prompts have one."""


def write_candidates(
    path: Path, samples: Samples, arms: ArmScores, split_q: list[Split], split: Split
) -> int:
    """Write the prompts of one split as the published router reads them; return their number.

    A candidate ``m_SELECTOR_bo3`` draws 3 of the model's samples without replacement and answers
    with the one that the selector scores highest: its score is that sample's, its tokens are
    those of all three. Draws depend on prompt, arm and nothing else. Prompts on which an arm has
    too few samples are left out.

    Parameters
    ----------
    path : Path
    samples : Samples
    arms : ArmScores
        The reference last, as in the file.
    split_q : list of str
        Split of each prompt.
    split : str
        ``train`` has `N_DRAWS` draws of each candidate, the others one.
    """
    n_draws = N_DRAWS if split == "train" else 1
    n_written = 0
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8") as file:
        for q in [q for q, of in enumerate(split_q) if of == split]:
            candidates = [
                _candidate(samples, arms, q, position, n_draws)
                for position in range(len(arms.arms))
            ]
            if any(candidate is None for candidate in candidates):
                continue
            row = {
                "id": samples.ids[q],
                "instruction": "",
                "input": samples.prompts[q],
                "output": "",
                "cmp_results": "",
                "candidates": candidates,
            }
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            n_written += 1
    return n_written


def candidate_name(arm: Arm, selector: str | None) -> str:
    """Return the name of an arm in the file."""
    named = Arm.parse(str(arm))  # a column called m@5 has one sample, its name says five
    return f"{named.one_sample}_{selector or 'none'}_bo{named.n_samples}"


def _candidate(
    samples: Samples, arms: ArmScores, q: int, position: int, n_draws: int
) -> dict[str, Any] | None:
    """Return one candidate of one prompt; None if the arm has too few samples."""
    arm, column = arms.arms[position], arms.columns[position]
    score_o, token_o = arms.score_qmo[q, column], samples.completion_tokens_qmo[q, column]
    usable_o = ~np.isnan(score_o + token_o)
    if arm.n_samples > 1 and arms.selector_qmo is not None:
        usable_o &= ~np.isnan(arms.selector_qmo[q, column])
    known = np.flatnonzero(usable_o)
    if len(known) < arm.n_samples:
        return None
    seed = zlib.crc32(f"{samples.ids[q]}\0{arm}".encode())
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(known)[: arm.n_samples] for _ in range(n_draws)]
    scores = [plain_number(score_o[_pick(arms, q, column, draw)]) for draw in drawn]
    tokens = [plain_number(token_o[draw].sum()) for draw in drawn]
    many = n_draws > 1
    return {
        "model": candidate_name(arm, arms.selector),
        "text": [""] * n_draws if many else "",
        "scores": {arms.scorer + SCORES: scores if many else scores[0]},
        "token_num_prompt": _prompt_tokens(samples, q, column),
        "token_num_responses": tokens if many else tokens[0],
    }


def _pick(arms: ArmScores, q: int, column: int, draw: IntArray) -> int:
    if len(draw) == 1 or arms.selector_qmo is None:
        return int(draw[0])
    return int(draw[np.argmax(arms.selector_qmo[q, column, draw])])


def _prompt_tokens(samples: Samples, q: int, column: int) -> float | int:
    tokens = samples.prompt_tokens_qm[q, column]
    if math.isnan(tokens):
        raise ConfigError(
            f"{samples.models[column]} has no prompt tokens on id {samples.ids[q]!r}; count them "
            "with `scope samples count`"
        )
    return plain_number(tokens) or 0
