"""Buffers: the memory of the processor or of a GPU, arrays in it, and named parameters side by side."""
