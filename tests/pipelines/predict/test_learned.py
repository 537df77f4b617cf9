import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.predict.learned import RouterInputs, predict_by_router
from scope.errors import ConfigError, PredictionsError
from scope.routing import load_predictions
from tests.factories.encoders import tiny_encoder
from tests.factories.learned import frozen_router

N = 600


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    return frozen_router(tiny_encoder(tmp_path_factory.mktemp("encoder")))


@pytest.fixture(scope="module")
def inputs(router, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    router.save(folder / "router")
    rows = [
        {"id": f"q{n:03d}", "prompt": f"{('hard', 'easy')[n % 2]} question two"} for n in range(N)
    ]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return RouterInputs(folder / "router", folder / "questions.jsonl")


@pytest.mark.ray
def test_a_router_writes_predictions_that_route_reads(cluster, inputs, router, tmp_path):
    summary = predict_by_router(inputs, tmp_path, fresh=False)

    predicted = load_predictions(tmp_path)
    assert (summary.n_questions, summary.n_failed) == (N, 0)
    assert predicted.model_ids == router.arms
    expected = router.predict(["hard question two", "easy question two"]).stack()
    found = predicted.predictions.estimates.stack()
    np.testing.assert_allclose(found, np.tile(expected, (1, N // 2, 1)), atol=1e-6)
    assert predicted.reference.p_correct_qm.shape == (40, 3)
    (part, *_) = sorted((tmp_path / "predictions").glob("part-*.parquet"))
    assert set(pq.read_table(part)["source"].to_pylist()) == {"router"}


@pytest.mark.ray
def test_finished_predictions_are_not_made_again(cluster, inputs, tmp_path):
    predict_by_router(inputs, tmp_path, fresh=False)
    before = (tmp_path / "predictions" / "manifest.json").stat().st_mtime_ns

    assert predict_by_router(inputs, tmp_path, fresh=False).n_questions == N
    assert (tmp_path / "predictions" / "manifest.json").stat().st_mtime_ns == before

    other = RouterInputs(inputs.router, inputs.query_file, limit=3)
    with pytest.raises(PredictionsError, match="already exists, with different questions"):
        predict_by_router(other, tmp_path, fresh=False)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--predictor", "router"], "--predictor router and --router DIR belong together"),
        (["--router", "x"], "--predictor router and --router DIR belong together"),
        (
            ["--predictor", "router", "--router", "x", "--checkpoint", "y"],
            "a learned router has its own arms and prices, and no reasoner",
        ),
        (["--predictor", "router", "--router", "x"], "x holds no router.json"),
        (
            ["--predictor", "router", "--router", "x", "--reference-files"],
            "a learned router has no anchors, of which similarity.json tells; drop",
        ),
    ],
)
def test_flags_that_do_not_fit_are_one_sentence(scope, inputs, tmp_path, flags, message):
    questions = ["--query-file", inputs.query_file, "--output", tmp_path / "out"]

    code, _, error = scope("predict", *questions, *flags)

    assert code == 2
    assert message in error


def test_a_bank_has_no_splits(inputs, tmp_path):
    from scope import EMBEDDED_BANK

    with pytest.raises(ConfigError, match="is a bank and has no splits"):
        predict_by_router(
            RouterInputs(inputs.router, EMBEDDED_BANK, split="test"), tmp_path, fresh=False
        )
