"""Words: a letter's template, filled in and read. A template is plain text (docs/letters.md shows all of its marks):

    Subject: Gmail for {{ address }} is disconnected

    **Nothing is lost.** A paragraph ends
    with an empty line.

    - a list

    [The button]

    ---
    What stands below is small print.

What a letter tells of people and firms is escaped before the marks are read: a name can make neither a paragraph nor a button, and no HTML.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any, Literal

import jinja2
from jinja2.ext import Extension
from markupsafe import Markup, escape

from letters.facts import Facts

OURS = Path(__file__).parent / "templates"
BUTTON = re.compile(r"\[([^\[\]]+)\]")
BOLD = re.compile(r"\*\*(.+?)\*\*")
TAG_ALONE = re.compile(r"\s*(?:(?:\{%(?!.*\binclude\b)(?:(?!%\}).)*%\}|\{#(?:(?!#\}).)*#\})\s*)+")


class Broken(Exception):
    """A template that cannot be filled in; the text says which, where and why."""

    def __init__(self, file: str, line: int, because: str) -> None:
        super().__init__(f"{file}, line {line}: {because}")
        self.file, self.line, self.because = file, line, because


@dataclass(frozen=True, slots=True)
class Block:
    """`lines` are escaped for HTML: one, or those of a list."""

    kind: Literal["paragraph", "list", "button"]
    lines: tuple[Markup, ...]
    small: bool


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    blocks: tuple[Block, ...]


def words(kind: str, facts: Facts, folder: str = "") -> Words:
    """Of the file KIND.txt in `folder` (`mail.templates`), or of ours. Raises `Broken`."""
    file, text = filled(f"{kind}.txt", facts, folder)
    first, _, body = text.strip().partition("\n")
    mark, _, subject = first.partition("Subject:")
    if mark or not subject.strip():
        raise Broken(file, 1, "the first line is not “Subject: …”")
    read = Words(plain(subject.strip()), tuple(_blocks(body)))
    if [block.kind for block in read.blocks].count("button") != 1:
        raise Broken(file, 1, "a letter has one button: a line with its words in square brackets")
    return read


def filled(name: str, facts: Facts, folder: str = "") -> tuple[str, str]:
    """The path of a template, and what became of it. Raises `Broken`."""
    file = name
    try:
        template = _templates(folder).get_template(name)
        file = template.filename or name
        return file, template.render(facts)
    except jinja2.TemplateSyntaxError as error:
        raise Broken(error.filename or error.name or file, error.lineno, error.message or "it cannot be read") from error
    except jinja2.TemplateNotFound as error:
        raise Broken(file, _line(error, file), f"there is no file {error.name}") from error
    except UnicodeDecodeError as error:
        raise Broken(name, error.object.count(b"\n", 0, error.start) + 1, "it is not written in UTF-8") from error
    except Exception as error:  # a template may do anything
        inner = _innermost(error, file)
        raise Broken(inner, _line(error, inner), str(error)) from error


@lru_cache(maxsize=8)
def _templates(folder: str) -> jinja2.Environment:
    folders = [Path(folder), OURS] if folder else [OURS]
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder) for folder in folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_escaped,
        extensions=[Lines],
        cache_size=0,  # a file that is put beside ours counts at once; letters are few
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Lines(Extension):
    """A tag alone on its line leaves no line (that is `trim_blocks`); at the end of a line of words it leaves the line's end, which Jinja
    would take away: two paragraphs would be one."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return "\n".join(
            line + '{{ "" }}' if line.endswith(("%}", "#}")) and not TAG_ALONE.fullmatch(line) else line for line in source.splitlines()
        )


def _escaped(value: Any) -> Any:
    """A fact on one line, in which nothing is a mark of ours: the marks are read after facts are filled in."""
    if hasattr(value, "__html__"):
        return value
    safe = str(escape(in_one_line(str(value)))).replace("*", "&#42;").replace("[", "&#91;")
    return Markup(re.sub("^-", "&#45;", safe))  # noqa: S704  # escaped right above


def in_one_line(text: str) -> str:
    """Without line ends, control characters, and marks that turn the direction of writing."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _blocks(body: str) -> list[Block]:
    blocks, small = list[Block](), False
    for part in re.split(r"\n\s*\n", body.strip()):
        lines = [line.strip() for line in part.split("\n") if line.strip()]
        if lines[:1] == ["---"]:
            small, lines = True, lines[1:]
        if not lines:
            continue
        if len(lines) == 1 and (button := BUTTON.fullmatch(lines[0])):
            blocks.append(Block("button", (Markup(button[1]),), small))  # noqa: S704  # what is rendered is escaped
        elif all(line.startswith("- ") for line in lines):
            blocks.append(Block("list", tuple(_bold(line[2:]) for line in lines), small))
        else:
            blocks.append(Block("paragraph", (_bold(" ".join(lines)),), small))
    return blocks


def _bold(line: str) -> Markup:
    return Markup(BOLD.sub(r"<b>\1</b>", line))  # noqa: S704  # what is rendered is escaped


def plain(line: str) -> str:
    """A line as it reads without HTML."""
    return unescape(re.sub("</?b>", "", line))


def _innermost(error: BaseException, file: str) -> str:
    """The template in which it happened: an included one is not the one that was asked for."""
    trail, inner = error.__traceback__, file
    while trail:
        name = trail.tb_frame.f_code.co_filename
        inner, trail = name if name.endswith((".txt", ".html")) else inner, trail.tb_next
    return inner


def _line(error: BaseException, file: str) -> int:
    """Jinja's tracebacks name the lines of templates."""
    trail, line = error.__traceback__, 1
    while trail:
        line, trail = trail.tb_lineno if trail.tb_frame.f_code.co_filename == file else line, trail.tb_next
    return line
