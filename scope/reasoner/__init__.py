"""The reasoning predictor: prompt, reply grammar, probabilities and engine settings of a small LLM."""
