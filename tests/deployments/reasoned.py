"""An application with a real reasoner: its bank, its decisions, and those of the offline job."""

import json
from dataclasses import replace

import numpy as np

from scope.bank.store import save_bank
from scope.config import AnchorConfig
from scope.embedding.encoder import Encoder
from scope.embedding.text_features import text_features
from scope.predictor.reference_population import predict_reference_population
from scope.routing.prediction_store import load_predictions
from scope.routing.route import Objective
from scope.routing.route import route as offline_route
from tests.deployments.engine import taught
from tests.factories.banks import LARGE, MIDDLE, SMALL, two_kinds
from tests.pipelines.runs import finish

EXACT = {"mode": "exact", "deadline_ms": 20_000, "max_concurrency": 4}
STARTED_S = 400.0


def save_reasoned_bank(args, folder):
    """Save a bank of sixty short questions and three models, embedded in earnest."""
    bank = taught(two_kinds(models=(SMALL, MIDDLE, LARGE)), args)
    encoder = Encoder()
    bank = replace(
        bank,
        embedding_ad=encoder.encode(bank.prompts),
        features_af=text_features(bank.prompts),
        embedder=encoder.spec,
    )
    bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
    save_bank(bank, folder, created_at="2026-01-01T00:00:00+00:00", sources=())
    return folder


def deploy_reasoned(served, args, bank, **reasoning):
    """Deploy the application with an engine, under these settings of reasoning."""
    settings = {"policy": {"alpha": 1.0}, "reasoning": EXACT | reasoning}
    served.deploy(
        args={"bank": str(bank), "reasoner": args.model_dump(mode="json")},
        timeout_s=STARTED_S,
        Router={"user_config": settings},
        ScopeEngine={"health_check_period_s": 2},
    )


def route(served, *prompts, **wish):
    """Decisions on prompts."""
    got = served.http.post("/v1/route", json={"prompts": prompts, "scope": wish})
    assert got.status_code == 200, got.text
    return got.json()["decisions"]


def predict_offline(bank, args, prompts, folder):
    """What `scope predict` stores about prompts, with the same engine."""
    rows = [json.dumps({"id": f"q{n:02}", "prompt": text}) for n, text in enumerate(prompts)]
    (folder / "questions.jsonl").write_text("\n".join(rows))
    settings = {"engine": args.engine.model_dump(mode="json")}
    (folder / "settings.yaml").write_text(json.dumps(settings))
    inputs = ["--bank", bank, "--query-file", folder / "questions.jsonl"]
    inputs += ["--predictor", "scope", "--config", folder / "settings.yaml"]
    finish(inputs, folder / "out", RAY_ADDRESS="local")
    return load_predictions(folder / "out")


def decide_as_offline(served, predicted, prompts, alphas):
    """Check that each decision here is the one of the stored predictions.

    Returns
    -------
    int
        Probabilities of candidates here that equal those stored: the answers used.
    """
    p_qm = predicted.predictions.estimates.p_correct_qm
    n_equal = 0
    for alpha in alphas:
        routing = offline_route(predicted, Objective(alpha=alpha))
        wanted = [routing.predictions.models[m] for m in routing.choices.model_q]
        decisions = route(served, *prompts, alpha=alpha)
        assert [one["model"] for one in decisions] == wanted
        for decision, p_m in zip(decisions, p_qm, strict=True):
            here_m = np.array([one["p_correct"] for one in decision["candidates"]])
            n_equal += int(np.sum(np.abs(here_m - p_m) < 1e-3))
    return n_equal
