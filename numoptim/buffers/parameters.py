"""Parameters: named arrays that live side by side in one flat buffer."""
import copy
import math
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from numoptim.face import display
from numoptim.face.names import nearest, some
from numoptim.face.sealed import Sealed
from numoptim.native.arrays import Array, check_dtype

from .memory import Buffer, Memory, named
from .trees import flattened

Shapes = Mapping[str, tuple[int, ...]]


class Views(Sealed, Mapping[str, Any]):
    """Named views into one flat buffer, in the order they were given.

    ``views[name]`` has the given shape and shares memory with ``flat``; ``views[name] = x`` copies in.
    """

    _instead: ClassVar[dict[str, str]] = {"flat": ".flat[...] = x, which copies in"}

    def __init__(self, flat: Buffer, shapes: Shapes, memory: Memory) -> None:
        self._flat, self._shapes, self._memory = flat, dict(shapes), memory
        self._views: dict[str, Buffer] = {}
        start = 0
        for name, shape in shapes.items():
            stop = start + math.prod(shape)
            self._views[name] = flat[start:stop].reshape(shape)
            start = stop

    @property
    def flat(self) -> Any:
        """The whole buffer, (size,)."""
        return self._flat

    @property
    def shapes(self) -> Shapes:
        """{name: shape}."""
        return MappingProxyType(self._shapes)

    @property
    def memory(self) -> Memory:
        """Where the buffer is."""
        return self._memory

    def __getitem__(self, name: str) -> Any:
        try:
            return self._views[name]
        except KeyError:
            raise KeyError(f"no parameter {name!r}{nearest(str(name), self._views)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._views

    def __setitem__(self, name: str, value: Any) -> None:
        view, value = self[name], self._memory.given(value)
        if value.shape != view.shape:
            raise ValueError(f"{name!r} has shape {view.shape}, was given {value.shape}")
        self._memory.write(view, value)

    def assign(self, arrays: Mapping[str, Any], what: str = "arrays", missing: str = "error",
               apart: Collection[str] = ()) -> None:
        """Copy in an array of its own shape for every name, as if all were read before any is written.

        missing: what becomes of names without one, or with None: an "error", "zero", or "skip", as they are. apart:
        names that are left as they are, whatever there is for them. Raises TypeError or ValueError, which begin with
        ``what``, before anything is written.
        """
        arrays = flattened(arrays, what)
        for name in arrays:
            if name not in self._views:
                raise ValueError(f"{what}: no parameter {name!r}{nearest(str(name), self._views)}")
        given, memory = {}, self._memory
        absent = [name for name in self.absent(arrays) if name not in apart]
        if absent and missing == "error":
            raise ValueError(f"{what}: {absent[0]!r} is missing; every parameter needs one, or missing= says what then")
        for name, view in self._views.items():
            if name in absent or name in apart:
                continue
            array = memory.given(arrays[name])
            if array.shape != view.shape:
                raise ValueError(f"{what}: {name!r} has shape {array.shape}; expected {view.shape}")
            memory.check_source(f"{what}: {name!r}", array, view)
            if array is not view:
                given[name] = memory.unshared(array, self._flat)
        for name, array in given.items():
            memory.write(self._views[name], array)
        for name in absent if missing == "zero" else ():
            self._views[name].fill(0)

    def absent(self, arrays: Mapping[str, Any]) -> list[str]:
        """The names that have no array among these, or None."""
        return [name for name in self._views if arrays.get(name) is None]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return display.views(self)

    def _repr_html_(self) -> str:
        return display.views_html(self)

    def _hint(self, name: str) -> str:
        return f": write [{name!r}] = x, which copies in" if name in self._views else super()._hint(name)

    # Copies and pickles have buffers of their own, in the same memory, and views into those.

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "_flat": self._memory.host(self._flat)}
        del state["_views"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        content = self._flat
        flat = self._memory.zeros(content.size, content.dtype)
        self._memory.write(flat, content)
        Views.__init__(self, flat, self._shapes, self._memory)

    def __copy__(self) -> Self:
        return copy.deepcopy(self)


class Parameters(Views):
    """Weights by name, and beside them their gradients: one flat, 64-byte-aligned buffer each.

    arrays: ``{name: array}``, float32 or float64, all of one dtype, of any shape; copied. Nested dicts and lists give
    names joined by ".": ``{"layers": [{"w": a}]}`` is ``{"layers.0.w": a}``.
    device: "cpu", "cuda" (the first GPU), "cuda:1" ...; on a GPU the buffers are cuda.Arrays, and what is copied to
    them may be of the host or the GPU. stream: the CUDA stream on which all steps are made, an int or an object with
    ``__cuda_stream__``; None: the legacy default stream.

    ``params[name]``, ``params.grad[name]``: live views; ``params.flat``, ``params.grad.flat``: the
    whole, (size,). Gradients start at 0; ``params.grad = {name: array}`` copies all in. ``params.offsets``: int64
    (len + 1,), segment k being ``flat[offsets[k]:offsets[k + 1]]``; segments lie back to back. Raises TypeError for
    other dtypes, mixed dtypes and names that are not strings, ValueError for a device that is not there; for a GPU
    ImportError without the extra ``numoptim[cuda]`` and RuntimeError without a driver.
    """

    def __init__(self, arrays: Mapping[str, Any], device: str = "cpu", stream: Any = None) -> None:
        arrays = flattened(arrays, "params")
        memory = named(device, stream)
        given = {name: memory.given(array) for name, array in arrays.items()}
        for name, array in given.items():
            check_dtype(f"parameter {name!r}", array.dtype)
        dtypes = {array.dtype for array in given.values()}
        if len(dtypes) > 1:
            each = {dtype: some(name for name, array in given.items() if array.dtype == dtype) for dtype in dtypes}
            raise TypeError("parameters have different dtypes: " +
                            "; ".join(f"{dtype}: {names}" for dtype, names in sorted(each.items(), key=str)))
        size = sum(array.size for array in given.values())
        shapes = {name: array.shape for name, array in given.items()}
        dtype = dtypes.pop() if dtypes else np.dtype(np.float32)
        super().__init__(memory.zeros(size, dtype), shapes, memory)
        self._grad = Views(memory.zeros(size, dtype), shapes, memory)
        self._offsets = segments(shapes)
        for name, array in given.items():
            self[name] = array

    @property
    def grad(self) -> Views:
        """The gradients, by name."""
        return self._grad

    @grad.setter
    def grad(self, arrays: Mapping[str, Any]) -> None:
        if arrays is not self._grad:                   # as in params.grad |= ...
            self._grad.assign(arrays, "params.grad")

    @property
    def offsets(self) -> Array:
        """int64 (len + 1,), where segments begin and the last one ends; read-only."""
        return self._offsets

    @property
    def device(self) -> str:
        """Where the buffers are: "cpu", "cuda:0" ..."""
        return self._memory.name

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._offsets = segments(self._shapes)          # read-only again


def segments(shapes: Shapes) -> Array:
    """int64 (len + 1,): where arrays of these shapes begin in one buffer, and the last one ends; read-only."""
    offsets = np.cumsum([0, *map(math.prod, shapes.values())], dtype=np.int64)
    offsets.flags.writeable = False
    return offsets
