"""``scope eval --reasoner``: reasoners beside the anchors alone."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from scope import AnchorConfig, load_bank, save_bank
from scope.evaluation.test_set import EvaluationSet
from scope.predictor.reference_population import predict_reference_population
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec
from scope.report.evaluation import predict_test_set
from scope.routing.prediction_store import FOLDER, PredictionsManifest, write_manifest, write_shard
from tests.factories.banks import labelled_pair
from tests.factories.checkpoints import write_training_record

pytestmark = pytest.mark.usefixtures("one_thread")


def predictions(folder, bank, test_set, model, *, asked=True):
    """Predictions by a reasoner that knows the outcomes, or one of weight 0 that is not asked."""
    truth_qm = test_set.truth.correct_qm
    forecast = predict_test_set(bank, test_set)
    p_yes_qm = np.full(truth_qm.shape, np.nan)
    if asked:
        p_yes_qm = np.where(truth_qm > 0.5, 0.9, 0.1)
        p_correct = forecast.estimates.p_correct._replace(value_qm=p_yes_qm)
        forecast = replace(forecast, estimates=replace(forecast.estimates, p_correct=p_correct))
    (folder / FOLDER).mkdir(parents=True)
    column = pa.array(p_yes_qm.ravel(), pa.float32(), from_pandas=True)
    write_shard(folder / FOLDER, 0, forecast.to_table("scope").append_column("p_yes", column))
    config = ReasonerConfig(checkpoint=str(model), revision="a" * 40)
    spec = ReasonerSpec(
        **config.model_dump(include=set(ReasonerSpec.model_fields) - {"template", "revision"}),
        revision="a" * 40,
        template="t",
    )
    manifest = PredictionsManifest(
        n_questions=len(test_set.ids),
        bank_version=bank.version,
        embedder=bank.embedder,
        anchors=AnchorConfig(),
        models=bank.models,
        reasoner=spec,
        files={},
    )
    write_manifest(folder / FOLDER, manifest)
    return folder


@pytest.fixture
def case(tmp_path):
    """A saved bank, labelled questions with texts, their test set, and the flags of both."""
    bank, questions = labelled_pair()
    texts = tuple(f"Question {n}?" for n in range(len(questions.ids)))
    banks = {"bank": bank, "questions": replace(questions, prompts=texts)}
    for name, of in banks.items():
        reference = predict_reference_population(of, AnchorConfig())
        save_bank(
            replace(of, reference=reference), tmp_path / name, created_at="2026-01-01", sources=()
        )
    bank, questions = (load_bank(tmp_path / name) for name in banks)
    flags = ["--bank", tmp_path / "bank", "--questions", tmp_path / "questions"]
    return bank, EvaluationSet.from_banks(bank, questions), flags


def test_reasoners_are_compared_with_the_anchors(scope, case, tmp_path):
    """
    One that knows the outcomes separates them all; one that was not asked routes as the anchors.
    """
    bank, test_set, flags = case
    model = write_training_record(tmp_path / "model")
    knows = predictions(tmp_path / "knows", bank, test_set, model)
    silent = predictions(tmp_path / "silent", bank, test_set, model, asked=False)
    output = tmp_path / "eval"

    code, out, err = scope(
        *("eval", *flags, "--reasoner", f"sft={knows}", "--reasoner", f"untrained={silent}"),
        *("--output", output),
    )

    assert code == 0, err
    assert "Reasoners" in out
    anchors, sft, untrained = json.loads((output / "metrics.json").read_text())["reasoners"]
    assert [row["name"] for row in (anchors, sft, untrained)] == [
        *("anchors alone", "sft", "untrained"),
    ]
    assert sft["answers"]["auc"]["value"] == sft["answers"]["pooled_auc"]["value"] == 1
    assert sft["answers"]["log_loss_blended"]["value"] == pytest.approx(-np.log(0.9), abs=1e-4)
    assert sft["answers"]["log_loss_difference"]["high"] < 0
    assert anchors["answers"] is untrained["answers"] is None
    assert untrained["accuracy"] == anchors["accuracy"]
    assert untrained["accuracy_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_questions_of_the_training_are_refused(scope, case, tmp_path):
    """
    One of them is enough; nothing is written.
    """
    bank, test_set, flags = case
    model = write_training_record(tmp_path / "model", [test_set.prompts[3]])
    knows = predictions(tmp_path / "knows", bank, test_set, model)

    code, _, err = scope("eval", *flags, "--reasoner", f"sft={knows}", "--output", tmp_path / "out")

    assert code == 2
    assert f"1 of the {len(test_set.ids)} labelled questions" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        pytest.param(["sft"], "expected NAME=FOLDER", id="no folder"),
        pytest.param(["a=x", "a=y"], "'a' twice", id="name twice"),
        pytest.param(["a=nowhere"], "nowhere holds no predictions", id="no predictions"),
    ],
)
def test_a_wrong_reasoner_gets_one_sentence(scope, case, tmp_path, texts, message):
    """
    Before any work; nothing is written.
    """
    *_, flags = case
    named = [part for text in texts for part in ("--reasoner", text)]

    code, _, err = scope("eval", *flags, *named, "--output", tmp_path / "out")

    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()
