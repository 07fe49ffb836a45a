"""The sandbox as an ASGI application."""

import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from sandbox import api, console, control, oauth, reading
from sandbox.push import Pusher
from sandbox.settings import Settings
from sandbox.smtp import Catcher
from sandbox.world import World


def create(settings: Settings, smtp: socket.socket | None = None) -> Starlette:
    """One application owns its data folder. While its lifespan lasts its pushes go out, and letters come in at `smtp`."""
    world = World(settings)
    pusher, catcher = Pusher(world), Catcher(world, smtp)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await pusher.start()
        await catcher.start()
        gc.freeze()
        yield
        await catcher.stop()
        await pusher.stop()
        world.store.close()

    app = Starlette(routes=[*api.routes(), *oauth.routes(), *control.routes(), *console.routes(), *reading.routes()], lifespan=lifespan)
    app.state.world, app.state.pusher, app.state.catcher = world, pusher, catcher
    return app
