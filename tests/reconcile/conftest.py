"""The stage of the pipeline's tests serves here, too."""

from typing import TYPE_CHECKING

import pytest

from tests.builders import a_client
from tests.pipeline.conftest import sandbox_process, stage, workshop

if TYPE_CHECKING:  # as there
    from tests.pipeline.stage import Stage
    from tests.reconcile.desk import Desk

__all__ = ["desk", "sandbox_process", "stage", "workshop"]


@pytest.fixture
async def desk(stage: "Stage") -> "Desk":
    from tests.reconcile.desk import Desk

    desk = Desk(stage, await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example"))
    await desk.an_hour_passes()
    return desk
