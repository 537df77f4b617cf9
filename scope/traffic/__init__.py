"""Learn from logged traffic: choose the questions that a bank should be measured on next."""

from scope.traffic.information import choose_informative, nearest_cosine
from scope.traffic.near_duplicates import NEAR_DUPLICATE
from scope.traffic.questions import TrafficQuestion, TrafficQuestions
from scope.traffic.sample import TrafficSample, sample_traffic

__all__ = [
    "NEAR_DUPLICATE",
    "TrafficQuestion",
    "TrafficQuestions",
    "TrafficSample",
    "choose_informative",
    "nearest_cosine",
    "sample_traffic",
]
