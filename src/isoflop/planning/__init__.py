"""What to do: what to train for a budget, what it costs, what binds, and which small runs to pay for first."""
