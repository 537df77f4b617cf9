"""The published code's files, written on demand from stored predictions."""

import json
from pathlib import Path

import pytest

from pipelines.predict.merge import merge
from pipelines.predict.shard_actor import ShardPredictor
from pipelines.terminal import Stages
from scope.errors import PredictionsError
from scope.reference import (
    read_selection,
    read_similarity,
    selection_entry,
    similarity_entry,
    write_reference_files,
)
from scope.routing import PredictionSet
from scope.storage import stream_json_array
from tests.pipelines.predict.reference_case import LABELLED, RAW, reference_case

GOLDEN = Path(__file__).parents[2] / "golden" / "reference_files"
NAMES = ("selection.json", "similarity.json")


def predict(kind, folder):
    """Predict the run `kind`; return it and the folder of its output."""
    case = reference_case(kind, folder)
    ShardPredictor(case.task)(case.batch)
    merge(case.source, case.task, None, 1, folder / "out", Stages())
    return case, folder / "out"


def approximate(value):
    """JSON with a tolerance on its numbers, whose last bits depend on the processor."""
    if isinstance(value, dict):
        return {key: approximate(part) for key, part in value.items()}
    if isinstance(value, list):
        return [approximate(part) for part in value]
    return pytest.approx(value, abs=2e-6) if isinstance(value, float) else value


def in_memory(case, folder):
    """Write both files from the predictor's arrays as every run did before; return their bytes."""
    bank, arms, rows = case.task.bank, case.task.arms, case.batch["row"]
    predictor = ShardPredictor(case.task)
    embedding_qd, features_qf, _ = predictor._embeddings(case.batch)
    found, near = predictor._predictor.predict(
        embedding_qd, features_qf, case.batch.get("self_anchor")
    )
    ids = tuple(case.source.ids[row] for row in rows)
    of_bank = PredictionSet.from_bank(bank, found, ids)
    predictions = of_bank.select_models(arms.model_ids).predictions
    outcomes = case.source.outcomes(arms.model_ids)
    with stream_json_array(
        folder / NAMES[0], '{"method": "scope-anchors", "questions": [', "]}"
    ) as add:
        for q, row in enumerate(rows):
            tokens = outcomes.prompt_tokens_am[row], outcomes.completion_tokens_am[row]
            truth = [
                (correct, completion, float(model.cost_usd(prompt, completion)))
                for correct, prompt, completion, model in zip(
                    outcomes.correct_am[row].tolist(),
                    *(numbers.tolist() for numbers in tokens),
                    arms.models,
                    strict=True,
                )
            ]
            add(selection_entry(predictions, q, truth))
    with stream_json_array(folder / NAMES[1], "[", "]") as add:
        for q, name in enumerate(ids):
            anchors = [bank.ids[anchor] for anchor in near.anchor_qk[q]]
            add(similarity_entry(name, anchors, near.similarity_qk[q].tolist()))
    return [(folder / name).read_bytes() for name in NAMES]


def test_the_files_on_demand_are_those_of_the_arrays_in_memory(tmp_path):
    """
    Byte for byte: storing the predictions, outcomes and neighbours first loses no digit.
    """
    case, output = predict(LABELLED, tmp_path)

    write_reference_files(output)

    assert [(output / name).read_bytes() for name in NAMES] == in_memory(case, tmp_path)


@pytest.mark.parametrize("kind", [LABELLED, RAW])
def test_the_files_are_those_that_every_run_wrote_before(tmp_path, kind):
    """
    The golden files were written by the code that wrote both in every run.
    """
    _, output = predict(kind, tmp_path)

    write_reference_files(output)

    for name in NAMES:
        golden = json.loads((GOLDEN / f"{kind}-{name}").read_text(encoding="utf-8"))
        assert json.loads((output / name).read_text(encoding="utf-8")) == approximate(golden)


def test_the_published_policy_reads_them(tmp_path):
    """
    Five questions, two models in the order of the pool, ten anchors each.
    """
    _, output = predict(LABELLED, tmp_path)

    write_reference_files(output)

    selection = read_selection(output / NAMES[0])
    similarity = read_similarity(output / NAMES[1])
    assert selection.models == ("large", "small")
    assert len(selection.questions) == len(similarity) == 5
    assert {len(anchors) for anchors in similarity.values()} == {10}


def test_predictions_without_neighbours_cannot_be_exported(predicted):
    """
    As those of an earlier version; no file is written.
    """
    with pytest.raises(PredictionsError, match="lacks the nearest anchors of its questions"):
        write_reference_files(predicted)

    assert [path.name for path in predicted.iterdir()] == ["predictions"]
