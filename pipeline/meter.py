"""What this process spends of the project's quota: added up here, told to the database now and then."""

from datetime import datetime, timedelta

from gmail.units import units_of
from models.database import DATABASE_TROUBLE
from models.project import Budget, spend
from telemetry.logs import fault

TELL_EVERY = timedelta(seconds=2)  # a row that all processes write
FREE = (401, 403, 429)  # refused before anything was done; quota refusals come as 403 too


class Meter:
    def __init__(self, budget: Budget) -> None:
        self._budget, self._untold, self._told_at = budget, 0, None  # type: Budget, int, datetime | None

    def count(self, method: str, status: int | str) -> None:
        """`method` is as in Google's reference."""
        self._untold += charged(method, status)

    async def tell(self, now: datetime, *, last: bool = False) -> None:
        """Adds it to the project's row, at most every two seconds; `last`: at once, since this process ends. While the database is away it
        is kept."""
        if not self._untold or (self._told_at and now < self._told_at + TELL_EVERY and not last):
            return
        units, self._untold, self._told_at = self._untold, 0, now
        try:
            await spend(units, self._budget, now)
        except BaseException as error:
            self._untold += units
            if not isinstance(error, DATABASE_TROUBLE):
                raise
            fault("units not told", error)


def charged(method: str, status: int | str) -> int:
    """Units that Google counts for a call that it answered so."""
    return 0 if status in FREE else units_of(method)
