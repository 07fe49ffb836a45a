"""What the sandbox is told when it starts."""

from dataclasses import dataclass
from pathlib import Path

PUSHER = "gmail-push-invoker@sandbox.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations in seconds, units as in Google's quota page; a limit of 0 means none.

    `push_endpoint` empty: pushes are published to nobody, until `POST /sandbox/subscription` names an endpoint.
    `push_audience` empty: the endpoint itself, as Pub/Sub does. `push_interval`: the least time between two notifications
    of one mailbox; those in between are dropped. `push_backoff`: first and longest wait before a refused push is sent again.
    """

    data: Path
    push_endpoint: str = ""
    push_audience: str = ""
    service_account: str = PUSHER
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"
    project: str = "sandbox"
    seed: int = 1
    user_units: int = 6_000
    project_units: int = 1_200_000
    push_interval: float = 1.0
    push_backoff: tuple[float, float] = (0.1, 60.0)
    push_deadline: float = 10.0
    latency: float = 0.0
