# SPDX-License-Identifier: Apache-2.0
"""Puts a coder into CompressAI, loaded or not yet, and takes it out again.

CompressAI reaches its two extension modules in three ways: by name when a module is loaded (``from
compressai.ans import RansDecoder``), by name when a model is made (``from compressai import ans``),
and through objects that models hold. So there are three things to replace: the entries of
``sys.modules``, whatever modules of CompressAI have taken from the originals, and the methods of
``EntropyModel`` that code tensors. What is not loaded yet is seen to when it is.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["Hook"]

_PACKAGE = "compressai"
_MODELS = "compressai.entropy_models.entropy_models"
_MISSING = object()

# A replacement of a method, made from the original.
Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


class Hook:
    """One set of replacements, and what it replaced.

    Args:
        modules: What each extension module holds, by its full name.
        methods: For each method of ``EntropyModel``, what makes its replacement.
    """

    def __init__(
        self, modules: Mapping[str, Mapping[str, object]], methods: Mapping[str, Wrap]
    ) -> None:
        self._names = modules
        self._modules = {name: _new_module(name, names) for name, names in modules.items()}
        self._methods = methods
        self._lock = threading.RLock()
        self._active = False
        self._finder = _Finder({_PACKAGE: self._enter_package, _MODELS: self._enter_models})
        self._former_modules: dict[str, Any] = {}
        # The attributes set: owner, name, former value (or _MISSING), value.
        self._attributes: list[tuple[Any, str, Any, Any]] = []

    @property
    def active(self) -> bool:
        """Whether the replacements are in place."""
        return self._active

    def install(self) -> bool:
        """Put them in place; False if they were."""
        with self._lock:
            if self._active:
                return False
            self._active = True
            for name, replacement in self._modules.items():
                self._former_modules[name] = sys.modules.get(name, _MISSING)
                sys.modules[name] = replacement
            self._exchange(self._former_modules, self._modules)
            sys.meta_path.insert(0, self._finder)
            for name, enter in ((_PACKAGE, self._enter_package), (_MODELS, self._enter_models)):
                module = sys.modules.get(name)
                if module is not None:
                    enter(module)
            return True

    def uninstall(self) -> bool:
        """Put back what was there; False if nothing was replaced."""
        with self._lock:
            if not self._active:
                return False
            self._active = False
            if self._finder in sys.meta_path:
                sys.meta_path.remove(self._finder)
            for owner, name, former, value in reversed(self._attributes):
                if vars(owner).get(name, _MISSING) is not value:
                    continue  # somebody else's by now
                if former is _MISSING:
                    delattr(owner, name)
                else:
                    setattr(owner, name, former)
            self._attributes.clear()
            for name, former in self._former_modules.items():
                if sys.modules.get(name) is self._modules[name]:
                    if former is _MISSING:
                        del sys.modules[name]
                    else:
                        sys.modules[name] = former
            self._former_modules.clear()
            self._give_originals()
            return True

    def _exchange(self, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        """In CompressAI's modules, replace what came from ``given`` by the same of ``wanted``."""
        pairs: dict[int, tuple[object, object]] = {}
        for name, names in self._names.items():
            # None is what a program puts into sys.modules to forbid an import.
            if not isinstance(given[name], ModuleType):
                continue
            pairs[id(given[name])] = given[name], wanted[name]
            for key in names:
                if hasattr(given[name], key) and hasattr(wanted[name], key):
                    former = getattr(given[name], key)
                    pairs[id(former)] = former, getattr(wanted[name], key)
        for owner in _loaded_modules(exclude=(*given.values(), *wanted.values())):
            for key, value in list(vars(owner).items()):
                if id(value) in pairs:
                    self._set(owner, key, pairs[id(value)][1])

    def _give_originals(self) -> None:
        """Modules that were loaded meanwhile took the replacements by name."""
        if sys.modules.get(_PACKAGE) is None:
            return
        originals: dict[str, Any] = {}
        for name in self._modules:
            try:
                originals[name] = importlib.import_module(name)
            except ImportError:  # CompressAI without its extension: modules keep what works
                originals[name] = _MISSING
        given = {
            name: _MISSING if originals[name] is _MISSING else module
            for name, module in self._modules.items()
        }
        self._exchange(given, originals)
        self._attributes.clear()

    def _enter_package(self, package: ModuleType) -> None:
        with self._lock:
            if self._active:
                for name, module in self._modules.items():
                    self._set(package, name.rpartition(".")[2], module)

    def _enter_models(self, models: ModuleType) -> None:
        with self._lock:
            owner = getattr(models, "EntropyModel", None)
            if not self._active or owner is None:
                return
            for name, wrap in self._methods.items():
                if name in vars(owner):
                    self._set(owner, name, wrap(vars(owner)[name]))

    def _set(self, owner: Any, name: str, value: object) -> None:  # noqa: ANN401 - module or class
        self._attributes.append((owner, name, vars(owner).get(name, _MISSING), value))
        setattr(owner, name, value)


def _new_module(name: str, names: Mapping[str, object]) -> ModuleType:
    module = ModuleType(name, f"Stands in for {name}.")
    module.__spec__ = ModuleSpec(name, None, origin=__name__)
    module.__package__ = name.rpartition(".")[0]
    vars(module).update(names)
    return module


def _loaded_modules(exclude: Sequence[object]) -> list[ModuleType]:
    loaded: list[tuple[str, Any]] = list(sys.modules.items())
    return [
        module
        for name, module in loaded
        if (name == _PACKAGE or name.startswith(_PACKAGE + "."))
        and isinstance(module, ModuleType)
        and not any(module is other for other in exclude)
    ]


class _Finder(MetaPathFinder):
    """Calls back after a module was loaded, by whatever finder comes next."""

    def __init__(self, after: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._after = after

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._after:
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self._after[fullname])
                return spec
        return None


class _Loader(Loader):
    """Another loader, with a call after it; leaves no trace in the module."""

    def __init__(self, loader: Loader, after: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._after = after

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._after(module)

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)
