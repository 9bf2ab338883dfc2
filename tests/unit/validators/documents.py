# SPDX-License-Identifier: Apache-2.0
"""Image documents."""

from hyperv_sched import document as image_document


def prepared(example):
    """A document as the commands make it, with a flavor as Nova has one."""
    content = {k: v for k, v in example.items() if k == 'content'}
    return image_document.add_flavor(
        {**image_document.normalize(example), **content}, example)
