"""Loads the prebuilt AWS provider service by service instead of all 2212 services at once.

The provider's generated index, in Python and again in Node, is nothing but a list of imports.
`install()` replaces both lists by imports on first use: about 1 s of CPU instead of 16 s. The
package itself stays untouched, so type checkers see the real one.

It works for the bindings of `cdktf` and for those of its fork `cdktn`; `c4.cdk` says which, and
calls it before anything imports the library, which starts Node. Everything that belongs to it is
in this folder: `kernel_hook.cjs` for the Node process of jsii, `cdktf_command.cjs` for the cdktf
command, and `environment` with what synthesis wants of the process besides.
`tests/synth/test_lazy_provider.py` proves that the output is the same byte for byte.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

NODE_HOOK: Final = Path(__file__).with_name("kernel_hook.cjs")


def install(provider: str, *, library: str) -> None:
    """Make both indexes of the package `provider` lazy; idempotent.

    `library` is the CDK's own package, whose import starts Node. Raises `RuntimeError` when it
    comes too late, and `ModuleNotFoundError` when a package is not installed.
    """
    if isinstance(sys.modules.get(provider), _LazyPackage):
        return
    if provider in sys.modules or library in sys.modules:
        raise RuntimeError(
            f"lazy_provider.install() must run before {library} or {provider} is imported"
        )
    specs = {name: importlib.util.find_spec(name) for name in (library, provider)}
    if missing := [name for name, spec in specs.items() if spec is None]:
        raise ModuleNotFoundError(
            f"not installed: {', '.join(missing)}; run `make setup`", name=missing[0]
        )
    spec = specs[provider]
    assert spec is not None
    package = _LazyPackage(provider)
    package.__spec__ = spec
    package.__loader__ = spec.loader
    package.__file__ = spec.origin
    package.__package__ = provider
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[provider] = package
    _preload_node_hook()


class _LazyPackage(ModuleType):
    """The provider package, whose services are imported when first asked for."""

    def __getattr__(self, name: str) -> ModuleType:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            return importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module {self.__name__!r} has no service {name!r}") from error


def _preload_node_hook() -> None:
    """Have the Node process that jsii starts load the hook; it inherits our environment."""
    path = str(NODE_HOOK).replace("\\", "\\\\").replace('"', '\\"')
    hook = f'--require "{path}"'
    options = os.environ.get("NODE_OPTIONS", "")
    if hook not in options:
        os.environ["NODE_OPTIONS"] = f"{options} {hook}".strip()
