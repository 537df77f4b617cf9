"""Prompts as the engines receive them, built by the actor without an engine."""

from dataclasses import replace

import numpy as np
import pytest
import ray

from pipelines.reasoner.prompt_actor import PromptActor, PromptTask
from scope import save_bank
from scope.reasoner.spec import ReasonerConfig
from tests.factories.banks import two_kinds

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

TEXTS = tuple(f"How old is king number {n}?" for n in range(60))
BANK = replace(two_kinds(), prompts=TEXTS)


def batch_of(rows, **columns):
    """A batch with the anchors in `rows` as questions."""
    embedding = list(BANK.embedding_ad[rows])
    prompts = np.array([TEXTS[row] for row in rows], dtype=object)
    return {"row": np.array(rows), "prompt": prompts, "embedding": embedding, **columns}


def actor_of(checkpoint, wanted_qm, stored=None, form="model"):
    config = ReasonerConfig(
        checkpoint=str(checkpoint), max_context_tokens=2048, n_examples=3, form=form
    )
    return PromptActor(ray.put(PromptTask(BANK, config, wanted_qm, stored)))


def test_each_wanted_cell_has_a_prompt(checkpoint):
    """
    It has the question once, the name of the model, and three examples of its outcomes.
    """
    wanted_qm = np.zeros((60, 2), dtype=bool)
    wanted_qm[3, 1] = wanted_qm[5] = True

    queries = actor_of(checkpoint, wanted_qm)(batch_of([3, 4, 5], self_anchor=np.array([3, 4, 5])))

    cells = set(zip(queries["row"].tolist(), queries["column"].tolist(), strict=True))
    assert cells == {(3, 1), (5, 0), (5, 1)}
    columns = (queries[name] for name in ("row", "column", "prompt"))
    for row, column, prompt in zip(*columns, strict=True):
        assert prompt.count(TEXTS[row]) == 1
        assert BANK.model_ids[column] in prompt
        assert prompt.count("How old is king") == 4
        assert prompt.endswith("Predicted Performance: {len:")


def test_a_question_with_a_wanted_cell_has_one_prompt_about_the_pool(checkpoint):
    """
    It has the question once, each model with its record, and three examples.
    """
    wanted_qm = np.zeros((60, 2), dtype=bool)
    wanted_qm[3, 1] = wanted_qm[5] = True
    batch = batch_of([3, 4, 5], self_anchor=np.array([3, 4, 5]))

    queries = actor_of(checkpoint, wanted_qm, form="pool")(batch)

    assert sorted(queries["row"].tolist()) == [3, 5]
    assert queries["column"].tolist() == [0, 0]
    for row, prompt in zip(queries["row"], queries["prompt"], strict=True):
        assert prompt.count(TEXTS[row]) == 1
        heads = [f"Model {m}: {name}\nRecord: " for m, name in enumerate(BANK.model_ids, 1)]
        assert all(head in prompt for head in heads)
        assert prompt.count("How old is king") == 4
        assert prompt.endswith("Predicted Performance:\n1: {len:")


def test_an_anchor_is_no_example_of_itself(checkpoint):
    """
    Another question may have the same text as an anchor.
    """
    actor = actor_of(checkpoint, np.ones((60, 2), dtype=bool))

    own = actor(batch_of([7], self_anchor=np.array([7])))["prompt"]
    other = actor(batch_of([7]))["prompt"]

    assert all(prompt.count(TEXTS[7]) == 1 for prompt in own)
    assert all(prompt.count(TEXTS[7]) == 2 for prompt in other)


def test_prompts_are_sorted(checkpoint):
    """
    Prompts with a common prefix follow each other, for the prefix cache.
    """
    actor = actor_of(checkpoint, np.ones((60, 2), dtype=bool))

    prompts = actor(batch_of(list(range(20)), self_anchor=np.arange(20)))

    assert prompts["prompt"].tolist() == sorted(prompts["prompt"])
    assert (np.diff(prompts["column"]) != 0).sum() == 1


def test_a_question_without_a_vector_has_no_prompt(checkpoint):
    """
    It has no nearest anchors; its error is reported elsewhere.
    """
    errors = np.array(["", "not finite"], dtype=object)
    actor = actor_of(checkpoint, np.ones((60, 2), dtype=bool))

    assert set(actor(batch_of([1, 2], error=errors))["row"]) == {1}


def test_vectors_of_labelled_questions_are_read_from_their_bank(checkpoint, tmp_path):
    """
    The prompts are the same as with vectors in the batch.
    """
    save_bank(BANK, tmp_path / "bank", created_at="2026-01-01", sources=())
    wanted_qm = np.ones((60, 2), dtype=bool)
    batch = batch_of([1, 2], self_anchor=np.array([1, 2]))
    given = actor_of(checkpoint, wanted_qm)(dict(batch))["prompt"]
    del batch["embedding"]

    read = actor_of(checkpoint, wanted_qm, tmp_path / "bank")(batch)["prompt"]

    assert read.tolist() == given.tolist()
