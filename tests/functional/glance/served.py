# SPDX-License-Identifier: Apache-2.0
"""glance-api for a WSGI server, on a SQLite that threads can share."""

from glance.wsgi.api import application
import sqlalchemy
from sqlalchemy import event

__all__ = ['application']


@event.listens_for(sqlalchemy.Engine, 'before_cursor_execute', retval=True)
def _lock_at_once(conn, cursor, statement, parameters, context, executemany):
    """Wait for the lock at the beginning of a transaction.

    Two that have read already can both not write: SQLite ends one of them,
    where the databases of a cloud let it wait.
    """
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
