"""Answers to calls that change something: one that comes again is answered and does nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from tapewire.store.opening import OpenedStore
from tapewire.store.requests import require_key, require_same
from tapewire.store.schema import answers

#: Days that an answer is kept.
KEPT_DAYS: Final = 30


class AnswersStore(OpenedStore):
    """The part of a store that knows what was answered."""

    def answered_once(
        self, user_id: int, key: str, request_digest: str, change: Callable[[], bytes]
    ) -> bytes:
        """Change something and return the answer, in one transaction; or return the first answer.

        Parameters
        ----------
        user_id, key
            Who calls, and the key of their choice.
        request_digest
            Of the call and all that it says.
        change
            Does it, by calls of this store.

        Raises
        ------
        ConfigError
            If the key is none.
        KeyReuseError
            If the key was another request's.
        """
        require_key(key)
        with self.writing("answer a call once") as connection:
            of_key = (answers.c.user_id == user_id) & (answers.c.idempotency_key == key)
            known = connection.execute(sa.select(answers).where(of_key)).one_or_none()
            if known is not None:
                require_same(known.request_digest == request_digest, key)
                return bytes(known.response)
            old = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=KEPT_DAYS)
            connection.execute(answers.delete().where(answers.c.created_at < old))
            response = change()
            row = {
                "user_id": user_id, "idempotency_key": key, "request_digest": request_digest,
                "response": response,
            }  # fmt: skip
            connection.execute(answers.insert().values(row))
            return response
