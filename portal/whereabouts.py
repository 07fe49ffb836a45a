"""The activity that an address names; or, when its mail was moved, where that is now."""

from models.activities import Activity
from portal.refusals import NotHere
from portal.visit import Visit


async def here_or_moved(visit: Visit) -> Activity | int:
    """The activity; or the id of the one under which its mail is shown now. Raises `NotHere`."""
    if activity := await Activity.one(visit.user, visit.id):
        return activity
    if elsewhere := await Activity.instead_of(visit.user, visit.id):
        return elsewhere
    raise NotHere
