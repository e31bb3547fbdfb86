"""Face: messages that name what was meant, reprs, and objects that refuse attributes they do not have."""
