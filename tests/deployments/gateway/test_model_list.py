from deployments.gateway.model_list import model_list
from scope.pool import ModelSpec


def test_auto_has_the_largest_context_window_of_its_models():
    """
    Clients truncate conversations to it.
    """
    models = [
        ModelSpec(id="a", usd_per_mtok_in=1, usd_per_mtok_out=2, context_window=8_000),
        ModelSpec(id="b", usd_per_mtok_in=1, usd_per_mtok_out=2),
    ]

    auto, a, b = model_list(models, 7)["data"]

    assert (auto["id"], auto["context_length"], auto["created"]) == ("auto", 8_000, 7)
    assert (a["context_length"], b["context_length"]) == (8_000, None)
