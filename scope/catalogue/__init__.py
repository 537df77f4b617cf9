"""What is publicly known of models by their names: context windows and capabilities."""

from scope.catalogue.catalogue import ModelLimits, catalogued, plain_name

__all__ = ["ModelLimits", "catalogued", "plain_name"]
