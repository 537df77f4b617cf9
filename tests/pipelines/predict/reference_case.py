"""Two small runs whose files of the published form are in ``tests/golden/reference_files``."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.predict.question_source import QuestionSource
from pipelines.predict.shard_actor import ShardTask
from scope import save_bank
from scope.arms import ArmColumns
from scope.bank import Bank, LabelledQuestions
from scope.config import AnchorConfig
from scope.storage import ShardFolder
from tests.factories.banks import bank_of, unit

LABELLED = "labelled"
RAW = "raw"


@dataclass(frozen=True)
class ReferenceCase:
    """Questions of one shard, and what predicts them."""

    source: QuestionSource
    task: ShardTask
    batch: dict


def reference_case(kind, folder):
    """Return the run `kind`; `folder` gets its inputs and its shards.

    The labelled one has two anchors among its questions, unknown outcomes, and an id that is not
    ASCII; the raw one a text that could not be embedded.
    """
    rng = np.random.default_rng(20)
    bank: Bank = bank_of(rng.integers(0, 2, (14, 2)), embedding=unit(rng.standard_normal((14, 4))))
    arms = ArmColumns.resolve(bank.model_ids[::-1], bank.models, "the bank")
    shards = ShardFolder.open(folder / "unfinished", {"kind": kind}, fresh=False)
    if kind == LABELLED:
        correct_am = np.array([[1, 0], [np.nan, 1], [0, 0], [np.nan, np.nan], [1, 1]], dtype=float)
        embedding = np.concatenate([bank.embedding_ad[[3, 10]], unit(rng.standard_normal((3, 4)))])
        ids = ("a3", "a10", "ü", "q2", "q1")
        asked = replace(bank_of(correct_am, embedding=embedding, tokens=123), ids=ids)
        save_bank(asked, folder / "asked", created_at="2026-01-01", sources=())
        source = QuestionSource(asked.ids, None, LabelledQuestions.open(folder / "asked"))
        own = {"self_anchor": np.array([10, 3, -1, -1, -1])}
    else:
        prompts = ("some text", "no vector", "more text, 2 + 2")
        source = QuestionSource(("x", "z", "y"), prompts, None)
        vectors = unit(rng.standard_normal((3, 4)))
        vectors[1] = np.nan
        own = {"embedding": vectors[[0, 2, 1]], "error": np.array(["", "", "no vector"])}
    rows = np.array(sorted(range(len(source.ids)), key=source.ids.__getitem__))
    batch = {
        "shard": np.zeros(len(rows), dtype=int),
        "row": rows,
        "question_id": np.array([source.ids[row] for row in rows]),
        **own,
    }
    if source.prompts is not None:
        batch["prompt"] = np.array([source.prompts[row] for row in rows])
    task = ShardTask(bank, AnchorConfig(), shards, arms, source.bank_path)
    return ReferenceCase(source, task, batch)
