from dataclasses import replace

import numpy as np
import pytest

from pipelines.samples import count_tokens
from scope.errors import ConfigError


def lengths(folder, texts):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [len(tokenizer.encode(text, add_special_tokens=False)) for text in texts]


def test_texts_without_counts_are_counted(samples, encoder_folder):
    """
    Without special tokens; a sample that was never drawn stays unknown.
    """
    result = count_tokens(samples, {"m": str(encoder_folder)})

    counted = result.samples
    first, second = lengths(encoder_folder, samples.responses_qm[0][0])
    assert result.n_counted == 3 + 5
    assert counted.completion_tokens_qmo[0, 0].tolist() == [first, second]
    assert counted.prompt_tokens_qm[:, 0].tolist() == lengths(encoder_folder, samples.prompts)
    assert np.isnan(counted.completion_tokens_qmo[2, 0, 1])


def test_counts_that_an_api_reported_stay(samples, encoder_folder):
    """
    They are what was billed; `recount` replaces them.
    """
    billed = replace(
        samples,
        prompt_tokens_qm=np.full((3, 1), 99.0),
        completion_tokens_qmo=np.where(samples.known_qmo(), 99.0, np.nan),
    )
    again = count_tokens(billed, {"m": str(encoder_folder)}, recount=True)

    assert count_tokens(billed, {}).n_counted == 0
    assert again.n_counted == 8
    assert (again.samples.prompt_tokens_qm != 99).all()


def test_what_cannot_be_counted_is_said(samples, tmp_path):
    """
    No tokenizer, one that does not exist, and one of an unknown model.
    """
    with pytest.raises(ConfigError, match="m have texts without token counts; name their"):
        count_tokens(samples, {})
    with pytest.raises(ConfigError, match=r"tokenizer '.*none' cannot be loaded"):
        count_tokens(samples, {"m": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match="--tokenizer names x; the samples have m"):
        count_tokens(samples, {"x": "any"})
