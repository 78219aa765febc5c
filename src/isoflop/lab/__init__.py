"""Doing it: small language models trained on real text; the only package that imports torch."""
