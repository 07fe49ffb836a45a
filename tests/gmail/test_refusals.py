"""Words of the token endpoint that google-auth keeps from us today, read all the same."""

from gmail.errors import AccessRevoked
from gmail.refusals import token_trouble


def test_an_end_of_session_is_told_apart_from_a_dead_grant() -> None:
    for answer in ({"error": "invalid_grant", "error_subtype": "invalid_rapt"}, {"error": "rapt_required"}):
        trouble = token_trouble(answer)
        assert isinstance(trouble, AccessRevoked)
        assert trouble.because == "invalid_rapt"
