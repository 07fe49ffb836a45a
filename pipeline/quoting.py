"""What the author of a mail wrote, and what only stands below: quoted mail, a signature. Pure."""

import re

LONGEST = 16_000  # characters of a text that are looked at
_REST_IS_QUOTED = re.compile(r"-- ?$|-{2,} ?\w[\w ]{2,40}-{2,}$|_{10,}$|(from|von|de|da): .*@", re.I)
_QUOTES = re.compile(r"(on|am|le|il|el) (?=.*\d).{6,200}:$", re.I)  # "On 3 May 2026 Pat Sample wrote:"
_GOODBYE = re.compile(
    r"(?:(?:with|mit|kind|kindest|best|warm|many|all|viele|liebe|beste|herzliche|freundlichen?|besten)[ ,]+){0,3}"
    r"(?:regards|wishes|gr(?:ü|ue)(?:ß|ss)en?|gru(?:ß|ss)|yours(?: \w+)?|sincerely(?: yours)?|cheers|mfg|cordialement|cordiali saluti)"
    r"(?:[ ,]+[\w .]{0,30})?[,.!]?$",
    re.I,
)


def own_and_quoted(text: str) -> tuple[str, str]:
    """The author's own words, and the rest: quoted lines, what stands below "Original message", the signature."""
    own, quoted = list[str](), list[str]()
    lines, signs = text[:LONGEST].split("\n"), False
    for at, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith(">"):
            quoted.append(bare.lstrip("> "))
            signs = False  # what follows below a quotation is the author's again
        elif _REST_IS_QUOTED.match(bare) or (_QUOTES.match(bare) and not _marked(lines[at + 1 :])):
            return "\n".join(own), "\n".join([*quoted, *lines[at + 1 :]])
        elif not _QUOTES.match(bare):
            (quoted if signs else own).append(line)
            signs = signs or bool(_GOODBYE.match(bare))
    return "\n".join(own), "\n".join(quoted)


def _marked(lines: list[str]) -> bool:
    """Whether the quotation that begins here has marks; without them all the rest is quoted."""
    return next((line.lstrip().startswith(">") for line in lines if line.strip()), False)
