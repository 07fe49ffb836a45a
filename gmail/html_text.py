"""The text of an HTML mail, for mail that has no other. A scanner of its own: linear on hostile input, where html.parser is not."""

import html
import re

LARGEST_HTML = 2 * 1024 * 1024  # characters that are looked at

BREAKS = {"br", "p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "hr", "pre", "section", "article", "header", "footer"}
BREAKS |= {"h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "center", "form", "address", "figure", "main", "nav", "aside", "tbody", "thead"}
CELLS = {"td", "th"}
SILENT = {"script", "style", "head", "title", "template", "svg", "object", "iframe", "select", "textarea"}

_MARKUP = re.compile(r"<[a-zA-Z/!?]")
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]{0,60})")
_STOP = re.compile(r"[>\"']")
_MANY_DIGITS = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")  # html.unescape raises on thousands of digits


def text_of_html(source: str) -> str:
    """Readable text: no tags, no scripts, blocks on lines of their own. Never raises."""
    return _tidy("".join(_Scan(source[:LARGEST_HTML]).run()))


class _Scan:
    def __init__(self, source: str) -> None:
        self.source, self.at, self.out = source, 0, list[str]()
        self.hopeless: set[str] = set()  # ends that do not come any more: not sought again

    def run(self) -> list[str]:
        while start := _MARKUP.search(self.source, self.at):
            self._say(self.source[self.at : start.start()])
            self.at = start.start()
            self._markup()
        self._say(self.source[self.at :])
        return self.out

    def _say(self, text: str) -> None:
        self.out.append(re.sub(r"[ \t\r\n\f]+", " ", text))

    def _markup(self) -> None:
        if self.source.startswith("<!--", self.at):
            self.at = self._after("-->", self.at + 4)
        elif self.source.startswith(("<!", "<?"), self.at):
            self.at = self._after(">", self.at)
        elif tag := _TAG.match(self.source, self.at):
            self._tag(tag[1].lower(), closes=self.source[self.at + 1] == "/", end=tag.end())
        else:
            self.out.append("<")
            self.at += 1

    def _tag(self, name: str, *, closes: bool, end: int) -> None:
        self.at = self._tag_end(end)
        if name in BREAKS:
            self.out.append("\n- " if name == "li" and not closes else "\n\n" if name == "p" else "\n")
        elif name in CELLS:
            self.out.append(" ")
        elif name in SILENT and not closes and self.source[self.at - 2 : self.at] != "/>":
            self._skip(name)

    def _skip(self, name: str) -> None:
        """To the end of an element that shows nothing. A `head` that is never closed hides no body."""
        if name in self.hopeless:
            return
        closing = re.compile(rf"</{name}[\s>/]", re.IGNORECASE).search(self.source, self.at)
        if closing:
            self.at = self._after(">", closing.start())
        elif name in ("script", "style"):
            self.at = len(self.source)
        else:
            self.hopeless.add(name)

    def _after(self, mark: str, start: int) -> int:
        """Behind the next `mark`; what is never closed runs to the end, as browsers have it."""
        found = self.source.find(mark, start)
        return found + len(mark) if found >= 0 else len(self.source)

    def _tag_end(self, at: int) -> int:
        """Behind the tag's `>`, which is not one within a quoted value."""
        while stop := _STOP.search(self.source, at):
            at = stop.end()
            if stop[0] == ">":
                return at
            if stop[0] in self.hopeless or self.source[stop.start() - 1] not in "= \t\n":
                continue
            close = self.source.find(stop[0], at)
            if close < 0:
                self.hopeless.add(stop[0])
            else:
                at = close + 1
        return len(self.source)


def _tidy(text: str) -> str:
    text = html.unescape(_MANY_DIGITS.sub("\ufffd", text)).replace("\u00a0", " ").replace("\u200b", "").replace("\u00ad", "")
    lines = [line.strip() for line in re.sub(r"[ \t]+", " ", text).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
