# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, for people."""

from __future__ import annotations

import pathlib


class CloudError(Exception):
    """Error that the user of the cloud can correct.

    :param log: whose end tells more
    """

    def __init__(self, message: str, log: pathlib.Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class InterruptedStepError(CloudError):
    """Another step failed, or the user interrupted the command."""

    def __init__(self) -> None:
        super().__init__('interrupted')
