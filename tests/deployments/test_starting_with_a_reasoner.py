"""What an application with a reasoner refuses before anything of it starts."""

import pytest

from deployments.app import build_app
from deployments.replicas.app_config import AppConfig
from deployments.replicas.reasoner import ReasonerArgs
from scope.bank.store import save_bank
from scope.errors import ClusterError, ConfigError
from scope.reasoner.engine import EngineConfig
from tests.deployments.engine import taught
from tests.factories.banks import two_kinds

pytestmark = pytest.mark.ray


@pytest.fixture
def reasoner(checkpoint):
    """Make arguments for the tiny checkpoint."""

    def make(**settings):
        return ReasonerArgs(checkpoint=str(checkpoint), **settings)

    return make


@pytest.fixture
def bank(tmp_path, reasoner):
    """Folder of a bank that was calibrated for it."""
    folder = tmp_path / "bank"
    bank = taught(two_kinds(), reasoner())
    save_bank(bank, folder, created_at="2026-01-01T00:00:00+00:00", sources=())
    return str(folder)


def test_a_bank_without_texts_is_refused(cluster, reasoner):
    """
    As the embedded one.
    """
    with pytest.raises(ConfigError, match="has no question texts"):
        build_app(AppConfig(reasoner=reasoner()))


def test_a_bank_of_another_reasoner_is_refused(cluster, bank, reasoner):
    """
    Naming the fields.
    """
    with pytest.raises(ConfigError, match="they differ in reasoning "):
        build_app(AppConfig(bank=bank, reasoner=reasoner(reasoning="full")))


def test_gpus_that_no_node_has_are_refused(cluster, bank, reasoner):
    """
    With the arithmetic; Ray would wait for them for ever.
    """
    engine = EngineConfig(tensor_parallel=4)

    with pytest.raises(ClusterError, match="an engine needs 4 GPUs, and no node has one"):
        build_app(AppConfig(bank=bank, reasoner=reasoner(engine=engine)))


def test_yaml_may_name_a_template(reasoner, tmp_path):
    """
    As text: it knows no paths.
    """
    fields = {"checkpoint": "owner/name", "template": "prompt.jinja"}

    assert str(AppConfig(reasoner=fields).reasoner.template) == "prompt.jinja"
