"""Law + runs → fit: the certified optimum, its uncertainty, and what the data say about themselves."""
