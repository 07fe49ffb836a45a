"""The sample firm: what somebody finds who looks at Postroom for the first time."""

import json
import re
import time

from models import reviews
from models.activities import Activity
from models.client_file import decoded, read
from models.decisions import file_under
from models.directory import Client
from models.firms import User
from models.importing import import_entries
from postroom.samples import FOLDER, PEOPLE, scripted
from tests.builders import a_user
from tests.pipeline.conftest import sandbox_process, stage, workshop  # noqa: F401  # fixtures
from tests.pipeline.stage import Stage

SCRIPT = json.loads((FOLDER / "mails.json").read_text())
OURS = re.compile(r"(?:example\.com|\.test|\.example)$")


async def played(stage: Stage) -> tuple[User, User]:  # noqa: F811
    """Sam and Robin, once all of the script has happened."""
    file = read(decoded((FOLDER / "clients.csv").read_bytes()).text)
    assert file.broken == []
    await import_entries(stage.firm.id, file.entries, stage.clock.moment)
    sam, robin = [await a_user(stage.firm, address, role) for address, _, role in PEOPLE]
    boxes = {user.email: await stage.mailbox(user.email, user=user) for user in (sam, robin)}
    for number, line in enumerate(SCRIPT):
        if "by" in line:
            (asked,) = [one for one in await reviews.everyones(robin, 0, 50) if one.subject == line["subject"]]
            await file_under(robin, asked.seen, (await Client.get(name=line["client"])).id, stage.clock.moment)
        else:
            mail = scripted(line, number, 0, time.time())
            await stage.mail(boxes[mail.mailbox], mail.raw)
            await stage.push(boxes[mail.mailbox])
        stage.wait(seconds=3)
    return sam, robin


async def test_the_queue_shows_all_that_it_can(stage: Stage) -> None:  # noqa: F811
    """Scenarios 55, 59, 66, 67."""
    sam, robin = await played(stage)
    asked = {question.subject: question for question in await reviews.mine(sam, 0, 50)}
    assert set(asked) == {"Q2 numbers, and the lease", "Re: engagement letter"}
    in_doubt = asked["Q2 numbers, and the lease"]
    assert len(in_doubt.candidates) == 3
    assert all(candidate.reasons for candidate in in_doubt.candidates[:2])
    assert asked["Re: engagement letter"].trust == "forged"
    assert [question.kind for question in await reviews.mine(sam, 0, 50, quiet=True)] == ["mass"]
    assert [question.subject for question in await reviews.mine(robin, 0, 50)] == ["Keys for Millpond"]
    reply = await Activity.get(email__subject="Re: The return for this year", how="inherited", status="filed").prefetch_related("client")
    assert reply.client.name == "Example Family Trust"


def test_it_is_plainly_a_sample() -> None:
    told = (FOLDER / "clients.csv").read_text() + (FOLDER / "mails.json").read_text()
    domains = set(re.findall(r"[\w.+-]+@([\w.-]+)", told))
    assert len(domains) > 5
    assert [domain for domain in domains if not OURS.search(domain)] == []


def test_in_later_rounds_each_mail_and_thread_is_another_one() -> None:
    line = next(line for line in SCRIPT if "thread" in line)
    first, later = scripted(line, 3, 0, 1e9).raw, scripted(line, 3, 1, 1e9 + 60).raw
    for header in (b"Message-ID", b"References", b"Subject"):
        said = [re.findall(rb"^" + header + rb": (.+)$", raw, re.MULTILINE) for raw in (first, later)]
        assert [len(each) for each in said] == [1, 1]
        assert said[0] != said[1]
