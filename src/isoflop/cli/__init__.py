"""The command line: one command per file; each parses, calls, and prints, and computes nothing itself."""
