"""Several samples of each model on each prompt: files, splits, pairs and router labels."""

from scope.samples.samples import Samples

__all__ = ["Samples"]
