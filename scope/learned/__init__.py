"""Learned routers and reward models: networks that read a prompt, or a prompt and a response."""

from scope.learned.fit import TARGET_DROP, RouterData, TrainedNetwork, finish_router
from scope.learned.frozen import fit_heads
from scope.learned.losses import n_logits, n_outputs
from scope.learned.network import (
    add_source_token,
    load_encoder,
    load_reward_network,
    load_weights,
    make_network,
    make_pair_network,
    run_rows,
    save_weights,
    source_tokenizer,
)
from scope.learned.reward import RewardModel, RewardScores, check_one_output
from scope.learned.reward_text import RewardText, TextForm
from scope.learned.router import LearnedRouter, RouterPrediction
from scope.learned.spec import (
    ArmLengths,
    BaseEncoder,
    CalibrationReport,
    DropThreshold,
    HeadCalibration,
    Loss,
    Pooling,
    RewardSpec,
    RouterSpec,
    Strategy,
)
from scope.learned.token_rows import (
    TextTokenizer,
    TokenRow,
    default_max_tokens,
    load_tokenizer,
    pad,
)

__all__ = [
    "TARGET_DROP",
    "ArmLengths",
    "BaseEncoder",
    "CalibrationReport",
    "DropThreshold",
    "HeadCalibration",
    "LearnedRouter",
    "Loss",
    "Pooling",
    "RewardModel",
    "RewardScores",
    "RewardSpec",
    "RewardText",
    "RouterData",
    "RouterPrediction",
    "RouterSpec",
    "Strategy",
    "TextForm",
    "TextTokenizer",
    "TokenRow",
    "TrainedNetwork",
    "add_source_token",
    "check_one_output",
    "default_max_tokens",
    "finish_router",
    "fit_heads",
    "load_encoder",
    "load_reward_network",
    "load_tokenizer",
    "load_weights",
    "make_network",
    "make_pair_network",
    "n_logits",
    "n_outputs",
    "pad",
    "run_rows",
    "save_weights",
    "source_tokenizer",
]
