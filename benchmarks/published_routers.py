"""What HybridLLM and BEST-Route publish, restated, with the static mixture their numbers imply."""

HYBRID_LLM = {
    "Llama-2 7b → 13b": ("0.1 / -0.1 / 0.1", "0.1 / 0.0 / 0.0", "0.2 / 0.1 / 0.0"),
    "FLAN-T5 800m → 11b": ("-0.2 / -0.3 / -0.2", "-0.2 / -0.2 / -0.2", "0.0 / -0.1 / 0.0"),
    "Llama-2 13b → GPT-3.5": ("0.1 / -0.1 / 0.2", "1.0 / 0.8 / 0.8", "3.5 / 3.4 / 2.9"),
    "Llama-2 7b → GPT-3.5": ("0.3 / 0.3 / 0.6", "1.5 / 1.3 / 1.2", "4.1 / 4.1 / 3.6"),
    "FLAN-T5 800m → Llama-2 13b": ("2.3 / 2.2 / 2.1", "5.8 / 5.8 / 4.7", "13.8 / 13.1 / 10.3"),
    "FLAN-T5 11b → GPT-3.5": ("3.8 / 3.6 / 3.3", "9.0 / 8.9 / 7.3", "19.2 / 19.4 / 16.5"),
    "FLAN-T5 800m → GPT-3.5": ("3.6 / 3.4 / 3.6", "8.7 / 8.7 / 7.9", "19.3 / 19.8 / 17.4"),
}
"""Pair -> drop in % at 10, 20 and 40 % of queries sent small, as det / prob / trans."""

HYBRID_LLM_CALIBRATED = {
    "Llama-2 7b → 13b": ("1.60 / 98.6", "1.42 / 96.8", "1.39 / 96.5"),
    "Llama-2 13b → GPT-3.5": ("0.55 / 15.2", "0.11 / 8.4", "0.49 / 15.7"),
    "FLAN-T5 800m → Llama-2 13b": ("0.69 / 4.9", "0.57 / 4.4", "1.02 / 5.1"),
}
"""Pair -> drop in % / % sent small of det, prob, trans, thresholds for a drop of at most 1 %."""

SAVED = (10, 20, 40, 60)
BEST_ROUTE = {
    "BEST-Route": (0.19, 0.21, 0.47, 0.80),
    "N-label": (0.63, 1.17, 3.26, 5.08),
    "cascade, exact match": (7.26, 7.26, 7.26, 7.26),
    "BEST-Route on MT-Bench": (0.25, 0.43, 1.56, 1.59),
    "N-label on MT-Bench": (0.88, 2.29, 4.41, 5.89),
    "BEST-Route by BLEU": (3.61, 6.07, 12.76, 18.07),
    "BEST-Route by ROUGE": (3.88, 7.27, 15.78, 21.97),
}
"""Strategy -> drop in % by ArmoRM against always GPT-4o, at `SAVED` % of the cost saved."""

STATIC_SAVED, STATIC_DROP = 80.0, 1.1
"""Always Llama-3.1-8B best of 5: % saved from its mean lengths and prices, drop in % as printed."""


def static_mix_drop(saved: float) -> float:
    """Return the drop in % of a coin that sends queries to that static arm, else to GPT-4o.

    Examples
    --------
    >>> [round(static_mix_drop(saved), 2) for saved in SAVED]
    [0.14, 0.28, 0.55, 0.82]
    """
    return STATIC_DROP * saved / STATIC_SAVED


def print_published() -> None:
    """Print the published tables as Markdown."""
    print(
        "### Published, HybridLLM (ICLR 2024): BARTScore drop in %, det / prob / trans, "
        "MixInstruct, 5,000 test queries, no intervals\n\n"
        "| pair | 10 % small | 20 % small | 40 % small |\n|---|---|---|---|"
    )
    for pair, drops in HYBRID_LLM.items():
        print(f"| {pair} | {' | '.join(drops)} |")
    print(
        "\n| pair, τ for at most 1 % on 500 validation queries | det: drop / small, % "
        "| prob | trans |\n|---|---|---|---|"
    )
    for pair, cells in HYBRID_LLM_CALIBRATED.items():
        print(f"| {pair} | {' | '.join(cells)} |")
    print(
        "\n### Published, BEST-Route (ICML 2025): ArmoRM drop in % against always GPT-4o, "
        "1,000 test queries of a mix of four sources, no intervals\n\n"
        f"| strategy | {' | '.join(f'{saved} % saved' for saved in SAVED)} |\n|---|---|---|---|---|"
    )
    for name, numbers in BEST_ROUTE.items():
        print(f"| {name} | {' | '.join(f'{drop:.2f}' for drop in numbers)} |")
    mixed = " | ".join(f"{static_mix_drop(saved):.2f}" for saved in SAVED)
    print(f"| a coin: Llama-3.1-8B best of 5, else GPT-4o (derived, not published) | {mixed} |\n")


if __name__ == "__main__":
    print_published()
