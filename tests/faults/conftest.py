"""The fuzzer is a program of its own, and needs a library that only its own environment has."""

collect_ignore = ["fuzz_readers.py"]
