# SPDX-License-Identifier: Apache-2.0
"""Each command that a rule or the documentation prints does what it says.

It is run, as it is printed, on a disk that has the defect: the finding is
gone afterwards, nothing new is wrong, and no byte of the disk is lost.
"""

import collections
from collections.abc import Callable
import contextlib
import dataclasses
import io
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import fixtures
import testtools

from hyperv_sched import disk
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.cli import findings as findings_output
from hyperv_sched.cli import main
from tests.firmware import boot
from tests.firmware import corpus
from tests.firmware import gpt_edit
from tests.firmware import images
from tests.firmware import loaders
from tests.firmware import test_firmware
from tests.firmware import vhd_edit
from tests.firmware import vhdx_edit

MIB = images.MIB
GENERATION_1 = {'hypervisor_type': 'hyperv'}
GENERATION_2 = test_firmware.GENERATION_2

#: Commands that cannot run on this computer.
NOT_RUN = {
    'mbr2gpt /convert /allowFullOS': 'in a Windows guest',
    'grub-install --removable': 'in a Linux guest',
    # The name of the command alone.
    'hyperv-sched image lint tells how': 'no command to paste'}

#: Options are part of a command that COMMAND recognizes, or of one of these.
OTHERS = ('New-VHD -LogicalSectorSizeBytes 512', 'image lint --download',
          'dracut --add-drivers')
OPTION = re.compile(r'(?:^|\s)--?\w')


def commands(fix: str) -> list[str]:
    found = findings_output.COMMAND.findall(fix)
    return [command.rstrip('. ') for command in found
            if command.rstrip('. ') not in NOT_RUN]


Check = Callable[[testtools.TestCase, bytes, bytes, list[dict]], None]


def starts(test, before, after, partitions):
    """Assert that firmware boots the disk, and that the rest is equal."""
    first, = partitions
    end = first['offset'] + first['size']
    test.assertEqual(before[:first['offset']], after[:first['offset']])
    test.assertEqual(before[end:], after[end:])
    image = images.Image(test.directory)
    image.disk = test.path('DISK.raw')
    test.assertTrue(boot.starts(boot.UEFI, image, in_container=False))


def same_disk(test, before, after, partitions):
    """Assert that two disks are equal; a container may round the size up."""
    test.assertGreaterEqual(len(after), len(before))
    test.assertTrue(after.startswith(before))
    test.assertFalse(any(after[len(before):]))


def same_partitions(test, before, after, partitions):
    """Assert that boot code and the content of partitions are equal."""
    test.assertEqual(before[:440], after[:440])
    test.assertTrue(partitions)
    for partition in partitions:
        place = slice(partition['offset'],
                      partition['offset'] + partition['size'])
        test.assertTrue(before[place] == after[place], partition)


@dataclasses.dataclass(frozen=True)
class Advice:
    """A rule whose commands are run."""

    code: str
    steps: tuple[images.Step, ...]
    variant: str | None = None
    file: str = 'DISK.raw'
    """The name of the file that the commands read."""
    result: str = 'DISK.raw'
    """The name of the file that they write."""
    check: Check = same_partitions
    properties: dict = dataclasses.field(
        default_factory=lambda: GENERATION_2)
    judged_as: dict | None = None
    """Properties that the fix sets as well."""
    found: bool = True
    """Whether the file has the defect; one needs a disk of several TiB."""
    n: str = ''
    """The number of the partition, if the command has an N."""
    name: str = ''
    on_esp: bool = False
    """Whether the commands are run in the root of the file system."""


# An ESP and a partition up to the last sector, with data at its end.
TAIL = (images.gpt('start=2048, size=36MiB, type=U', 'type=L',
                   options=('grain: 512',)), images.fat(),
        corpus.GRUB, images.poke('8s', -34 * 512 - 8 + 512, b'the end.'))
CREATORS = (b'qem2', b'qemu', b'vpc ', b'win ', b'vs  ', b'vbox', b'd2v ',
            b'tap\0', b'CTXS', b'VMA\0', b'\0\0\0\0')
#: Sizes that are a product of cylinders, heads and sectors, and one that is
#: not.
SIZES = (48 * MIB + 300 * 1024, 1000 * 8 * 17 * 512, 50 * MIB + 512)


