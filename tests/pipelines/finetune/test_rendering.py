"""Prompts and replies of training rows: those that a prediction would see."""

import numpy as np
import pytest

from pipelines.finetune.rendering import RowRenderer, check_labels, label, rows_table
from scope.bank.examples import nearest_examples, nearest_pool_examples
from scope.errors import ConfigError
from scope.reasoner import (
    FORCED_POOL_PREFIX,
    FORCED_PREFIX,
    PoolPromptBuilder,
    PromptBuilder,
    PromptTokenizer,
    ReasonerConfig,
    parse_pool_reply,
    parse_reply,
)
from tests.factories.checkpoints import tiny_tokenizer
from tests.factories.finetuning import POOL_TEMPLATE, TEMPLATE, bank_with_texts, training_data


@pytest.fixture(scope="module")
def tokenizer():
    return PromptTokenizer(tiny_tokenizer(), "tiny")


def config_of(tmp_path, form="model", **settings):
    template = tmp_path / "prompt.jinja"
    template.write_text(TEMPLATE if form == "model" else POOL_TEMPLATE)
    fields = {"checkpoint": "tiny", "form": form, "template": template, "max_context_tokens": 512}
    return ReasonerConfig(**{**fields, **settings})


def test_a_prompt_is_that_of_a_prediction(tokenizer, tmp_path):
    """
    Of an anchor that is predicted without itself, where no example is held out.
    """
    bank, config = bank_with_texts(), config_of(tmp_path)
    data = training_data(bank)
    row = next(row for row in data.rows if row.columns == (1,) and len(row.examples) == 2)
    examples = nearest_examples(bank, row.examples, 1, 2)
    expected = PromptBuilder.from_config(config, tokenizer).build(
        "large", examples, bank.prompts[row.question]
    )

    rendered = RowRenderer(data, config, tokenizer).render(row)

    assert rendered.prompt == expected
    assert rendered.prompt.endswith(FORCED_PREFIX)


def test_a_reply_states_the_outcome(tokenizer, tmp_path):
    """
    Every reply parses to the outcome and the length of its cell.
    """
    data = training_data()
    renderer = RowRenderer(data, config_of(tmp_path), tokenizer)

    for row in data.rows[:20]:
        rendered = renderer.render(row)
        parsed = parse_reply(FORCED_PREFIX + rendered.reply)
        (correct,), (tokens,) = rendered.correct, rendered.tokens
        assert (parsed.correct, parsed.tokens) == (correct == 1, tokens)


def test_a_prompt_about_a_pool_is_that_of_a_prediction(tokenizer, tmp_path):
    """
    Question and examples once, then the record of each model; the reply has a line for each.
    """
    bank = bank_with_texts()
    config = config_of(tmp_path, form="pool")
    data = training_data(bank, form="pool")
    row = next(row for row in data.rows if len(row.examples) == 2)
    examples = nearest_pool_examples(bank, row.examples, 2)
    expected = PoolPromptBuilder.from_config(config, tokenizer, 2).build(
        bank.model_ids, examples, bank.prompts[row.question]
    )

    rendered = RowRenderer(data, config, tokenizer).render(row)

    replies = parse_pool_reply(FORCED_POOL_PREFIX + rendered.reply, 2)
    assert rendered.prompt == expected
    assert rendered.prompt.endswith(FORCED_POOL_PREFIX)
    assert [(reply.correct, reply.tokens) for reply in replies] == [
        (correct == 1, tokens)
        for correct, tokens in zip(rendered.correct, rendered.tokens, strict=True)
    ]


def test_an_analysis_comes_before_the_answer(tokenizer, tmp_path):
    """
    With reasoning the prompt ends with the user's turn.
    """
    data = training_data()
    config = config_of(tmp_path, reasoning="short")

    rendered = RowRenderer(data, config, tokenizer).render(data.rows[0])

    assert not rendered.prompt.endswith(FORCED_PREFIX)
    assert rendered.reply.startswith("Analysis: \nPredicted Performance: {len: ")


def test_a_hold_out_outcome_is_in_no_prompt_or_reply(tokenizer, tmp_path):
    """
    Changing all outcomes of the hold-out changes no row of train and validation.
    """
    bank, config = bank_with_texts(), config_of(tmp_path)
    data = training_data(bank)
    held_out = [q for q, split in enumerate(data.splits) if split == "test"]
    data.outcomes.correct_am.setflags(write=True)

    def rendered():
        renderer = RowRenderer(data, config, tokenizer)
        return [renderer.render(row) for row in data.rows if data.splits[row.question] != "test"]

    before = rendered()
    data.outcomes.correct_am[held_out] = 1 - data.outcomes.correct_am[held_out]

    assert rendered() == before


def test_a_soft_outcome_is_a_share_of_yes():
    """
    The hash of the cell decides; right and wrong are certain.
    """
    drawn = [label(0.7, f"q{n}", "model") for n in range(2_000)]

    assert np.mean(drawn) == pytest.approx(0.7, abs=0.03)
    assert all(label(1.0, f"q{n}", "model") for n in range(100))
    assert not any(label(0.0, f"q{n}", "model") for n in range(100))


def test_a_context_without_room_for_an_example_is_refused(tokenizer, tmp_path):
    """
    Before anything is trained.
    """
    with pytest.raises(ConfigError, match="raise max_context_tokens"):
        RowRenderer(training_data(), config_of(tmp_path, max_context_tokens=120), tokenizer)


def test_rows_of_one_outcome_are_refused(tokenizer, tmp_path):
    """
    The large model is always right.
    """
    data = training_data()
    renderer = RowRenderer(data, config_of(tmp_path), tokenizer)
    rows = [row for row in data.rows if row.columns == (1,)]

    table = rows_table(renderer, rows, lambda n: None)

    with pytest.raises(ConfigError, match="all with the outcome 1; expected right and wrong"):
        check_labels(table, "data")
