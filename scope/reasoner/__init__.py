"""The reasoner, a small LLM that predicts outcomes: prompt, reply grammar, answers, engine."""

from scope.reasoner.answer_cache import AnswerCache, AnswerKey, CachedAnswer, ReasonerFingerprint
from scope.reasoner.answers import (
    ReasonerPrediction,
    ReasonerPredictions,
    average_predictions,
    parse_predictions,
    sampling_params,
)
from scope.reasoner.cpu_memory import MachineMemory, cpu_memory_kwargs
from scope.reasoner.engine import (
    EngineConfig,
    check_capacity,
    n_engines_that_fit,
    vllm_engine_kwargs,
)
from scope.reasoner.pool_reply import (
    FORCED_POOL_PREFIX,
    parse_pool_reply,
    pool_reply_grammar,
    write_pool_reply,
)
from scope.reasoner.prompt import PoolPromptBuilder, PromptBuilder
from scope.reasoner.reply import FORCED_PREFIX, ParsedReply, parse_reply, write_reply
from scope.reasoner.spec import (
    REASONING_TOKENS,
    TEMPLATE_OF,
    PromptForm,
    ReasonerConfig,
    ReasonerSpec,
    Reasoning,
    is_local_path,
)
from scope.reasoner.template import (
    DEFAULT_TEMPLATE,
    Example,
    ExampleOutcome,
    PoolExample,
    PoolTemplate,
    Template,
)
from scope.reasoner.tokenizer import PromptTokenizer
from scope.reasoner.training_record import (
    TRAINED_TEMPLATE,
    TRAINING_RECORD,
    TrainingRecord,
    text_digests,
)

__all__ = [
    "DEFAULT_TEMPLATE",
    "FORCED_POOL_PREFIX",
    "FORCED_PREFIX",
    "REASONING_TOKENS",
    "TEMPLATE_OF",
    "TRAINED_TEMPLATE",
    "TRAINING_RECORD",
    "AnswerCache",
    "AnswerKey",
    "CachedAnswer",
    "EngineConfig",
    "Example",
    "ExampleOutcome",
    "MachineMemory",
    "ParsedReply",
    "PoolExample",
    "PoolPromptBuilder",
    "PoolTemplate",
    "PromptBuilder",
    "PromptForm",
    "PromptTokenizer",
    "ReasonerConfig",
    "ReasonerFingerprint",
    "ReasonerPrediction",
    "ReasonerPredictions",
    "ReasonerSpec",
    "Reasoning",
    "Template",
    "TrainingRecord",
    "average_predictions",
    "check_capacity",
    "cpu_memory_kwargs",
    "is_local_path",
    "n_engines_that_fit",
    "parse_pool_reply",
    "parse_predictions",
    "parse_reply",
    "pool_reply_grammar",
    "sampling_params",
    "text_digests",
    "vllm_engine_kwargs",
    "write_pool_reply",
    "write_reply",
]
