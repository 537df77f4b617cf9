"""Names, descriptions and labels of the metrics; every label has few values."""

from collections.abc import Mapping

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "scope_requests_total": ("Requests by endpoint and HTTP status.", ("endpoint", "status")),
    "scope_decisions_total": (
        "Decisions by model, policy, source and degraded reason.",
        ("model", "policy", "source", "degraded"),
    ),
    "scope_predicted_cost_usd_total": (
        "Predicted cost of answers, USD; paired where the real one is known, too.",
        ("model", "paired"),
    ),
    "scope_real_cost_usd_total": (
        "Cost of answers by the tokens that upstreams report, USD; paired where it was predicted.",
        ("model", "paired"),
    ),
    "scope_candidate_decisions_total": (
        "Decisions that compare a candidate with the chosen model.",
        ("candidate",),
    ),
    "scope_candidate_cost_usd_total": (
        "Predicted cost of a candidate, over the decisions that compare it, USD.",
        ("candidate",),
    ),
    "scope_candidate_correct_total": (
        "Predicted correct answers of a candidate, over the decisions that compare it.",
        ("candidate",),
    ),
    "scope_chosen_cost_usd_total": (
        "Predicted cost of the chosen models, over the decisions that compare a candidate, USD.",
        ("candidate",),
    ),
    "scope_chosen_correct_total": (
        "Predicted correct answers of the chosen models, over the decisions that compare a "
        "candidate.",
        ("candidate",),
    ),
    "scope_prompts_total": (
        "Prompts by their distribution: in that of the anchors, out of it, or unknown.",
        ("distribution",),
    ),
    "scope_feedback_total": (
        "Scores of clients, by model and tenth of the predicted probability.",
        ("model", "bin"),
    ),
    "scope_feedback_score_total": (
        "Sum of the scores of clients, by model and tenth of the predicted probability.",
        ("model", "bin"),
    ),
    "scope_feedback_predicted_total": (
        "Sum of the predicted probabilities of decisions with a score.",
        ("model", "bin"),
    ),
    "scope_upstream_attempts_total": (
        "Calls of upstreams by model and outcome.",
        ("model", "outcome"),
    ),
    "scope_samples_total": (
        "Samples of arms with several, by arm: drawn, and of these failed or cancelled.",
        ("model", "result"),
    ),
    "scope_cache_lookups_total": ("Prompts looked up in the prediction cache.", ("result",)),
    "scope_reasoner_queries_total": (
        "Queries of the reasoner: started, avoided, cancelled or failed.",
        ("result",),
    ),
}
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "scope_drift_log_evidence": (
        "Evidence that the scores of a model have left its predictions, by the scores of this "
        "replica since it started; natural logarithm, 0 is none.",
        ("model",),
    ),
    "scope_breaker_state": (
        "Circuit breaker of an upstream: 0 closed, 1 half-open, 2 open.",
        ("model",),
    ),
    "scope_decisions_unlogged": (
        "Decisions that could not be written to the log since the settings changed.",
        (),
    ),
    "scope_spend_today_usd": (
        "Real cost of answers of this replica since midnight UTC, or since it started, USD.",
        (),
    ),
    "scope_budget_usd_per_day": (
        "Budget of all replicas together, USD; NaN where there is none.",
        (),
    ),
    "scope_info": (
        "1 for the versions in force: bank, policy and digest of the settings; 0 for earlier ones.",
        ("bank", "policy", "settings"),
    ),
    "scope_settings_rejected": (
        "1 while the latest user_config is rejected and the one before is active.",
        (),
    ),
}
STAGES: Mapping[str, str] = {
    "overhead": "routing a request, from its arrival to the decision",
    "embed": "a call of the Embedder",
    "embed_second": "a call of the SecondEmbedder",
    "predict": "a call of the Predictor",
    "select": "the choice among several samples",
    "reason": "the reasoner queries of a request",
    "upstream": "an answer, or the beginning of one in a stream, retries included",
}
"""Each stage has a histogram ``scope_STAGE_latency_ms``."""

BOUNDARIES_MS = [1.0, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5]
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}
