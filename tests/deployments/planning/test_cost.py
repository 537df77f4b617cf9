import json

import pytest

from deployments.planning.cost import ComputePrices, NodeType, OfflineScoring
from scope.errors import ConfigError

SMALL = NodeType(name="small", cpus=4, usd_per_hour=0.2)
LARGE = NodeType(name="large", cpus=16, usd_per_hour=0.7)
GPU = NodeType(name="gpu", cpus=8, gpus=4, usd_per_hour=8.0)


def test_an_unknown_price_is_not_free():
    """
    Without a price of GPUs a plan with one has no price.
    """
    prices = ComputePrices(usd_per_cpu_hour=0.05)

    assert prices.usd_per_hour(10, 0) == pytest.approx(0.5)
    assert prices.usd_per_hour(10, 1) is None
    assert ComputePrices().usd_per_hour(1, 0) is None


def test_the_cheapest_machines_that_suffice_are_chosen():
    """
    12 CPUs: three small ones for 0.6 or a large one for 0.7; 14: four for 0.8 or the large one.
    """
    prices = ComputePrices(node_types=(SMALL, LARGE, GPU))

    assert prices.nodes_for(12, 0) == (SMALL, 3)
    assert prices.nodes_for(14, 0) == (LARGE, 1)
    assert prices.nodes_for(4, 5) == (GPU, 2)
    assert prices.usd_per_hour(14, 0) == pytest.approx(0.7)


def test_no_machine_with_a_gpu_is_no_price():
    """
    Not that of one without.
    """
    assert ComputePrices(node_types=(SMALL,)).usd_per_hour(1, 1) is None


def test_two_kinds_of_prices_contradict_each_other(tmp_path):
    """
    The file is named.
    """
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"usd_per_cpu_hour": 1, "node_types": [SMALL.model_dump()]}))

    with pytest.raises(ConfigError, match=r"prices\.json .*\n.*not both"):
        ComputePrices.load(path)


def test_gpu_hours_do_not_depend_on_the_number_of_engines():
    """
    60,000 × 13 queries of 1,500 + 10 tokens at 28,000 a second: 11.7 hours; with two GPUs an engine
    23.4.
    """
    fields = {
        "questions": 60_000,
        "models": 13,
        "query_tokens": 1500.0,
        "answer_tokens": 10.0,
        "engine_tokens_per_s": 28_000.0,
    }

    assert OfflineScoring(**fields).gpu_hours == pytest.approx(780_000 * 1510 / 28_000 / 3600)
    assert OfflineScoring(**fields, gpus_per_engine=2).gpu_hours == pytest.approx(23.37, rel=1e-3)
