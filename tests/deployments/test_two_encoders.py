"""A bank of two encoders on a real Serve: MiniLM, and a layer of a tiny causal language model."""

from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorPredictor
from scope.bank import SecondEmbeddings, load_bank, save_bank
from scope.embedding import Encoder, text_features
from scope.predictor import fit_bank, fit_second_encoder
from scope.predictor.reference_population import predict_reference_population
from tests.factories.banks import bank_of
from tests.factories.second_encoders import USED

pytestmark = pytest.mark.ray

PROMPT = "Spell word 200"


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory):
    """A bank of 40 questions, fitted with both encoders."""
    texts = [f"{('Spell', 'Prove')[number % 2]} word {number}" for number in range(40)]
    encoders = Encoder(), Encoder(str(checkpoint), layer=1)
    first, second = (encoder.encode(texts).astype(np.float16) for encoder in encoders)
    easy_a = np.arange(len(texts)) % 2 == 0
    bank = bank_of(
        np.column_stack([easy_a, np.ones(len(texts))]),
        embedding=first.astype(np.float32),
    )
    vectors = SecondEmbeddings(encoders[1].spec, second.astype(np.float32))
    bank = replace(bank, features_af=text_features(texts), embedder=encoders[0].spec)
    bank = fit_bank(replace(bank, second=vectors))
    bank, _ = fit_second_encoder(bank)
    reference = predict_reference_population(bank, bank.anchor_config)
    folder = tmp_path_factory.mktemp("banks") / "two"
    bank = replace(bank, second_gain=USED, reference=reference)
    save_bank(bank, folder, created_at="2026-01-01T00:00:00+00:00", sources=())
    return folder


def test_both_encoders_predict_and_one_alone_while_the_other_is_away(served, folder, checkpoint):
    """
    The second has a deployment of its own. Each request is answered while its replica is away,
    and says so; afterwards both predict again.
    """
    served.deploy(args={"bank": str(folder)})

    whole = served.http.post("/v1/route", json={"prompt": PROMPT}).json()
    served.kill("SecondEmbedder")
    answers = [
        served.http.post("/v1/route", json={"prompt": f"Spell word {number}"})
        for number in range(300, 320)
    ]

    vector_qd, second_qy = (
        encoder.encode([PROMPT]) for encoder in (Encoder(), Encoder(str(checkpoint), layer=1))
    )
    offline, _ = AnchorPredictor(load_bank(folder)).predict(
        vector_qd, text_features([PROMPT]), second_qy=second_qy
    )
    found = [candidate["p_correct"] for candidate in whole["candidates"]]
    assert found == pytest.approx(offline.p_correct_qm[0].tolist(), abs=1e-4)
    assert whole["degraded"] is None
    assert {got.status_code for got in answers} == {200}
    reasons = {got.json()["degraded"] for got in answers} - {None}
    assert reasons
    assert all(reason.startswith("second embedder") for reason in reasons)
    served.until(served.ready, "the SecondEmbedder is back")
    again = served.http.post("/v1/route", json={"prompt": "Spell word 400"}).json()
    assert again["degraded"] is None
