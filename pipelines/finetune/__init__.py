"""Fine-tune a reasoner on the outcomes of a bank: data, SFT and GRPO, inside Ray Train."""

from pipelines.finetune.data import FinetuneData, FinetuneRow, FinetuneSpec, held_out_texts

__all__ = ["FinetuneData", "FinetuneRow", "FinetuneSpec", "held_out_texts"]
