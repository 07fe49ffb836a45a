"""Mail's HTML made safe to show: no scripts, no forms, nothing loaded from elsewhere. Pure; what is kept stays as it came.

Its time can grow with the square of what is given: `cleaner` runs this file as a process of its own, from standard input to output.
"""

import re
import resource
import sys

import nh3

LARGEST = 2_000_000  # characters that are shown
MEMORY = 2**30  # bytes for the process that cleans
LARGEST_SHOWN = 16_000_000  # bytes; cleaning may write more than it reads
LARGEST_PICTURE = 1_000_000  # characters of a picture that the mail itself carries
LINK = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
PICTURE = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]+\Z", re.IGNORECASE)

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
LAYOUT = {"align", "valign", "width", "height", "bgcolor", "border", "cellpadding", "cellspacing", "dir", "lang", "title", "style"}
ATTRIBUTES = {
    "*": LAYOUT,
    "a": {"href"},
    "img": {"src", "alt"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap", "scope"},
    "col": {"span"},
    "font": {"color", "face", "size"},
    "ol": {"start", "type"},
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
SHEET = (
    "html{color-scheme:light}body{margin:0;padding:16px;background:#fff;color:#1c1f23;font:15px/1.5 system-ui,sans-serif;"
    'overflow-wrap:anywhere}img{max-width:100%;height:auto}img:not([src]):is([alt=""],:not([alt])){display:none}table{max-width:100%}'
    "blockquote{margin:0 0 0 8px;padding-left:12px;border-left:2px solid #ccc}pre{white-space:pre-wrap}"
)


def document(body: str) -> str:
    """A whole page for the frame, around a clean body."""
    return f'<!doctype html><html><head><meta charset="utf-8"><style>{SHEET}</style></head><body>{body}</body></html>'


def clean(source: str) -> str:
    """The mail's own words and shape, and nothing that acts."""
    return _CLEANER.clean(source[:LARGEST])


def _kept(tag: str, attribute: str, value: str) -> str | None:
    match tag, attribute:
        case "a", "href":
            return value if LINK.match(value) else None
        case "img", "src":
            return value if len(value) <= LARGEST_PICTURE and PICTURE.match(value) else None
        case _:
            return value


_CLEANER = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=GONE,
    attributes=ATTRIBUTES,
    attribute_filter=_kept,
    filter_style_properties=STYLES,
    url_schemes={"http", "https", "mailto", "tel", "data"},  # data: for pictures only, see `_kept`
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def _main(allowance: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (allowance, allowance))
    if sys.platform == "linux":  # elsewhere the limit is refused, or means something else
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    shown = document(clean(sys.stdin.buffer.read().decode())).encode()
    if len(shown) > LARGEST_SHOWN:
        sys.exit(1)
    sys.stdout.buffer.write(shown)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
