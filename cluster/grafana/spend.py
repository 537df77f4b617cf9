"""The row of decisions and spend."""

from grafana_foundation_sdk.builders import stat, timeseries

from cluster.grafana.panels import APP, GREEN, RED, YELLOW, graph, number, query, stacked

REFERENCE = f'{{{APP},candidate="$reference"}}'
HOUR_S = 3600


def spend() -> tuple[stat.Panel | timeseries.Panel, ...]:
    """Return the panels of the row."""
    return (*_numbers(), *_money())


def _numbers() -> tuple[stat.Panel, ...]:
    return (
        number(
            "Decisions per second",
            "Prompts decided, over all Router replicas. At 0 while clients send requests: look at "
            "Requests by status.",
            "reqps",
            [query(f"sum(rate(ray_scope_decisions_total{{{APP}}}[$__rate_interval]))")],
            ((None, GREEN),),
        ),
        number(
            "Spent today",
            "Real cost of answers since midnight UTC, at the pool's prices, of the Router replicas "
            "that run now. Answers whose tokens the upstream does not report are not in it.",
            "currencyUSD",
            [query(f"sum(last_over_time(ray_scope_spend_today_usd{{{APP}}}[1m]))")],
            ((None, GREEN),),
        ),
        number(
            "Budget used today",
            "Share of spend.budget_usd_per_day. No data: no budget is set. Over 100 %: nothing is "
            "refused; lower alpha, shorten the pool, or raise the budget.",
            "percentunit",
            [
                query(
                    f"sum(last_over_time(ray_scope_spend_today_usd{{{APP}}}[1m]))"
                    f" / max(last_over_time(ray_scope_budget_usd_per_day{{{APP}}}[1m]))"
                )
            ],
            ((None, GREEN), (0.8, YELLOW), (1, RED)),
        ),
        number(
            "Saving against always $reference",
            "Predicted: 1 − cost of the chosen models / cost of always $reference, over the same "
            "prompts. Below 0 the choices cost more than that model alone.",
            "percentunit",
            [
                query(
                    f"1 - sum(increase(ray_scope_chosen_cost_usd_total{REFERENCE}[$__range]))"
                    f" / sum(increase(ray_scope_candidate_cost_usd_total{REFERENCE}[$__range]))"
                )
            ],
            ((None, RED), (0, YELLOW), (0.1, GREEN)),
        ),
        number(
            "Quality against always $reference",
            "Predicted correct answers per prompt of the choices, minus those of always "
            "$reference. Below 0 is the price of the saving beside it; alpha weighs the two.",
            "percentunit",
            [
                query(
                    f"(sum(increase(ray_scope_chosen_correct_total{REFERENCE}[$__range]))"
                    f" - sum(increase(ray_scope_candidate_correct_total{REFERENCE}[$__range])))"
                    f" / sum(increase(ray_scope_candidate_decisions_total{REFERENCE}[$__range]))"
                )
            ],
            ((None, RED), (-0.05, YELLOW), (0, GREEN)),
        ),
        number(
            "Real cost / predicted",
            "Over answers whose cost is known both ways. Far from 1: prices are old (user_config: "
            "models), or answers are longer or shorter than those of the bank.",
            "none",
            [
                query(
                    f'sum(increase(ray_scope_real_cost_usd_total{{{APP},paired="yes"}}[$__range]))'
                    " / sum(increase("
                    f'ray_scope_predicted_cost_usd_total{{{APP},paired="yes"}}[$__range]))'
                )
            ],
            ((None, YELLOW), (0.5, GREEN), (2, YELLOW)),
        ).decimals(2),
    )


def _money() -> tuple[timeseries.Panel, ...]:
    return (
        stacked(
            graph(
                "Decisions by model",
                "Which models are chosen, per second. A model that vanishes: its breaker is open, "
                "or a setting excludes it.",
                "reqps",
                [
                    query(
                        "sum by (model) "
                        f"(rate(ray_scope_decisions_total{{{APP}}}[$__rate_interval]))",
                        "{{model}}",
                    )
                ],
            )
        ),
        stacked(
            graph(
                "Spend by model, USD per hour",
                "Real cost of answers by the tokens that upstreams report. One model takes most: "
                "see whether its decisions grew, or its answers got longer.",
                "currencyUSD",
                [
                    query(
                        f"{HOUR_S} * sum by (model) "
                        f"(rate(ray_scope_real_cost_usd_total{{{APP}}}[$__rate_interval]))",
                        "{{model}}",
                    )
                ],
            )
        ),
        graph(
            "Cost predicted and real, USD per hour",
            "Over answers whose cost is known both ways. The lines should lie on each other; if "
            "they part, check prices and lengths of answers.",
            "currencyUSD",
            [
                query(
                    f"{HOUR_S} * sum(rate(ray_scope_{kind}_cost_usd_total"
                    f'{{{APP},paired="yes"}}[$__rate_interval]))',
                    kind,
                )
                for kind in ("predicted", "real")
            ],
        ),
        graph(
            "Chosen against always $reference, USD per hour",
            "Predicted cost of the choices, and of giving the same prompts to $reference. The "
            "distance is the saving.",
            "currencyUSD",
            [
                query(
                    f"{HOUR_S} * sum(rate(ray_scope_{kind}_cost_usd_total{REFERENCE}"
                    "[$__rate_interval]))",
                    legend,
                )
                for kind, legend in (("chosen", "chosen"), ("candidate", "always $reference"))
            ],
        ),
    )
