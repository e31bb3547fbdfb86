"""Steps: the state they change, what binds an optimizer to buffers and makes them, and whom they lock out."""
