# SPDX-License-Identifier: Apache-2.0
"""Requests to the APIs of the cloud as administrator."""

from __future__ import annotations

import json
from typing import Any
import urllib.error
import urllib.request

from tools.cloud import errors
from tools.cloud import state as cloud_state

#: Seconds for one answer.
_TIMEOUT = 30


class Api:
    """Requests with a token, which the first request gets."""

    def __init__(self, state: cloud_state.State) -> None:
        self._state = state
        self._token = ''

    def request(self, service: str, path: str, method: str = 'GET',
                body: object = None) -> Any:
        """Return what the service answers, from JSON; {} for nothing.

        :raises CloudError: it answers with an error, or not at all
        """
        if not self._token:
            self._token = self._authenticate()
        return self._send(service, path, method, body)[0]

    def _authenticate(self) -> str:
        user = {'name': 'admin', 'domain': {'id': 'default'},
                'password': self._state.password}
        _, headers = self._send('keystone', '/v3/auth/tokens', 'POST', {
            'auth': {
                'identity': {'methods': ['password'],
                             'password': {'user': user}},
                'scope': {'project': {
                    'name': 'admin', 'domain': {'id': 'default'}}}}})
        return str(headers['X-Subject-Token'])

    def _send(self, service: str, path: str, method: str,
              body: object) -> tuple[Any, Any]:
        request = urllib.request.Request(
            self._state.url(service) + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'Content-Type': 'application/json',
                     'X-Auth-Token': self._token})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return json.loads(answer.read() or b'{}'), answer.headers
        except urllib.error.HTTPError as exc:
            with exc:
                reason = exc.read(2000).decode(errors='replace')
            raise errors.CloudError(
                f'{service} answers {method} {path} with HTTP {exc.code}:'
                f' {reason}', self._state.log / f'{service}.log') from exc
        except (OSError, ValueError) as exc:
            raise errors.CloudError(
                f'{service} does not answer {method} {path}: {exc}',
                self._state.log / f'{service}.log') from exc
