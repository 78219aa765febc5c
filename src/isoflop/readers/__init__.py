"""Everyone's logs and tables, read as run tables: one source per file, `sniff` chooses, `read_runs` is the door."""
