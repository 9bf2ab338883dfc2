# SPDX-License-Identifier: Apache-2.0
"""The base of tests of versioned objects."""


def over_the_wire(sent):
    """Return the object that the receiver of an object gets."""
    # What has changed is a list in no order, and part of the comparison.
    sent.obj_reset_changes()
    return type(sent).obj_from_primitive(sent.obj_to_primitive())
