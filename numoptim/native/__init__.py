"""Native: the compiled library, and the plans that call it."""
