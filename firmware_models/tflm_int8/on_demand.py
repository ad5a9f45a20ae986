"""A package whose names are imported when they are used: processes that need a part of it begin sooner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def on_demand(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """What a package defines as its `__getattr__` (PEP 562).

    names: by module of the package, those that the package gives as its own.
    """
    module_of = {name: module for module, given in names.items() for name in given}

    def find(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return find
