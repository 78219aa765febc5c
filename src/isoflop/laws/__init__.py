"""What might be true: scaling laws as declarations, and what follows from a declaration."""