def installed(directory: str, shim: str, grub: str,
              loader: loaders.Loader) -> Advice:
    """Return HV331, for the directory of an installer."""
    return Advice('HV331', (
        corpus.DISK, images.gpt(), images.fat(), *(
            images.put(f'EFI/{directory}/{name}', content)
            for name, content in (
                (shim, loader), (grub, loaders.grub),
                ('fbx64.efi', loaders.fallback),
                ('BOOTX64.CSV', corpus.csv(f'{shim},{directory},,\n'))))),
        variant=directory, on_esp=True, check=starts)


def from_vhds() -> list[Advice]:
    """Return HV202 and HV223, for the VHDs of several programs."""
    advice = []
    for creator in CREATORS:
        for size in SIZES:
            for kind in ('dynamic', 'fixed'):
                steps = (images.disk(), images.resize(size), *TAIL,
                         images.convert('vpc', 'force_size=on',
                                        f'subformat={kind}'),
                         vhd_edit.created_by(creator))
                name = f'{creator.hex()}-{size}-{kind}'
                vhd = {'file': 'IN.vhd', 'result': 'OUT.vhdx',
                       'check': same_disk, 'name': name}
                advice.append(Advice('HV202', steps, **vhd))
                if kind == 'fixed':
                    advice.append(Advice(
                        'HV223', steps, properties=GENERATION_1, **vhd))
    return advice


def cut_off_by_geometry(image: images.Image) -> None:
    """Keep the VHD, and inspect a VHDX that was cut off.

    qemu-img before 10.0 takes the geometry for the size where others than
    Microsoft have made the VHD.
    """
    images.run('qemu-img', 'convert', '--image-opts',
               f'driver=vpc,force_size_calc=chs,file.filename={image.path}',
               '-O', 'vhdx', image.directory / 'cut.vhdx')
    (image.directory / 'IN.vhd').write_bytes(image.path.read_bytes())
    image.path = image.directory / 'cut.vhdx'


VHDX = {'file': 'IN.vhdx', 'result': 'OUT.vhdx', 'check': same_disk}
CONTENT = bytes(range(256)) * 16
REPLAYED = (corpus.DISK, images.gpt(), images.fat(), corpus.GRUB,
            images.vhdx('block_size=32M'),
            *vhdx_edit.dirty_log(CONTENT, 30 * MIB),
            # The disk that is expected.
            images.poke('4096s', 30 * MIB, CONTENT))
TWO = images.gpt('start=2048, size=36MiB, type=U', 'type=L')
GOOD = (corpus.DISK, TWO, images.fat(), corpus.GRUB,
        images.poke('8s', -34 * 512 + 504, b'the end.'))


def on_mbr(*partitions: str) -> tuple[images.Step, ...]:
    return (corpus.DISK, images.mbr(*partitions), images.fat(), corpus.GRUB)


