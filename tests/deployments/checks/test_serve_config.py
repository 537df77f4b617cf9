from pathlib import Path

import pytest

from deployments.checks import check_config, read_config
from scope import EMBEDDED_BANK
from scope.bank import load_bank, save_bank
from scope.errors import ScopeError
from scope.pool import PUBLISHED_MODELS, ModelSpec, Resampling
from tests.factories.routers import tiny_router

ROOT = Path(__file__).parents[3]
FILE, GPU_FILE = ROOT / "serve_config.yaml", ROOT / "serve_config.gpu.yaml"


def changed(change, file=FILE):
    """Return the configuration in a file after a function changed it."""
    config = read_config(file)
    change(config)
    return config


def router(config):
    """Return the block of the Router."""
    return config["applications"][0]["deployments"][0]


def args(config):
    """Return the arguments of the application."""
    return config["applications"][0]["args"]


def engines(config):
    """Return the block of the engines."""
    return config["applications"][0]["deployments"][3]


def test_the_default_configuration_is_valid():
    """
    It has all models of the bank and no upstream, and binds the loopback address.
    """
    summary = check_config(read_config(FILE))

    assert summary == "valid: 17 models, 0 with an upstream, on 127.0.0.1"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        pytest.param(
            FILE,
            lambda c: router(c).update(max_ongoing_request=1),
            "Router.max_ongoing_request is unknown, and Serve ignores it; "
            "did you mean max_ongoing_requests?",
            id="typo of a deployment",
        ),
        pytest.param(
            FILE,
            lambda c: router(c)["user_config"].update(
                tracing={"endpont": "http://x:4318/v1/traces"}
            ),
            "Router.user_config.tracing.endpont is unknown; did you mean endpoint?",
            id="typo of tracing",
        ),
        pytest.param(
            FILE,
            lambda c: router(c)["user_config"].update(tracing={"endpoint": "http://x:4318"}),
            "Router.user_config.tracing.endpoint: has no path; add it, usually /v1/traces",
            id="a collector without a path",
        ),
        pytest.param(
            FILE,
            lambda c: c["http_options"].update(hots="x"),
            "http_options.hots is unknown, and Serve ignores it; did you mean host?",
            id="of http",
        ),
        pytest.param(
            FILE,
            lambda c: router(c)["user_config"].update(policy={"alpha": 2}),
            "Router.user_config.policy.alpha is 2; it should be less than or equal to 1",
            id="alpha",
        ),
        pytest.param(
            FILE,
            lambda c: router(c).pop("user_config"),
            "Router.user_config.access is missing; add it",
            id="none",
        ),
        pytest.param(
            FILE,
            lambda c: c["http_options"].update(host="0.0.0.0"),
            "0.0.0.0 can be reached from other machines and no API key",
            id="open to the world",
        ),
        pytest.param(
            FILE,
            lambda c: router(c).update(name="Rooter"),
            "no deployment Rooter; did you mean Router?",
            id="name",
        ),
        pytest.param(
            FILE,
            lambda c: c["applications"][0]["deployments"].append({"name": "SecondEmbedder"}),
            "no deployment SecondEmbedder",
            id="second embedder of a bank with one encoder",
        ),
        pytest.param(
            FILE,
            lambda c: c["applications"][0]["deployments"][1]["user_config"].update(wait_s=-1),
            "wait_s",
            id="batching",
        ),
        pytest.param(
            FILE,
            lambda c: router(c).update(max_ongoing_requests="many"),
            "max_ongoing_requests",
            id="wrong type",
        ),
        pytest.param(
            FILE,
            lambda c: c["applications"][0].update(args={"bank": "/nowhere"}),
            "/nowhere",
            id="bank",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: args(c)["reasoner"]["engine"].update(tensor_paralel=2),
            "reasoner.engine.tensor_paralel",
            id="typo",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: args(c)["reasoner"]["engine"].update(tensor_parallel=8),
            "one engine needs 8 GPUs on one node, and engine.gpus_per_node is 4; set "
            "tensor_parallel to at most 4",
            id="tensor parallelism larger than a node",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: args(c)["reasoner"].update(samples=4),
            "samples is 4 and temperature 0",
            id="identical samples",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: args(c).pop("reasoner"),
            "no deployment ScopeEngine; remove it, or use one of Embedder, Predictor, Router",
            id="engines without a reasoner",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: engines(c)["autoscaling_config"].update(target_ongoing_requests=100),
            "target_ongoing_requests is 100, but an engine never has more than "
            "max_ongoing_requests, 64",
            id="unreachable target",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: engines(c).update(placement_group_strategy="SPREAD"),
            "ScopeEngine.placement_group_strategy would override args.reasoner.engine",
            id="placement set twice",
        ),
        pytest.param(
            GPU_FILE,
            lambda c: router(c)["user_config"]["reasoning"].update(mode="always"),
            "reasoning.mode",
            id="mode",
        ),
    ],
)
def test_a_mistake_is_one_sentence(file, change, message):
    """
    It names the field, and the numbers that contradict each other.
    """
    with pytest.raises(ScopeError) as error:
        check_config(changed(change, file))

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "cannot be read", id="no file"),
        pytest.param(b"\xff", "cannot be read", id="not UTF-8"),
        pytest.param(b"a: [", "is not YAML", id="not YAML"),
        pytest.param(b"[" * 3000, "nested too deeply", id="deep"),
        pytest.param(b"&a {b: *a}", "is not YAML: Circular", id="holds itself"),
        pytest.param(b"[1]", "expected a mapping", id="a list"),
    ],
)
def test_a_file_that_is_no_configuration_is_rejected(tmp_path, content, message):
    """
    The sentence names the file.
    """
    path = tmp_path / "serve_config.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ScopeError, match=message) as error:
        read_config(path)

    assert str(error.value).startswith(str(path))


