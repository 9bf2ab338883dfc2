# SPDX-License-Identifier: Apache-2.0
"""PowerShell in the documentation and in printed commands is valid syntax.

PowerShell itself is on no package index; the grammar is that of editors.
"""

import pathlib
import re
import textwrap

import tree_sitter
import tree_sitter_pwsh

from hyperv_sched import text
from tests.unit import base

_PARSER = tree_sitter.Parser(
    tree_sitter.Language(tree_sitter_pwsh.language()))

_BLOCK = re.compile(
    r'^\.\. code-block:: powershell\n((?:\n|    .*\n)+)', re.MULTILINE)


def is_valid(script):
    return not _PARSER.parse(f'{script}\n'.encode()).root_node.has_error


class SyntaxTestCase(base.TestCase):

    def test_errors_are_found(self):
        for script in ("a 'b", 'a "b', 'a | | b', 'a (', '@{'):
            self.assertFalse(is_valid(script), script)

    def test_scripts_of_the_documentation(self):
        pages = pathlib.Path(__file__).parents[2].glob('doc/source/**/*.rst')
        blocks = [textwrap.dedent(block) for page in pages
                  for block in _BLOCK.findall(page.read_text('utf-8'))]
        self.assertLess(3, len(blocks))
        for block in blocks:
            self.assertTrue(is_valid(block), block)

    def test_printed_commands(self):
        # The grammar does not know the word --, which PowerShell passes on.
        words = ['', '--property', 'hypervisor_version_requires=>=6.3',
                 r'C:\A B\disk.vhdx', 'IMAGE', "it's", *(
                     f'a{chr(number)}b' for number in range(32, 127))]
        count = 0
        for word in words:
            for shell in ('powershell', 'windows'):
                try:
                    line = text.command_line(
                        ['openstack', 'image', 'set', word], shell)
                except text.UnquotableError:
                    continue
                self.assertTrue(is_valid(line), line)
                count += 1
        self.assertGreater(count, 180)
