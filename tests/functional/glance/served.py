# SPDX-License-Identifier: Apache-2.0
"""glance-api in gunicorn, on a SQLite that threads can share."""

import os
import sys
import warnings

import sqlalchemy
from sqlalchemy import event


def run(listener, root, log):
    """Serve glance-api until the process is terminated.

    :param listener: the socket to listen on
    :param root: the directory of its configuration
    :param log: descriptor of the file for its output, to be detached
    """
    from gunicorn.app import wsgiapp
    output = log.detach()
    for stream in (1, 2):
        os.dup2(output, stream)
    warnings.simplefilter('ignore')
    os.chdir(root)
    os.environ['OS_GLANCE_CONFIG_DIR'] = str(root)
    sys.argv = [
        'gunicorn', '--no-control-socket',
        '--bind', f'fd://{listener.fileno()}', '--worker-class', 'gthread',
        '--threads', '4', f'{__name__}:create()']
    wsgiapp.run()


def manage(argv):
    """Run glance-manage."""
    from glance.cmd import manage
    sys.argv = ['glance-manage', *argv]
    return manage.main()


def create():
    """Return the application of Glance, for a worker of gunicorn."""
    from glance.common import wsgi_app
    event.listen(sqlalchemy.Engine, 'before_cursor_execute', _lock_at_once,
                 retval=True)
    return wsgi_app.init_app()


def _lock_at_once(conn, cursor, statement, parameters, context, executemany):
    """Wait for the lock at the beginning of a transaction.

    Two that have read already can both not write: SQLite ends one of them,
    where the databases of a cloud let it wait.
    """
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
