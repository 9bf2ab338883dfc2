# SPDX-License-Identifier: Apache-2.0
"""Print the image schema as it is shipped."""

import json

from hyperv_sched.validators import schema

if __name__ == '__main__':
    print(json.dumps(schema.load(), indent=2))
