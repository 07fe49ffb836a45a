"""What Google's methods cost, in quota units (docs/google.md#quotas)."""

UNITS = {
    "getProfile": 1,
    "watch": 100,
    "stop": 50,
    "history.list": 2,
    "messages.list": 5,
    "messages.get": 20,
    "messages.attachments.get": 20,
    "threads.get": 40,
    "settings.sendAs.list": 1,
}


def units_of(method: str) -> int:
    """`method` is as in Google's reference, `messages.get`; what is not Gmail's costs nothing."""
    return UNITS.get(method, 0)
