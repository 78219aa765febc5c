"""What was seen: specs, runs, run tables and the run directory on disk."""
