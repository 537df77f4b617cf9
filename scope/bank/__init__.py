"""The anchor bank: value, files, reference population, labelled questions and examples."""
