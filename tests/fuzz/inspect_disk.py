# SPDX-License-Identifier: Apache-2.0
"""Look for files for which the disk reader does not keep its promises.

    tox -e fuzz -- -max_total_time=600 [DIRECTORY]

Takes the options of libFuzzer, and directories for new inputs. Inputs have
the format of tests.fuzz.sparse; the name of a file runs that input again.
"""

import pathlib
import random
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=['hyperv_sched.disk']):
    from hyperv_sched import names
    from hyperv_sched.disk import secure_boot
    from tests.fuzz import promises

from tests.fuzz import repair
from tests.fuzz import seeds
from tests.fuzz import sparse

_POLICY = secure_boot.Policy.of_years(names.CERTIFICATE_YEARS)
_MAX_LENGTH = 64 * 1024
_WIDTHS = (1, 2, 4, 8)


def run_input(data):
    """Check the promises for one input."""
    promises.check(sparse.Sparse.decode(data), _POLICY)


def mutate(data, max_size, seed):
    """Change a file one to four times, mostly with valid checksums."""
    choose = random.Random(seed)
    file = sparse.Sparse.decode(data)
    for _ in range(choose.randint(1, 4)):
        choose.choices(
            (_bytes, _number, _run, _size), (4, 8, 2, 1))[0](file, choose)
    if choose.random() < 0.8:
        repair.checksums(file, choose.choice((512, 512, 4096)))
    encoded = file.encode()
    return encoded if len(encoded) <= max_size else data


def _bytes(file, choose):
    if file.runs:
        index = choose.randrange(len(file.runs))
        offset, run = file.runs[index]
        file.runs[index] = offset, bytearray(
            atheris.Mutate(bytes(run), len(run) + 64))


def _number(file, choose):
    """Replace a number by a related or special one."""
    if not file.runs:
        return
    offset, run = choose.choice(file.runs)
    width = choose.choice(_WIDTHS)
    if len(run) < width:
        return
    start = choose.choice(range(0, len(run), 512))
    offset_in_run = min(
        start + choose.randrange(512), len(run) - width)
    if choose.random() < 0.8:
        offset_in_run -= offset_in_run % width
    order = choose.choice(('little', 'little', 'little', 'big'))
    number = slice(offset_in_run, offset_in_run + width)
    old = int.from_bytes(run[number], order)
    new = choose.choice((
        0, 1, old + 1, old - 1, old * 2, old // 2, -1,
        1 << choose.randrange(64), (1 << choose.randrange(64)) - 1,
        file.size, file.size // 512, offset, offset // 512,
        choose.getrandbits(8 * width), old ^ 1 << choose.randrange(64)))
    run[number] = (new % (1 << 8 * width)).to_bytes(width, order)


def _run(file, choose):
    """Move, copy or drop a run."""
    if not file.runs:
        return
    index = choose.randrange(len(file.runs))
    offset, run = file.runs[index]
    if choose.random() < 0.3:
        del file.runs[index]
        return
    offset = choose.choice((
        offset + 512, max(offset - 512, 0), file.size - len(run),
        choose.choice(file.runs)[0], choose.getrandbits(24)))
    file.runs.append((offset % 2 ** 64, bytearray(run)))
    if choose.random() < 0.5:
        del file.runs[index]


def _size(file, choose):
    file.size = choose.choice((
        file.size + 1, max(file.size - 1, 0), file.size // 2, file.size * 2,
        1 << choose.randrange(63), file.size + 512)) % sparse.MAX_SIZE


def main():
    with tempfile.TemporaryDirectory() as corpus:
        for number, file in enumerate(seeds.files()):
            pathlib.Path(corpus, f'seed-{number}').write_bytes(file.encode())
        files = [arg for arg in sys.argv[1:] if pathlib.Path(arg).is_file()]
        atheris.Setup(
            [sys.argv[0], f'-max_len={_MAX_LENGTH}', *sys.argv[1:],
             *([] if files else [corpus])],
            run_input, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == '__main__':
    main()