ADVICE = (
    *(Advice('HV107', (*GOOD, images.convert(kind)), file='IN',
             result='OUT.vhdx', check=same_disk, name=kind,
             properties={**GENERATION_2, 'disk_format': kind})
      for kind in ('qcow2', 'vmdk')),
    *from_vhds(),
    *(Advice('HV203', (*GOOD, images.convert(kind)), file='IN',
             result='OUT.vhdx', check=same_disk, name=kind)
      for kind in ('qed', 'vdi', 'parallels')),
    *(Advice('HV203', (*steps, *container), variant, file='IN',
             result='OUT.vhdx', check=same_disk, name=name,
             properties=properties)
      for variant, steps, name, container, properties in (
          ('generation-2', GOOD, 'raw', (), GENERATION_2),
          ('generation-2', GOOD, 'qcow2', (images.convert('qcow2'),),
           GENERATION_2),
          ('generation-2', GOOD, 'vmdk', (images.convert('vmdk'),),
           GENERATION_2),
          ('generation-1', corpus.FOR_BIOS, 'qcow2',
           (images.convert('qcow2'),), GENERATION_1),
          ('both', corpus.FOR_BOTH[:-1], 'qcow2', (images.convert('qcow2'),),
           GENERATION_2),
          ('none', corpus.ESP, 'qcow2', (images.convert('qcow2'),),
           GENERATION_2))),
    Advice('HV230', (*GOOD, images.create('qcow2', '-b', 'DISK', '-F', 'raw')),
           file='IN', result='OUT.qcow2', check=same_disk),
    Advice('HV207', (*GOOD, images.vhdx(), *vhdx_edit.dirty_log()),
           file='COPY.vhdx', result='COPY.vhdx', check=same_disk),
    Advice('HV207', REPLAYED, file='COPY.vhdx', result='COPY.vhdx',
           check=same_disk, name='data'),
    *(Advice('HV210', (*GOOD, images.vhdx(), vhdx_edit.poke(copy + 100, b'?')),
             name=str(copy), **VHDX) for copy in vhdx_edit.HEADERS),
    Advice('HV218', (*GOOD, images.vhdx(), vhdx_edit.header(
        sequence=7, data_guid=bytes(16))), **VHDX),
    installed('debian', 'shimx64.efi', 'grubx64.efi', loaders.shim),
    installed('ubuntu', 'shimx64.efi', 'grubx64.efi', loaders.shim),
    installed('opensuse', 'shim.efi', 'grub.efi', loaders.suse_shim),
    installed('sles', 'shim.efi', 'grub.efi', loaders.suse_shim),
    Advice('HV221', (*GOOD, images.vhdx(), vhdx_edit.append(
        b'conectix'.ljust(512, b'\0'))), **VHDX),
    Advice('HV228', (*GOOD, images.vhdx('block_size=1M')), found=False,
           **VHDX),
    *(Advice('HV229', (*GOOD, corpus.VHD, change), file='DISK.vhd',
             result='DISK.vhd', check=same_disk, properties=properties,
             name=f'{name}-{len(properties)}')
      for name, change in (
          ('missing', vhd_edit.wipe_copy()),
          ('damaged', vhd_edit.damage_copy('>I', 24, 7, sealed=False)),
          ('other', vhd_edit.damage_copy('>Q', 48, MIB)))
      for properties in (GENERATION_1, GENERATION_2)),
    *(Advice('HV302', steps, variant='starts', name=name)
      for name, steps in (
          ('esp', on_mbr('start=2048, type=ef')),
          ('fat', on_mbr('start=2048, size=40MiB, type=c', 'type=83')),
          ('logical', on_mbr('start=2048, size=40MiB, type=ef',
                             'start=86016, type=5', 'start=88064, type=83')),
          ('empty-gpt', corpus.stale_gpt()[:-1]))),
    Advice('HV305', (*GOOD, images.poke('B', 512 + 20, 255)), name='header'),
    Advice('HV305', (*GOOD, images.poke('8s', 512, b'EFI part')),
           name='signature'),
    Advice('HV305', (*GOOD, images.poke('B', 1024 + 130, 1)),
           name='entries'),
    Advice('HV306', (*GOOD, images.poke('B', -512 + 20, 255)),
           name='header'),
    Advice('HV306', (*GOOD, images.poke('B', -33 * 512 + 130, 1)),
           name='entries'),
    *(Advice('HV307', (*GOOD, images.poke(*change)), name=name)
      for name, change in (
          ('no-entry', ('16s', 446, bytes(16))),
          ('nothing', ('72s', 440, bytes(72))),
          ('at-2', ('<I', 446 + 8, 2)),
          ('other-partition', ('64s', 446, bytes(4) + b'\x83' + bytes(
              3) + b'\0\x50\1\0\0\x10\0\0')))),
    Advice('HV310', (corpus.DISK, images.gpt(
        'start=2048, size=36MiB, type=U'), images.fat(), corpus.GRUB,
        images.resize(40 * MIB))),
    Advice('HV311', (*GOOD, images.sgdisk('--hybrid=2'))),
    Advice('HV312', (*GOOD, images.poke('B', 446, 0x80))),
    Advice('HV313', (*GOOD, images.poke('<H', 510, 0))),
    Advice('HV315', (images.disk(), images.resize(SIZES[0]), *TAIL,
                     images.convert('vpc', 'force_size=on'),
                     vhd_edit.created_by(b'vbox'), cut_off_by_geometry),
           file='cut.vhdx', result='OUT.vhdx', check=same_disk),
    Advice('HV341', (*GOOD, corpus.VHD, vhd_edit.created_by(b'vbox')),
           file='IN', result='OUT.vhdx', check=same_disk,
           properties=GENERATION_1, judged_as=GENERATION_2),
    Advice('HV322', (corpus.DISK, images.gpt('start=2048, type=L'),
                     images.fat(), corpus.GRUB), n='1'),
    Advice('HV323', (*GOOD, gpt_edit.attributes(2)), n='1'),
)


