"""The sandbox as an ASGI application."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from sandbox import api, console, control, oauth
from sandbox.push import Pusher
from sandbox.settings import Settings
from sandbox.world import World


def create(settings: Settings) -> Starlette:
    """One application owns its data folder; its pushes go out while its lifespan lasts."""
    world = World(settings)
    pusher = Pusher(world)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await pusher.start()
        gc.freeze()
        yield
        await pusher.stop()
        world.store.close()

    app = Starlette(routes=[*api.routes(), *oauth.routes(), *control.routes(), *console.routes()], lifespan=lifespan)
    app.state.world, app.state.pusher = world, pusher
    return app
