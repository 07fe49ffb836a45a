"""Letters that a mail client sends to the sandbox: where they lie, how they are read, and what goes wrong on purpose."""

import asyncio
import email.policy
import smtplib
import socket
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
import requests
import uvicorn
from bs4 import BeautifulSoup

from sandbox.app import create
from sandbox.letters import KEPT
from sandbox.settings import Settings
from tests.sandbox.endpoint import Endpoint
from tests.sandbox.person import Person
from tests.sandbox_server import SandboxRefused, SandboxServer

SENDER = "postroom@sample.test"
BUTTON = '<p>Grüße.</p><p><a href="http://127.0.0.1:9/reconnect">Reconnect</a></p>'


def a_letter(*to: str, subject: str = "Ihr Gmail ruht – bitte öffnen", html: str = BUTTON, **headers: str) -> EmailMessage:
    letter = EmailMessage(policy=email.policy.SMTP)
    letter["From"], letter["To"], letter["Subject"] = f"Pöstroom <{SENDER}>", ", ".join(to), subject
    for name, value in headers.items():
        letter[name.replace("_", "-")] = value
    letter.set_content("Grüße.\n.\nReconnect: http://127.0.0.1:9/reconnect\n")
    if html:
        letter.add_alternative(html, subtype="html")
    return letter


def send(google: SandboxServer, letter: EmailMessage, sender: str = SENDER) -> None:
    """Raises what smtplib raises."""
    with smtplib.SMTP("127.0.0.1", google.smtp_port, timeout=5) as post:
        post.send_message(letter, sender)


def test_a_letter_lies_in_the_mailbox_and_is_pushed(anna: Person, endpoint: Endpoint) -> None:
    anna.watch()
    endpoint.wait_for(1)
    anna.google.clock(2)
    send(anna.google, a_letter("Anna@firm.test", Message_ID="<1@sample.test>"))
    assert endpoint.wait_for(2)[1].data["historyId"] == int(anna.head())
    (id,) = anna.found("in:inbox is:unread")
    headers = [(header["name"], header["value"]) for header in anna.get(id)["payload"]["headers"]]
    assert headers[:2] == [("Delivered-To", "Anna@firm.test"), ("Return-Path", f"<{SENDER}>")]
    assert ("Message-ID", "<1@sample.test>") in headers


def test_a_letter_is_told_as_a_reader_sees_it(google: SandboxServer) -> None:
    send(google, a_letter("anna@firm.test", Message_ID="<1@sample.test>"))
    (told,) = google.letters()
    assert (told["to"], told["from"], told["sender"]) == ("anna@firm.test", f"Pöstroom <{SENDER}>", SENDER)
    assert told["subject"] == told["headers"]["Subject"] == "Ihr Gmail ruht – bitte öffnen"
    assert told["text"] == "Grüße.\n.\nReconnect: http://127.0.0.1:9/reconnect\n"
    assert told["html"].strip() == BUTTON
    assert told["headers"]["Message-ID"] == "<1@sample.test>"
    assert 0 <= google.state()["now"] - told["at"] < 60_000


def test_a_letter_can_be_had_as_it_travelled(google: SandboxServer) -> None:
    letter = a_letter("anna@firm.test", html="")
    send(google, letter)
    number = google.letters()[0]["number"]
    assert requests.get(f"{google.url}/sandbox/letters/{number}", timeout=5).content == letter.as_bytes()
    assert requests.get(f"{google.url}/sandbox/letters/99", timeout=5).status_code == 404


def test_each_recipient_has_a_letter_and_nobodys_is_lost(google: SandboxServer) -> None:
    google.account("anna@firm.test", aliases=["Info@firm.test"])
    send(google, a_letter("info@firm.test", "stranger@client.test"))
    assert [(told["to"], told["elsewhere"]) for told in google.letters()] == [("info@firm.test", False), ("stranger@client.test", True)]
    assert [told["elsewhere"] for told in google.letters("Stranger@client.test")] == [True]
    assert len(google.state()["accounts"]["anna@firm.test"]["messages"]) == 1


def test_a_letter_without_html_or_sender_is_taken_too(google: SandboxServer) -> None:
    send(google, a_letter("anna@firm.test", html=""), sender="<>")
    (told,) = google.letters()
    assert (told["sender"], told["html"], told["text"][:6]) == ("", "", "Grüße.")


async def test_letters_are_forgotten_on_order_and_mails_are_not(google: SandboxServer) -> None:
    google.account("anna@firm.test")
    send(google, a_letter("anna@firm.test"))
    assert len(await google.aio.letters("anna@firm.test")) == 1
    assert await google.aio.forget_letters() == {"forgotten": 1}
    assert google.letters() == []
    assert len(google.state()["accounts"]["anna@firm.test"]["messages"]) == 1


def test_letters_outlive_a_kill_and_the_port_stays(tmp_path: Path) -> None:
    with SandboxServer(tmp_path, smtp=True) as google:
        send(google, a_letter("anna@firm.test"))
        before, port = google.letters(), google.smtp_port
        google.kill()
        google.restart()
        send(google, a_letter("anna@firm.test"))
        after = google.letters()
        assert (after[:1], google.smtp_port) == (before, port)
        assert after[1]["number"] == before[0]["number"] + 1


