"""Count the tokens of prompts and responses with each model's own tokenizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.terminal import Stages
from scope.arrays import BoolArray, FloatArray
from scope.errors import ConfigError, join_names, one_line
from scope.samples import Samples

CHUNK = 1_000
"""Texts between two updates of the progress."""


@dataclass(frozen=True, slots=True)
class CountResult:
    """Samples with their token counts, and the number of texts that were counted."""

    samples: Samples
    n_counted: int


def count_tokens(
    samples: Samples,
    tokenizers: Mapping[str, str],
    *,
    recount: bool = False,
    stages: Stages | None = None,
) -> CountResult:
    """Return the samples with token counts where they lack them.

    Texts are counted as they are: without a chat template and without special tokens. Counts
    that an API reported stay, as they are what was billed.

    Parameters
    ----------
    samples : Samples
        With their responses, unless all counts are there.
    tokenizers : mapping of str to str
        Model -> name or folder of its tokenizer.
    recount : bool
        Count all texts of the models in `tokenizers` again.
    stages : Stages, optional

    Raises
    ------
    ConfigError
        If a tokenizer cannot be loaded, or a model without counts has none.
    """
    stages = stages or Stages()
    if unknown := [model for model in tokenizers if model not in samples.models]:
        raise ConfigError(
            f"--tokenizer names {join_names(unknown)}; the samples have "
            f"{join_names(samples.models)}"
        )
    known_qmo = samples.known_qmo()
    prompt_qm = samples.prompt_tokens_qm.copy()
    completion_qmo = samples.completion_tokens_qmo.copy()
    if recount:
        again = [m for m, model in enumerate(samples.models) if model in tokenizers]
        prompt_qm[:, again], completion_qmo[:, again] = np.nan, np.nan
    wanted_qmo = known_qmo & np.isnan(completion_qmo)
    wanted_qm = known_qmo.any(axis=2) & np.isnan(prompt_qm)
    _check(samples, tokenizers, wanted_qm | wanted_qmo.any(axis=2))
    n_texts = int(wanted_qm.sum() + wanted_qmo.sum())
    stages.begin("counting", n_texts)
    for m, model in enumerate(samples.models):
        if not (wanted_qm[:, m].any() or wanted_qmo[:, m].any()):
            continue
        tokenizer = _tokenizer(tokenizers[model])
        rows = np.flatnonzero(wanted_qm[:, m])
        prompt_qm[rows, m] = _lengths(tokenizer, [samples.prompts[q] for q in rows], stages)
        completion_qmo[:, m][wanted_qmo[:, m]] = _lengths(
            tokenizer, _responses(samples, m, wanted_qmo[:, m]), stages
        )
    counted = replace(samples, prompt_tokens_qm=prompt_qm, completion_tokens_qmo=completion_qmo)
    return CountResult(counted, n_texts)


def _check(samples: Samples, tokenizers: Mapping[str, str], wanted_qm: BoolArray) -> None:
    wanted = [model for m, model in enumerate(samples.models) if wanted_qm[:, m].any()]
    if missing := [model for model in wanted if model not in tokenizers]:
        raise ConfigError(
            f"{join_names(missing)} have texts without token counts; name their tokenizers with "
            "--tokenizer MODEL=NAME"
        )
    if wanted and samples.responses_qm is None:
        raise ConfigError("the samples hold no responses, which tokens are counted of")


def _responses(samples: Samples, m: int, wanted_qo: BoolArray) -> list[str]:
    assert samples.responses_qm is not None  # checked before
    places = zip(*(axis.tolist() for axis in np.nonzero(wanted_qo)), strict=True)
    return [samples.responses_qm[q][m][o] for q, o in places]


def _tokenizer(name: str) -> Any:  # noqa: ANN401 (a class of transformers)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"tokenizer {name!r} cannot be loaded: {one_line(error)}") from error


def _lengths(tokenizer: Any, texts: Sequence[str], stages: Stages) -> FloatArray:  # noqa: ANN401
    lengths: list[int] = []
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        found = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False)
        lengths += map(len, found["input_ids"])
        stages.advance(len(chunk))
    return np.array(lengths, dtype=np.float64)
