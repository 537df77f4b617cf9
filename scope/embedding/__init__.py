"""Texts as vectors: which embedder, the encoder, text features and the exact nearest anchors."""