def each(case):
    """Add a test for each advice to a test case."""
    for advice in ADVICE:
        def test(self, advice=advice):
            self.check(advice)
        name = '_'.join(filter(None, (
            'test', advice.code, advice.variant, advice.name)))
        setattr(case, re.sub(r'\W', '_', name), test)
    return case


def judge(path, properties):
    return validators.validate({
        **properties, 'content': disk.inspect(path).as_dict()})


@each
class AdviceTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)

    def path(self, name):
        return self.directory / name

    def check(self, advice):
        image = images.build(advice.steps, self.directory)
        source = self.path(advice.file)
        if source != image.path:
            image.path.rename(source)
        expected = (source if source.suffix == '.raw' else
                    image.disk if image.disk.exists() else source)
        before = expected.read_bytes()
        findings, partitions = self.judged(source, advice)
        rule = rules.CATALOGUE[advice.code]
        finding, = (f for f in findings if f.code == advice.code) if (
            advice.found) else [rule.finding()]
        fix = rule.variants[advice.variant].fix if advice.variant else rule.fix
        self.assertEqual(fix.replace('{actual}', finding.actual or ''),
                         finding.fix)
        for command in commands(finding.fix):
            if ' --repair ' in command:
                self.check_repair(command, source, advice)
                continue
            if advice.on_esp:
                self.run_on_esp(command, partitions[0]['offset'])
                continue
            self.run_command(re.sub(r'\bN:', f'{advice.n}:', command)
                             if advice.n else command)
        result = self.path(advice.result)
        left, after = self.judged(result, dataclasses.replace(
            advice, properties=advice.judged_as or advice.properties))
        self.assertNotIn(advice.code, [f.code for f in left])
        severe = ('error', 'unknown')
        self.assertLessEqual(
            {f.code for f in left if f.severity in severe}
            - {'HV202', 'HV203'},
            {f.code for f in findings if f.severity in severe}, left)
        advice.check(self, before, self.content(result), partitions or after)

    def judged(self, path, advice):
        """Lint a file; a raw disk is linted as a VHDX."""
        if path.suffix == '.raw':
            self.run_command(f'qemu-img convert -f raw -O vhdx {path.name} '
                             'judged.vhdx')
            path = self.path('judged.vhdx')
        properties = dict(advice.properties)
        content = disk.inspect(path).as_dict()
        if advice.code == 'HV107' and path.name == 'IN':
            # The rule for content that was not read.
            return validators.validate(properties), []
        properties.pop('disk_format', None)
        return (validators.validate({**properties, 'content': content}),
                content['partitions'])

    def content(self, path):
        """Read the whole disk in a file."""
        kind = {'.vhdx': 'driver=vhdx', '.raw': 'driver=raw',
                '.qcow2': 'driver=qcow2',
                '.vhd': 'driver=vpc,force_size_calc=current_size'}[path.suffix]
        self.run_command(f'qemu-img convert --image-opts {kind},'
                         f'file.filename={path.name} -O raw content')
        return self.path('content').read_bytes()

    def run_on_esp(self, command, offset):
        """Run a command in a copy of the file system, and copy it back."""
        self.path('esp').mkdir()
        volume = f'-i DISK.raw@@{offset}'
        self.run_command(f'mcopy -s {volume} "::*" esp')
        self.run_command(f'cd esp && {command}')
        self.run_command(f'mcopy -s -D o {volume} esp/* ::')

    def run_command(self, command):
        if command.startswith('hyperv-sched '):
            self.run_own_command(command)
            return
        done = subprocess.run(
            command, shell=True, cwd=self.directory, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(0, done.returncode, (command, done.stdout))

    def check_repair(self, command, source, advice):
        """Run a repair of a copy, before the commands for the disk."""
        shutil.copy(source, self.path('IN'))
        self.run_own_command(command)
        left, _ = self.judged(self.path('OUT.vhdx'), advice)
        self.assertNotIn(advice.code, [finding.code for finding in left])
        self.path('IN').unlink()
        self.path('OUT.vhdx').unlink()

    def run_own_command(self, command):
        """Run a command of this package, without a start of Python."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), \
                contextlib.redirect_stdout(errors):
            main.main(shlex.split(command)[1:])
        # The result is judged by the properties of the test.
        self.assertTrue(self.path('OUT.vhdx').exists(), errors.getvalue())


class CatalogueTestCase(testtools.TestCase):

    def fixes(self):
        for rule in rules.CATALOGUE.values():
            yield rule.code, None, rule.fix
            for name, variant in rule.variants.items():
                yield rule.code, name, variant.fix

    def test_each_rule_that_prints_a_command_is_tried(self):
        self.assertEqual(
            {(code, variant) for code, variant, fix in self.fixes()
             if commands(fix)},
            {(advice.code, advice.variant) for advice in ADVICE})

    def test_each_option_belongs_to_a_command_that_is_recognized(self):
        for code, variant, fix in self.fixes():
            prose = findings_output.COMMAND.sub('', fix)
            for other in OTHERS:
                prose = prose.replace(other, '')
            self.assertIsNone(OPTION.search(prose), (code, variant, prose))

    def test_names_are_distinguished(self):
        names = collections.Counter(
            (advice.code, advice.variant, advice.name) for advice in ADVICE)
        self.assertEqual(1, max(names.values()), names.most_common(1))

    def test_what_is_not_run_is_printed(self):
        printed = {command.rstrip('. ') for _, _, fix in self.fixes()
                   for command in findings_output.COMMAND.findall(fix)}
        self.assertLessEqual(set(NOT_RUN), printed)


PREPARE = pathlib.Path(__file__).parents[2] / 'doc/source/prepare.rst'
#: The beginnings of blocks of the page that cannot run here, or that other
#: tests run.
ELSEWHERE = (
    'create vdisk', 'dism', 'dir S:', r'C:\Windows', 'mbr2gpt', 'ls /boot',
    'cd /boot', 'grub-install', "echo 'add_drivers", 'printf', 'openstack',
    # The disks of these tests have no kernel.
    'hyperv-sched image boot',
    'hyperv-sched image lint', 'hyperv-sched image upload', 'tools/')


class PageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)

    def blocks(self):
        """Yield the literal blocks of the page."""
        text = PREPARE.read_text()
        for block in re.findall(r'::\n\n((?:    .*\n|\n)+)', text):
            yield '\n'.join(line[4:] for line in block.rstrip().splitlines())

    def run_block(self, block):
        done = subprocess.run(
            ['sh', '-e', '-c', block], cwd=self.directory, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(0, done.returncode, (block, done.stdout))

    def lint(self, name):
        return [finding.code for finding in judge(
            self.directory / name, GENERATION_2)]

    def build(self, name, *steps):
        """Build an image by the name that the page gives it."""
        directory = self.directory / f'{name}.d'
        directory.mkdir()
        image = images.build(steps, directory)
        image.path.rename(self.directory / name)
        return image

    def first_bytes(self, name, size):
        """Return the first bytes of the disk in a file."""
        self.run_block(f'qemu-img dd -O raw bs=1M count={size // MIB} '
                       f'if={name} of=content')
        return (self.directory / 'content').read_bytes()

    def check(self, block):
        """Check the files that a block made."""
        for vhdx in self.directory.glob('*.vhdx'):
            self.assertEqual([], self.lint(vhdx.name), block)
            self.assertEqual(
                'uefi', disk.inspect(vhdx).firmware, block)
            if self.content and vhdx.name == 'disk.vhdx':
                same_partitions(
                    self, self.content,
                    self.first_bytes(vhdx.name, len(self.content)),
                    self.partitions)

    def test_each_block_is_run_or_for_another_place(self):
        image = self.build('cloud.qcow2', *GOOD, images.convert('qcow2'))
        self.content = image.disk.read_bytes()
        self.build('IN.vhd', images.disk(), images.resize(SIZES[0]), *TAIL,
                   images.convert('vpc', 'force_size=on'),
                   vhd_edit.created_by(b'vbox'))
        (self.directory / 'BOOTX64.EFI').write_bytes(loaders.grub())
        self.partitions = disk.inspect(image.disk).as_dict()['partitions']
        run = 0
        for block in self.blocks():
            if block.startswith(ELSEWHERE):
                continue
            if block.startswith('qemu-img resize -f raw DISK.raw'):
                (self.directory / 'DISK.raw').unlink()
                self.build('DISK.raw', *on_mbr('start=2048, type=ef'))
                block += ('\nqemu-img convert -f raw -O vhdx DISK.raw '
                          'gpt.vhdx')
            if block.startswith('truncate'):
                # A new disk, with nothing to compare it with.
                (self.directory / 'disk.raw').unlink()
                self.content = b''
            run += 1
            self.run_block(block)
            self.check(block)
        self.assertEqual(9, run)
