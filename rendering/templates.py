"""The Jinja environment of synth time.

Its delimiters differ from Jinja's usual ones because the files that it renders keep
`{{ }}` for cloud-init and consul-template, which read them later on the instance.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import jinja2

from common import kamailio, paths, ports

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# What every template may use beside its context: `<%= paths.KAMAILIO %>`, `<%= ports.SIP %>`.
GLOBALS: Final[dict[str, ModuleType]] = {"kamailio": kamailio, "paths": paths, "ports": ports}
ROOT = Path(__file__).resolve().parent.parent


@cache
def environment() -> jinja2.Environment:
    """Templates by path from the repository root; an undefined variable is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT),
        undefined=jinja2.StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<%=",
        variable_end_string="%>",
        comment_start_string="<%#",
        comment_end_string="%>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is configuration text, not HTML
    )
    made.globals.update(GLOBALS)
    return made


def render(template: str, context: DataclassInstance | None = None) -> str:
    """Text of `template` (path from the repository root, e.g. `kamailio/sbc.cfg.j2`).

    The variables are the fields of `context`, a dataclass instance, and `GLOBALS`. Raises
    `jinja2.TemplateNotFound`, `jinja2.TemplateSyntaxError` or `jinja2.UndefinedError`.
    """
    if context is not None and not is_dataclass(context):
        raise TypeError(f"context: {type(context).__name__} must be a dataclass instance")
    variables = {f.name: getattr(context, f.name) for f in fields(context)} if context else {}
    return environment().get_template(template).render(variables)
