"""What a model costs: parameters and FLOPs from its shape. Pure arithmetic, no NumPy."""
