"""Training data from a bank: which rows, and no leak between the splits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.finetune.data import FinetuneData, held_out_texts
from pipelines.finetune.make_data import summarise
from scope.errors import ConfigError
from scope.traffic import NEAR_DUPLICATE
from tests.factories.banks import bank_of, with_correct
from tests.factories.finetuning import bank_with_texts, training_data


def with_duplicates(bank, pairs):
    """The bank where the second question of each pair has nearly the vector of the first."""
    embedding = bank.embedding_ad.copy()
    for first, second in pairs:
        nudged = embedding[first] + 0.05 * embedding[second]
        embedding[second] = nudged / np.linalg.norm(nudged)
    return replace(bank, embedding_ad=embedding)


def similarity(data, bank, row):
    """Cosines of the question of a row to its examples."""
    return bank.embedding_ad[list(row.examples)] @ bank.embedding_ad[row.question]


def test_each_known_outcome_is_a_row():
    """
    60 questions of two models, but one outcome is unknown.
    """
    bank = bank_with_texts()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[3, 0] = np.nan
    data = training_data(with_correct(bank, correct_am))

    rows = {(row.question, *row.columns) for row in data.rows}

    assert len(data.rows) == len(rows) == 2 * 60 - 1
    assert (3, 0) not in rows


def test_a_row_of_the_pool_has_all_models_with_an_outcome():
    """
    The small model is unknown on question 3.
    """
    bank = bank_with_texts()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[3, 0] = np.nan

    data = training_data(with_correct(bank, correct_am), form="pool")

    columns = {row.question: row.columns for row in data.rows}
    assert columns[3] == (1,)
    assert columns[4] == (0, 1)


def test_examples_are_the_most_similar_first():
    """
    As a prediction shows them.
    """
    bank = bank_with_texts()
    data = training_data(bank, n_examples=5)

    for row in data.rows:
        cosines = similarity(data, bank, row)
        assert (np.diff(cosines) <= 0).all()


def test_an_example_has_an_outcome_of_the_model():
    """
    The small model was never run on most questions.
    """
    bank = bank_with_texts()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[10:, 0] = np.nan
    data = training_data(with_correct(bank, correct_am))

    assert all(max(row.examples) < 10 for row in data.rows if row.columns == (0,) and row.examples)


@given(
    seed=st.integers(0, 50),
    pairs=st.lists(st.tuples(st.integers(0, 29), st.integers(30, 59)), max_size=8),
    form=st.sampled_from(["model", "pool"]),
)
def test_nothing_leaks_between_splits(seed, pairs, form):
    """
    No row of train or validation shows a question of the hold-out; none shows itself or a near
    duplicate; near duplicates share a split.
    """
    bank = with_duplicates(bank_with_texts(seed=seed), dict(pairs).items())
    data = training_data(bank, form=form)

    for row in data.rows:
        assert row.question not in row.examples
        assert (similarity(data, bank, row) < NEAR_DUPLICATE).all()
        if data.splits[row.question] != "test":
            assert all(data.splits[example] != "test" for example in row.examples)
    cosines = np.triu(bank.embedding_ad @ bank.embedding_ad.T, 1)
    leaders = [(a, b) for a, b in dict(pairs).items() if cosines[a, b] >= NEAR_DUPLICATE]
    for first, second in leaders:
        if (cosines[:, second] >= NEAR_DUPLICATE).sum() == 1:
            assert data.splits[first] == data.splits[second]


def test_a_limit_is_of_questions_that_prompts_are_about():
    """
    All 60 may still be examples.
    """
    data = training_data(limit=10)

    assert len({row.question for row in data.rows}) == 10
    assert len({example for row in data.rows for example in row.examples}) > 10
    assert sum(found.n_prompts for found in summarise(data).values()) == 20


def test_each_split_is_summarised():
    """
    Of the first rows one lost its examples; the share right is the mean outcome of the rows.
    """
    data = training_data(bank_with_texts())
    train = data.rows_of("train")
    bare = replace(train[0], examples=())
    data = replace(data, rows=(bare, *(row for row in data.rows if row is not train[0])))

    summary = summarise(data)["train"]

    outcomes = [data.outcomes.correct_am[row.question, row.columns[0]] for row in train]
    assert summary == (len(train), 1, pytest.approx(np.mean(outcomes)))


def test_a_folder_has_all_of_it(tmp_path):
    """
    Written and read again.
    """
    data = training_data()
    data.save(tmp_path / "data")

    loaded = FinetuneData.load(tmp_path / "data")

    assert (loaded.spec, loaded.rows, loaded.splits) == (data.spec, data.rows, data.splits)
    assert (loaded.prompts, loaded.template) == (data.prompts, data.template)
    np.testing.assert_array_equal(loaded.outcomes.correct_am, data.outcomes.correct_am)


def test_the_hold_out_is_told_by_its_texts(tmp_path):
    """
    Whatever a bank of another version calls them.
    """
    data = training_data()
    data.save(tmp_path / "data")

    assert held_out_texts(tmp_path / "data") == {
        text for text, split in zip(data.prompts, data.splits, strict=True) if split == "test"
    }


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        pytest.param(bank_of(np.eye(2)), "has no question texts", id="texts"),
        pytest.param(
            bank_of(np.ones((40, 2)), prompts=tuple(f"question {n}" for n in range(40))),
            "all outcomes of the bank are 1",
            id="one class",
        ),
        pytest.param(bank_of([[1, 0]], prompts=("one",)), "is in the split", id="too few"),
    ],
)
def test_a_bank_that_cannot_be_learned_from_is_refused(bank, message):
    """
    In one sentence.
    """
    with pytest.raises(ConfigError, match=message):
        training_data(bank)
