"""What a model costs: parameters, FLOP, memory, hours, dollars and energy from its shape. Pure arithmetic, no NumPy."""
