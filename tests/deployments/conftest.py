import asyncio
import contextlib

import pytest

from deployments.upstream.client import UpstreamClient
from deployments.upstream.executor import FallbackExecutor
from deployments.upstream.retries import RetrySettings
from deployments.upstream.samples import SamplingSettings
from deployments.upstream.selection import SampleSelector
from deployments.upstream.upstream_settings import UpstreamSettings
from deployments.upstream.upstreams import UpstreamRegistry
from scope.pool import ModelSpec
from tests.deployments.local import Site as LocalSite
from tests.deployments.serving import serving
from tests.upstream import running

KEY = "sk-very-secret-0123"
PRICES = {
    "small": ModelSpec(id="small", usd_per_mtok_in=1, usd_per_mtok_out=2),
    "small@3": ModelSpec(id="small@3", usd_per_mtok_in=1, usd_per_mtok_out=2),
    "small#high": ModelSpec(id="small#high", usd_per_mtok_in=1, usd_per_mtok_out=2),
    "large": ModelSpec(
        id="large", usd_per_mtok_in=10, usd_per_mtok_out=20, usd_per_mtok_cached_in=1
    ),
}


class Site:
    """An executor before an upstream that serves three models, one of them without a price."""

    def __init__(self, upstream, prompt):
        self.upstream, self.prompt = upstream, prompt
        self.base_url = upstream.base_url

    @contextlib.asynccontextmanager
    async def open(
        self, behaviour=None, *, attempts=4, environ=None, reward=None, grace_s=10.0, **settings
    ):
        """Open it; `behaviour` is that of each model, `settings` are those of all upstreams.

        But only ``small`` is ever in a hurry: on a busy machine the others would be late, too.
        """
        await asyncio.to_thread(self.upstream.behave, behaviour or {})
        self.upstreams = UpstreamRegistry()
        settings = {"base_url": self.base_url, "timeout_s": 5.0, **settings}
        patient = UpstreamSettings(**{**settings, "timeout_s": 5.0})
        settings_of = {
            "small": UpstreamSettings(**settings),
            "large": patient,
            "priceless": patient,
        }
        self.upstreams.configure(settings_of, PRICES, environ or {})
        retries = RetrySettings(attempts=attempts, initial_backoff_s=0.001)
        async with UpstreamClient() as client:
            selector = SampleSelector(reward)
            self.executor = FallbackExecutor(self.upstreams, client, retries, selector)
            self.executor.best_of_n.settings = SamplingSettings(grace_s=grace_s)
            yield self

    def execute(
        self,
        models=("small", "large"),
        *,
        deadline_s=5.0,
        headers=None,
        is_translated=False,
        **body,
    ):
        """Start a request of this test's prompt."""
        body = {"messages": [{"role": "user", "content": self.prompt}], **body}
        return self.executor.execute(
            body,
            models,
            deadline_s=deadline_s,
            headers=headers or {},
            is_translated=is_translated,
        )

    def log(self):
        """The calls of this test at the upstream."""
        return [call for call in self.upstream.log() if call["prompt"] == self.prompt]

    async def hung_up(self):
        """Wait until the upstream has seen its client hang up."""
        async with asyncio.timeout(5):
            while not all(call["hung_up"] for call in await asyncio.to_thread(self.log)):
                await asyncio.sleep(0.01)


def outcomes(answer):
    """Model and outcome of each attempt."""
    return [(attempt.model, attempt.outcome) for attempt in answer.attempts]


def failing(way="status", **behaviour):
    """How a model behaves that goes this way instead of answering."""
    return {"way": way, **behaviour}


async def read(answer):
    """Read a stream to its end."""
    async for _ in answer.chunks:
        pass


@pytest.fixture(scope="session")
def upstream():
    with running() as served:
        yield served


@pytest.fixture
def site(upstream, request):
    return Site(upstream, request.node.name)


@pytest.fixture
def ask(site):
    """Ask once; returns the answer, which for a stream has ended, its bytes in ``.got``."""

    async def once(behaviour, environ, attempts, settings, request):
        async with site.open(behaviour, attempts=attempts, environ=environ, **settings):
            answer = await site.execute(**request)
            got = [chunk async for chunk in answer.chunks] if hasattr(answer, "chunks") else []
            return answer, b"".join(got)

    def run(behaviour=None, *, environ=None, attempts=4, settings=None, **request):
        return asyncio.run(once(behaviour, environ, attempts, settings or {}, request))

    return run


def patience_s(way):
    """How long to wait for a model that goes this way: not long if nothing will come."""
    return 0.25 if way in ("silent", "held") else 5.0


@pytest.fixture
def local(tmp_path):
    """A Router over replicas in this process; ``.open(**settings)`` serves it."""
    return LocalSite(tmp_path)


@pytest.fixture(scope="package")
def served(cluster):
    """The application of serve_config.yaml on a real Serve, for all tests here that need one.

    The CPUs that it holds are free again for the tests of other packages. A test that wants other
    settings deploys them; none relies on those of another.
    """
    with serving() as served:
        yield served
