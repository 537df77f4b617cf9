"""The anchor bank: value, files, reference population, labelled questions and examples."""

from scope.bank.bank import Bank, BankManifest, SecondEmbeddings, check_embedders
from scope.bank.examples import example_outcome
from scope.bank.forecast_choice import (
    CANDIDATES,
    Candidate,
    CandidateScore,
    ForecastChoice,
)
from scope.bank.labelled import LabelledQuestions, StoredFeatures
from scope.bank.lineage import LineageInput, LineageStep
from scope.bank.prompts import BankPrompts
from scope.bank.reference_population import ReferencePopulation, fit_alpha_scale
from scope.bank.routing_gain import GainInterval, RoutingGain, SecondGain
from scope.bank.store import (
    bank_version,
    content_digest,
    is_bank,
    load_bank,
    read_manifest,
    save_bank,
    verify_bank,
)

__all__ = [
    "CANDIDATES",
    "Bank",
    "BankManifest",
    "BankPrompts",
    "Candidate",
    "CandidateScore",
    "ForecastChoice",
    "GainInterval",
    "LabelledQuestions",
    "LineageInput",
    "LineageStep",
    "ReferencePopulation",
    "RoutingGain",
    "SecondEmbeddings",
    "SecondGain",
    "StoredFeatures",
    "bank_version",
    "check_embedders",
    "content_digest",
    "example_outcome",
    "fit_alpha_scale",
    "is_bank",
    "load_bank",
    "read_manifest",
    "save_bank",
    "verify_bank",
]