def test_the_configuration_for_gpus_is_valid():
    """
    The summary says that its bank was not checked.
    """
    assert check_config(read_config(GPU_FILE)) == (
        "valid: 13 models, 0 with an upstream, on 127.0.0.1; at most 3 engines of 1 GPU take 3; "
        "bank /banks/scope is not on this machine and was not checked"
    )


def test_the_configuration_for_gpus_has_the_published_models_at_their_prices():
    """
    It has all thirteen, and the published reasoner.
    """
    config = read_config(GPU_FILE)
    models = [ModelSpec(**model) for model in router(config)["user_config"]["models"]]

    assert tuple(models) == PUBLISHED_MODELS
    assert args(config)["reasoner"]["checkpoint"] == "Cooolder/SCOPE"


def test_every_deployment_for_gpus_is_bounded():
    """
    Every queue and every number of replicas has a limit.
    """
    config = read_config(GPU_FILE)
    for block in config["applications"][0]["deployments"]:
        scaling = block["autoscaling_config"]
        assert block["max_queued_requests"] <= 1024
        assert scaling["target_ongoing_requests"] < block["max_ongoing_requests"] <= 1024
        assert 1 <= scaling["min_replicas"] <= scaling["max_replicas"]


def test_a_bank_on_this_machine_must_fit_the_reasoner():
    """
    The embedded bank has no question texts.
    """
    config = changed(lambda c: args(c).pop("bank"), GPU_FILE)

    with pytest.raises(ScopeError, match="has no question texts"):
        check_config(config)


def test_a_broken_bank_is_a_mistake_with_its_remedy(tmp_path):
    """
    Nothing reads it before the check that knows what to do about it.
    """
    (tmp_path / "manifest.json").write_text("{\n")
    config = changed(lambda c: c["applications"][0].update(args={"bank": str(tmp_path)}), FILE)

    with pytest.raises(ScopeError, match=r"is not JSON.*set args\.bank to the folder of a bank"):
        check_config(config)


