"""Files of arrays and plain values, without pickle: written whole or not at all, read whole or refused.

A file is a NumPy .npz, stored uncompressed: the member "tree" is JSON (``tree.py``), the others are its arrays.
"""
from .files import File, label
from .reader import Damaged, Stored, loaded, reading
from .writer import save

__all__ = ["Damaged", "File", "Stored", "label", "loaded", "reading", "save"]
