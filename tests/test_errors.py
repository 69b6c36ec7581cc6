"""What messages say, and what they leave out."""

from __future__ import annotations

import pytest

from dfa_tune.errors import UserError, without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "--address http://me:secret@10.0.0.1:8265: no answer",
            "--address http://***@10.0.0.1:8265: no answer",
        ),
        ("--address=me:secret@10.0.0.1:6379", "--address=***@10.0.0.1:6379"),
        ("ray://secret@10.0.0.1:10001", "ray://***@10.0.0.1:10001"),
        ("http://me:se@cret@10.0.0.1/", "http://***@10.0.0.1/"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("http://10.0.0.1:8265/ of me@here", "http://10.0.0.1:8265/ of me@here"),
    ],
)
def test_messages_leave_out_the_user_and_password_of_an_address(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
    assert str(UserError(text)) == shown