def test_the_oldest_letters_make_room(google: SandboxServer) -> None:
    with smtplib.SMTP("127.0.0.1", google.smtp_port, timeout=5) as post:
        for start in range(0, KEPT + 10, 100):  # as many recipients as one envelope has
            post.sendmail(SENDER, [f"a{n}@firm.test" for n in range(start, min(start + 100, KEPT + 10))], b"Subject: x\r\n\r\nx\r\n")
    kept = google.letters()
    assert (len(kept), kept[0]["to"], kept[-1]["to"]) == (KEPT, "a10@firm.test", f"a{KEPT + 9}@firm.test")


@pytest.mark.parametrize("code", [451, 550])
def test_a_recipient_is_refused_as_often_as_it_was_ordered(google: SandboxServer, code: int) -> None:
    google.account("anna@firm.test")
    google.fault("smtp_refuses", code=code, message="No such luck", mailbox="anna@firm.test", count=1)
    send(google, a_letter("bert@firm.test"))
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(google, a_letter("anna@firm.test"))
    assert refused.value.recipients == {"anna@firm.test": (code, b"No such luck")}
    send(google, a_letter("anna@firm.test"))
    assert [told["to"] for told in google.letters()] == ["bert@firm.test", "anna@firm.test"]


def test_a_server_that_is_down_hangs_up_at_once_as_often_as_it_was_ordered(google: SandboxServer) -> None:
    google.fault("smtp_down", count=2)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(google, a_letter("anna@firm.test"))
    send(google, a_letter("anna@firm.test"))
    assert len(google.letters()) == 1
    assert google.state()["faults"] == []


def test_a_letter_may_be_taken_without_a_word(google: SandboxServer) -> None:
    google.fault("smtp_unanswered", count=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(google, a_letter("anna@firm.test"))
    assert len(google.letters()) == 1
    send(google, a_letter("anna@firm.test"))
    assert len(google.letters()) == 2


def test_a_slow_server_takes_its_time(google: SandboxServer) -> None:
    google.fault("timeout", method="smtp", s=0.15, count=1)
    began = time.monotonic()
    send(google, a_letter("anna@firm.test"))
    assert time.monotonic() - began >= 0.15
    assert len(google.letters()) == 1


def test_a_refusal_needs_a_code(google: SandboxServer) -> None:
    with pytest.raises(SandboxRefused):
        google.fault("smtp_refuses")


def page(google: SandboxServer, path: str) -> BeautifulSoup:
    answer = requests.get(google.url + path, timeout=5)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return BeautifulSoup(answer.text, "html.parser")


def test_a_person_finds_a_letter_in_the_console_and_its_button_opens_in_the_window(google: SandboxServer) -> None:
    send(google, a_letter("anna@firm.test", html=BUTTON + "<script>evil()</script>"))
    send(google, a_letter("anna@firm.test", subject="Later <one>", html=""))
    links = [link for link in page(google, "/").find_all("a") if "/letters/" in str(link["href"])]
    assert [link.get_text() for link in links] == ["Later <one>", "Ihr Gmail ruht – bitte öffnen"]
    shown = page(google, str(links[1]["href"]))
    (frame,) = shown.find_all("iframe")
    allowed = " ".join(frame.get_attribute_list("sandbox")).split()
    assert "allow-top-navigation-by-user-activation" in allowed
    assert not {"allow-scripts", "allow-same-origin", "allow-forms"} & set(allowed)
    framed = BeautifulSoup(str(frame["srcdoc"]), "html.parser")
    assert framed.find_all("base", target="_top")
    assert framed.find_all("a", href="http://127.0.0.1:9/reconnect")
    assert "Reconnect: http://127.0.0.1:9/reconnect" in shown.find_all("pre")[0].get_text()
    assert not page(google, str(links[0]["href"])).find_all("iframe")


def test_a_person_reads_a_mailbox_in_the_console(google: SandboxServer) -> None:
    google.account("anna@firm.test")
    send(google, a_letter("anna@firm.test"))
    (place,) = [str(link["href"]) for link in page(google, "/").find_all("a") if link.get_text() == "anna@firm.test"]
    (mail,) = [link for link in page(google, place).find_all("a") if link.get_text().startswith("Ihr Gmail ruht")]
    assert "Reconnect" in page(google, str(mail["href"])).find_all("iframe")[0]["srcdoc"]
    assert requests.get(f"{google.url}{place}/123", timeout=5).status_code == 404


def test_without_an_address_for_letters_it_takes_none(tmp_path: Path) -> None:
    with SandboxServer(tmp_path) as google:
        assert google.smtp_port == 0
        assert "start with --smtp-bind" in page(google, "/").get_text()


async def test_a_conversation_under_way_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as post:
        server = uvicorn.Server(uvicorn.Config(create(Settings(tmp_path), post), log_config=None))
        serving = asyncio.create_task(server._serve([web]))
        reader, writer = await asyncio.open_connection(*post.getsockname())
        assert (await reader.readline()).startswith(b"220 mx.sandbox.test")
        server.should_exit = True
        await serving
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
