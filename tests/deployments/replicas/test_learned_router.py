import numpy as np
import pytest

from deployments.protocol.messages import StrategyRequest
from deployments.replicas.learned_router import StrategyPredictor, check_routers, n_texts
from scope.errors import ConfigError
from tests.factories.banks import LARGE, SMALL
from tests.factories.routers import tiny_router


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A router of each strategy."""
    root = tmp_path_factory.mktemp("routers")
    models = (SMALL, LARGE)
    return {
        "bestroute": str(tiny_router(root / "best", {"small": 0.4, "small@3": 0.7}, models)),
        "hybridllm": str(tiny_router(root / "hybrid", {"small": 0.3}, models)),
    }


def test_every_call_gets_the_predictions_of_its_router(folders):
    """
    In the order of its texts, for all arms of the router; the reference has probability 1.
    """
    versions = {name: router.version for name, router in check_routers(folders).items()}
    predictor = StrategyPredictor(folders)

    best, hybrid, old = predictor.predict(
        [
            StrategyRequest("bestroute", versions["bestroute"], ["two", "three"]),
            StrategyRequest("hybridllm", versions["hybridllm"], ["two"]),
            StrategyRequest("hybridllm", "another", ["two"]),
        ]
    )

    assert [len(best), len(hybrid), old] == [2, 1, None]
    np.testing.assert_allclose(best[1].value_em[0], [0.4, 0.7, 1.0], atol=1e-6)
    np.testing.assert_allclose(hybrid[0].value_em[0], [0.3, 1.0], atol=1e-6)
    assert (hybrid[0].source, hybrid[0].degraded) == ("hybridllm", None)
    predictor.check_health()


def test_a_router_of_another_strategy_is_refused(folders):
    """
    With its folder and its own strategy.
    """
    with pytest.raises(ConfigError, match=r"args\.routers\.hybridllm: .*best .*bestroute"):
        check_routers({"hybridllm": folders["bestroute"]})


def test_a_folder_without_a_router_is_refused(tmp_path):
    """
    In a sentence that names the command that writes one.
    """
    with pytest.raises(ConfigError, match="scope train router"):
        check_routers({"bestroute": str(tmp_path)})


def test_a_batch_is_as_large_as_its_texts():
    """
    One call always fits.
    """
    call = StrategyRequest("bestroute", "1", ["a", "b"])

    assert (n_texts([call]), n_texts([call, call])) == (1, 4)
