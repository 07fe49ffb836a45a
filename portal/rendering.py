"""Templates into pages. Everything is escaped unless this module says otherwise."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from portal import times
from portal.links import straight

HERE = Path(__file__).parent
STATIC = HERE / "static"


def render(template: str, status: int = 200, /, **facts: Any) -> Response:
    return HTMLResponse(TEMPLATES.get_template(template).render(facts), status)


@jinja2.pass_context
def moment(context: jinja2.runtime.Context, at: datetime) -> Markup:
    """A moment as people read it, with the exact one for machines and on hover."""
    zone = context["zone"]
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), times.full(at, zone), times.short(at, context["now"], zone)
    )


def in_zone(show: Callable[..., str]) -> Callable[..., str]:
    """A filter that shows its moments in the reader's zone. A macro that uses it is imported `with context`."""

    @jinja2.pass_context
    def shown(context: jinja2.runtime.Context, *moments: datetime) -> str:
        return show(*moments, context["zone"])

    return shown


def size(count: int) -> str:
    """`340 bytes` · `12 KB` · `3.4 MB`"""
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 mail` · `2 mails`"""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: list[str], joint: str = "and") -> str:
    """`a` · `a and b` · `a, b and c`"""
    return f" {joint} ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))


def version_of(file: Path) -> str:
    """What stands in the address of a static file: another content, another address."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": moment,
        "full": in_zone(times.full),
        "day": in_zone(times.day),
        "hour": in_zone(times.hour),
        "span": in_zone(times.span),
        "clock": in_zone(times.clock),
        "size": size,
        "counted": counted,
        "listed": listed,
        "straight": straight,
    }
    for name, file in (
        ("style_version", "postroom.css"),
        ("htmx_version", "htmx.min.js"),
        ("keys_version", "keys.js"),
        ("zone_version", "zone.js"),
    ):
        made.globals[name] = version_of(STATIC / file)
    return made


TEMPLATES = _templates()