def test_a_reasoning_mode_without_a_reasoner_is_rejected():
    """
    The settings of the Router must agree with the arguments of the application.
    """
    config = changed(lambda c: router(c)["user_config"].update(reasoning={"mode": "exact"}))

    with pytest.raises(ScopeError, match="there is no engine to query"):
        check_config(config)


def with_learned(config, folder):
    """Have a configuration serve a learned router and a reward model."""
    args(config)["routers"] = {"bestroute": str(folder)}
    args(config)["selector"] = {"model": str(folder)}
    router(config)["user_config"]["pool"] = ["mathstral-7B", "mathstral-7B@3", "gpt-4o-2024-05-13"]
    config["applications"][0]["deployments"] += [
        {"name": "LearnedRouter", "user_config": {"max_batch_size": 8}},
        {"name": "Selector"},
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A learned router over models of the embedded bank."""
    prices = {model.id: model for model in load_bank(EMBEDDED_BANK).models}
    models = (prices["mathstral-7B"], prices["gpt-4o-2024-05-13"])
    folder = tmp_path_factory.mktemp("trained") / "best"
    return tiny_router(folder, {"mathstral-7B": 0.4, "mathstral-7B@3": 0.7}, models)


def test_a_learned_router_and_a_selector_are_checked(trained):
    """
    The summary names both; an arm that only the router predicts may be in the pool.
    """
    summary = check_config(changed(lambda c: with_learned(c, trained)))

    assert summary == (
        "valid: 3 models, 0 with an upstream, on 127.0.0.1; learned routers: bestroute; "
        f"samples are chosen by {trained}"
    )


def test_another_selector_than_the_fitted_one_is_noted(trained, tmp_path):
    """
    The bank knows what a majority makes of three samples; here a reward model chooses.
    """
    known = Resampling(concentration=2.0, odds=1.0, selector="majority", source="fitted")
    bank = load_bank(EMBEDDED_BANK)
    models = tuple(model.model_copy(update={"resampling": known}) for model in bank.models)
    save_bank(bank.with_prices(models), tmp_path / "bank", created_at="2026-01-01", sources=())

    def sampled(config):
        args(config)["bank"] = str(tmp_path / "bank")
        router(config)["user_config"]["pool"] = ["mathstral-7B", "mathstral-7B@3"]

    def scored(config):
        sampled(config)
        args(config)["selector"] = {"model": str(trained)}
        config["applications"][0]["deployments"].append({"name": "Selector"})

    assert (
        "; note: the Selector chooses here, and the bank knows another selector of "
        "mathstral-7B@3 (majority)"
    ) in check_config(changed(scored))
    assert "note:" not in check_config(changed(sampled))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda c: args(c).update(routers={"hybridllm": args(c)["routers"]["bestroute"]}),
            "holds a router of the strategy bestroute",
            id="another strategy",
        ),
        pytest.param(
            lambda c: args(c).update(routers={"best": "x"}), "routers.best", id="unknown strategy"
        ),
        pytest.param(lambda c: args(c).pop("routers"), "no deployment LearnedRouter", id="block"),
        pytest.param(
            lambda c: args(c).update(selector={"model": "/nowhere"}), "is no folder", id="selector"
        ),
        pytest.param(
            lambda c: router(c)["user_config"].update(strategy="hybridllm"),
            "strategy is 'hybridllm', and no such router is configured",
            id="strategy",
        ),
        pytest.param(
            lambda c: router(c)["user_config"].update(pool=["mathstral-7B@5"]),
            "nothing predicts mathstral-7B@5",
            id="arm without a prediction",
        ),
        pytest.param(
            lambda c: router(c)["user_config"].update(pool=["mathstral-7B#high"]),
            "mathstral-7B#high not in the bank",
            id="effort without outcomes",
        ),
    ],
)
def test_a_mistake_about_learned_routers_is_one_sentence(trained, change, message):
    """
    It names the argument.
    """

    def both(config):
        with_learned(config, trained)
        change(config)

    with pytest.raises(ScopeError) as error:
        check_config(changed(both))

    assert message in str(error.value)
