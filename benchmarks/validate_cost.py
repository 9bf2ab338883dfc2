# SPDX-License-Identifier: Apache-2.0
"""What judging an image costs, next to jsonschema over the same schema.

    tox -e bench -- validate_cost

All figures are the fastest of several runs in this one process. "jsonschema"
is iter_errors to its end, by a validator that was made once and knows the
schema's own formats and keywords. "validate" finds the same and makes the
findings, too; it keeps the results of jsonschema for the same values, so
"fresh" is the cost of values that come for the first time.
"""

import contextlib
import io
import itertools
import json
import pathlib
import sys
import tempfile
import time

from hyperv_sched import document as image_document
from hyperv_sched import validators
from hyperv_sched.cli import main as cli
from hyperv_sched.validators import image
from hyperv_sched.validators import keywords
from hyperv_sched.validators import schema as image_schema

RUNS = 300
MANY = 10_000

RIGHT = {'id': 'right', 'disk_format': 'vhdx', 'container_format': 'bare',
         'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
         'hypervisor_version_requires': '>=6.3', 'os_type': 'windows'}
WRONG = {'id': 'wrong', 'disk_format': 'qcow2', 'container_format': 'bare',
         'hw_machine_type': 'hyperv-gen2', 'os_type': 'Windows',
         'hypervisor_version_requires': '>=10.0.17763',
         'hw_disk_bus': 'ide', 'os_secure_boot': 'required'}
OTHERS = {'id': "another hypervisor's", 'disk_format': 'qcow2',
          'hw_machine_type': 'q35', 'hypervisor_type': 'qemu'}


def forget():
    """Let the next document be the first."""
    image._groups.cache_clear()
    validators.validate({})


def fastest(call, runs=RUNS, prepare=lambda: None):
    """Seconds of the fastest run."""
    best = float('inf')
    for _ in range(runs):
        prepare()
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def row(*cells):
    print(f'{cells[0]:<32}' + ''.join(f'{cell:>14}' for cell in cells[1:]))


def one():
    """Compare our validation of a document with that of jsonschema."""
    judge = keywords.Validator(
        image_schema.load(), format_checker=keywords.FORMATS)
    row('a document', 'jsonschema us', 'fresh us', 'ratio', 'validate us',
        'ratio')
    for raw in (RIGHT, WRONG, OTHERS):
        document = image_document.normalize(raw)
        bare = fastest(lambda: list(judge.iter_errors(document)))  # noqa: B023
        fresh = fastest(lambda: validators.validate(document),  # noqa: B023
                        RUNS // 10, prepare=forget)
        ours = fastest(lambda: validators.validate(document))  # noqa: B023
        row(raw['id'], f'{bare * 1e6:.0f}', f'{fresh * 1e6:.0f}',
            f'{fresh / bare:.2f}', f'{ours * 1e6:.0f}', f'{ours / bare:.3f}')


def documents():
    """Right and wrong ones, no two of which are the same object.

    Among them each example of the schema, with values of their own where
    nothing is decided by them.
    """
    examples = [RIGHT, WRONG, OTHERS, *(
        {k: v for k, v in example.items() if k != 'content'}
        for clause in image_schema.load()['allOf']
        for side in ('x-wrong', 'x-right') for example in clause[side])]
    return [{**example, 'id': f'image-{number}', 'description': f'{number}'}
            for number, example in zip(
                range(MANY), itertools.cycle(examples))]


def many():
    """Measure a list as image lint validates it, and the command."""
    given = documents()

    def judge():
        return sum(len(validators.validate(image_document.normalize(d)))
                   for d in given)

    def lint(fmt):
        with contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()):
            cli.main(['image', 'lint', '--image-json', str(path), '-f', fmt])

    print()
    row(f'{MANY} documents', 'seconds', 'us each')
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / 'images.json'
        path.write_text(json.dumps(given))
        for name, call in (
                (f'validate ({judge()} findings)', judge),
                ('image lint', lambda: lint('table')),
                ('image lint -f json', lambda: lint('json'))):
            spent = fastest(call, runs=3)
            row(name, f'{spent:.2f}', f'{spent / MANY * 1e6:.0f}')


def main():
    one()
    many()
    return 0


if __name__ == '__main__':
    sys.exit(main())
