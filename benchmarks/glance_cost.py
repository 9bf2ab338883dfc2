# SPDX-License-Identifier: Apache-2.0
"""What the API filter and the import plugin add to requests to Glance.

    tox -e bench -- glance_cost

Two real glance-api side by side, one with and one without; their requests
take turns, and the fastest of each counts. The large file is 1 GiB of VHDX,
sparse on disk and whole on the wire.
"""

import pathlib
import sys
import tempfile
import time

from tests import properties
from tests import samples
from tests.functional.glance import api

SMALL_TURNS = 30
LARGE_TURNS = 3
GENERATION_2 = {'disk_format': 'vhdx', **properties.GENERATION_2}
PLUGIN = '''
[image_import_opts]
image_import_plugins = [hyperv_generation]
'''


def create(glance):
    return lambda: glance.create(**GENERATION_2)


def change(glance):
    image_id = glance.create(**GENERATION_2)
    return lambda: glance.patch(image_id, os_type='linux')


def upload(glance, path, action='file'):
    def call():
        image_id = glance.create(**GENERATION_2)
        with path.open('rb') as file:
            status, text = glance.put(image_id, file, action)
        if status != 204:
            raise AssertionError(text)
        return image_id
    return call


def image_import(glance, path):
    stage = upload(glance, path, 'stage')

    def call():
        image_id = stage()
        glance.import_image(image_id)
        task = glance.task(image_id)
        if task['status'] != 'success':
            raise AssertionError(task)
    return call


def compare(name, turns, without, with_it):
    best = [float('inf')] * 2
    for _ in range(turns):
        for index, call in enumerate((without, with_it)):
            start = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - start)
    print(f'{name:<28}{best[0] * 1e3:>12.1f}{best[1] * 1e3:>12.1f}'
          f'{best[1] / best[0]:>10.2f}')


def main():
    with tempfile.TemporaryDirectory() as directory, \
            api.GlanceAPI() as stock, \
            api.GlanceAPI(guard='report_only = false') as filtered, \
            api.GlanceAPI(config=PLUGIN) as plugged:
        path = pathlib.Path(directory, 'disk.vhdx')
        path.write_bytes(samples.uefi_vhdx())
        with path.open('r+b') as file:
            file.truncate(samples.GIB)
        print(f'{"":<28}{"without ms":>12}{"with ms":>12}{"ratio":>10}')
        compare('POST, filter', SMALL_TURNS, create(stock), create(filtered))
        compare('PATCH, filter', SMALL_TURNS, change(stock), change(filtered))
        compare('PUT of 1 GiB, filter', LARGE_TURNS, upload(stock, path),
                upload(filtered, path))
        compare('import of 1 GiB, plugin', LARGE_TURNS,
                image_import(stock, path), image_import(plugged, path))
    return 0


if __name__ == '__main__':
    sys.exit(main())
