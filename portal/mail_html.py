"""Mail's HTML made safe to show: no scripts, no forms, nothing loaded from elsewhere unless asked for. Pure; what is kept stays as it came.

nh3 cleans, and what is written afterwards between its pieces is ours: where links lead, and what folds the quoted history.
Its time can grow with the square of what is given: `cleaner` runs this module in a process of its own, from standard input to output.
"""

import json
import re
import resource
import sys
from collections.abc import Mapping
from urllib.parse import unquote

import nh3

from portal import link_marks, quoted_html
from portal.links import link_of
from portal.markup import pieces

LARGEST = 2_000_000  # characters that are shown
MEMORY = 2**30  # bytes for the process that cleans
LARGEST_SHOWN = 16_000_000  # bytes; cleaning may write more than it reads
LARGEST_PICTURE = 1_000_000  # characters of a picture that the mail's HTML itself carries
MOST_PICTURES = 11_000_000  # characters of all pictures that came with the mail, as they are written into the page
PICTURE = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]+\Z", re.IGNORECASE)
REMOTE = re.compile(r"\s*(?:https?:)?[/\\]{2}([^\s/\\].*)\Z", re.IGNORECASE | re.DOTALL)
_ELSEWHERE = re.compile(r"\bsrc\s{0,9}=\s{0,9}[\"']?\s{0,9}(?:https?:)?[/\\]{2}", re.IGNORECASE)

TAGS = nh3.ALLOWED_TAGS - {"area", "map"} | {"address", "big", "font", "main", "section", "tt"}
GONE = {
    "script",
    "style",
    "title",
    "head",
    "template",
    "noscript",
    "iframe",
    "object",
    "embed",
    "svg",
    "math",
    "select",
    "textarea",
    "button",
}
LAYOUT = {"align", "valign", "width", "height", "bgcolor", "border", "cellpadding", "cellspacing", "dir", "lang", "style"}
ATTRIBUTES = {
    "*": LAYOUT,
    "a": {"href"},
    "img": {"src", "alt"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap", "scope"},
    "col": {"span"},
    "font": {"color", "face", "size"},
    "ol": {"start", "type"},
    "div": {"id", "name"},  # as mail programs mark what is quoted; see `_kept`
    "blockquote": {"type"},
}
# No property that takes an address, and none that lifts a box out of its place.
# fmt: off
STYLES = {
    "color", "background-color", "font", "font-family", "font-size", "font-style", "font-weight", "letter-spacing", "line-height",
    "direction", "text-align",
    "text-decoration", "text-indent", "text-transform", "vertical-align", "white-space", "word-break", "list-style-type",
    "border", "border-top", "border-right", "border-bottom", "border-left", "border-color", "border-style", "border-width", "border-radius",
    "border-collapse", "border-spacing", "margin", "margin-top", "margin-right", "margin-bottom", "margin-left", "padding", "padding-top",
    "padding-right", "padding-bottom", "padding-left", "display", "width", "min-width", "max-width", "height",
}
# fmt: on
# What is ours wears classes that no sender can give, and nothing of what stands around it.
SHEET = """
html{color-scheme:light}
body{margin:0;padding:16px;background:#fff;color:#1c1f23;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
img{max-width:100%;height:auto}
img:not([src]){padding:1px 6px;border:1px dashed #b9b4a6;border-radius:4px;color:#5d6570;font:13px/1.5 system-ui,sans-serif}
img:not([src]):is([alt=""],:not([alt])){display:none}
table{max-width:100%}
a{unicode-bidi:isolate}
blockquote{margin:0 0 0 8px;padding-left:12px;border-left:2px solid #ccc}
pre{white-space:pre-wrap}
.postroom-leads{all:initial;position:relative;z-index:1;direction:ltr;unicode-bidi:isolate;display:inline-block;max-width:100%;
margin:0 4px;padding:0 6px;border-radius:6px;background:#fff3d1;color:#704100;font:13px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
.postroom-earlier{margin:12px 0}
.postroom-earlier>summary{all:initial;display:list-item;list-style:disclosure-closed inside;width:fit-content;padding:8px 12px;
border-radius:8px;background:#f3f1ea;color:#5d6570;font:14px/1.5 system-ui,sans-serif;cursor:pointer}
.postroom-earlier[open]>summary{list-style-type:disclosure-open}
.postroom-earlier>summary:focus-visible{outline:3px solid #1f5fbf}
"""


def document(body: str) -> str:
    """A whole page for the frame, around a clean body."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><style>{SHEET}</style>'
    return f'<!doctype html><html lang=""><head><title>A mail</title>{head}</head><body>{body}</body></html>'


def clean(source: str, inline: Mapping[str, str] | None = None, *, remote: bool = False) -> str:
    """The mail's own words and shape, and nothing that acts. `inline`: pictures that came with it, as data: addresses, by their content
    id. `remote`: pictures from elsewhere are shown."""
    found = list(pieces(_cleaner(_Pictures(inline or {}, remote)).clean(source[:LARGEST])))
    marked, folds = link_marks.marked(found), quoted_html.folds(found)
    return "".join(folds.get(at, "") + text for at, text in enumerate([*marked, ""]))


def has_remote_pictures(source: str) -> bool:
    """Whether it is worth offering to show them; rather yes than no."""
    return "<img" in source.lower() and _ELSEWHERE.search(source) is not None


class _Pictures:
    """Which address of a picture is written into the page."""

    def __init__(self, inline: Mapping[str, str], remote: bool) -> None:
        self._inline, self._remote, self._left = inline, remote, MOST_PICTURES

    def shown(self, address: str) -> str | None:
        if address[:4].lower() == "cid:":
            return self._came_along(unquote(address[4:]).strip("<> "))
        if self._remote and (elsewhere := REMOTE.match(address)):
            return f"https://{elsewhere[1]}"
        return address if len(address) <= LARGEST_PICTURE and PICTURE.match(address) else None

    def _came_along(self, content_id: str) -> str | None:
        """Each time it is shown it is written, and a mail may show it a thousand times."""
        picture = self._inline.get(content_id)
        if picture is None or len(picture) > self._left:
            return None
        self._left -= len(picture)
        return picture


def _cleaner(pictures: _Pictures) -> nh3.Cleaner:
    def kept(tag: str, attribute: str, value: str) -> str | None:
        match tag, attribute:
            case "a", "href":
                link = link_of(value)
                return link.address if link else None
            case "img", "src":
                return pictures.shown(value)
            case "div", "id":
                return value if value in quoted_html.HEADS else None
            case "div", "name":
                return value if value == "quote" else None
            case "blockquote", "type":
                return value if value == "cite" else None
        return value

    return nh3.Cleaner(
        tags=TAGS,
        clean_content_tags=GONE,
        attributes=ATTRIBUTES,
        attribute_filter=kept,
        filter_style_properties=STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},  # cid: and data: for pictures only, see `_Pictures`
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes=quoted_html.CLASSES,
    )


def main() -> None:
    """`{"html": …, "inline": {…}, "remote": …}` to a document. The seconds that it may take are the last argument."""
    allowance = int(sys.argv[-1])
    resource.setrlimit(resource.RLIMIT_CPU, (allowance, allowance))
    if sys.platform == "linux":  # elsewhere the limit is refused, or means something else
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    asked = json.loads(sys.stdin.buffer.read())
    shown = document(clean(asked["html"], asked["inline"], remote=asked["remote"])).encode()
    if len(shown) > LARGEST_SHOWN:
        sys.exit(1)
    sys.stdout.buffer.write(shown)
