# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, for people."""

from __future__ import annotations

import pathlib


class CloudError(Exception):
    """Something that whoever runs the cloud can see and mend.

    :param log: whose end tells more
    """

    def __init__(self, message: str, log: pathlib.Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class Interrupted(CloudError):
    """Another step failed, or somebody wants no more of it."""

    def __init__(self) -> None:
        super().__init__('interrupted')
