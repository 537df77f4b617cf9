"""What the replicas of an application are started with."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from deployments.replicas.reasoner import ReasonerArgs
from deployments.replicas.selector import SelectorArgs
from scope import EMBEDDED_BANK
from scope.config import Backend
from scope.learned import Strategy


class AppConfig(BaseModel):
    """``applications[].args`` of serve_config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bank: str = str(EMBEDDED_BANK)
    """Folder of the anchor bank, the same on every node."""
    encoder_backend: Backend | None = None
    """What computes embeddings; None: torch on a GPU, on a CPU onnxruntime for MiniLM."""
    reasoner: ReasonerArgs | None = None
    """The small LLM that is queried where the anchors leave a decision open; None: no engine."""
    selector: SelectorArgs | Literal["majority"] = "majority"
    """Who chooses among the samples of an arm: a reward model, or the majority."""
    routers: dict[Strategy, str] = {}
    """Folder of the learned router of each strategy, the same on every node."""
