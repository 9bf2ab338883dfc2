# SPDX-License-Identifier: Apache-2.0

import errno
import os
import shutil
import subprocess

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import text
from tests.unit import base

#: A word, and how each shell of Windows takes it; None where it cannot.
#: By the rules of the C run-time library (docs.microsoft.com, "Parsing C
#: command-line arguments"), of cmd.exe and of PowerShell (about_Parsing,
#: about_Quoting_Rules).
WINDOWS = (
    # word, cmd.exe and PowerShell, cmd.exe, PowerShell
    ('openstack', 'openstack', 'openstack', 'openstack'),
    ('--disk-format', '--disk-format', '--disk-format', '--disk-format'),
    ('--', '--', '--', '--'),
    (r'C:\work\bad.vhdx', r'C:\work\bad.vhdx', r'C:\work\bad.vhdx',
     r'C:\work\bad.vhdx'),
    (r'.\a.vhdx', r'.\a.vhdx', r'.\a.vhdx', r'.\a.vhdx'),
    ('a=b', 'a=b', 'a=b', 'a=b'),
    # A number of PowerShell, an array, a script block, a comment, a variable
    # for splatting, a parameter that it splits.
    ('1kb', '"1kb"', '"1kb"', "'1kb'"),
    ('a,b', '"a,b"', '"a,b"', "'a,b'"),
    ('{a}', '"{a}"', '"{a}"', "'{a}'"),
    ('#a', '"#a"', '"#a"', "'#a'"),
    ('@a', '"@a"', '"@a"', "'@a'"),
    ('-a.b', '"-a.b"', '"-a.b"', "'-a.b'"),
    ('hypervisor_version_requires=>=6.3',
     '"hypervisor_version_requires=>=6.3"',
     '"hypervisor_version_requires=>=6.3"',
     "'hypervisor_version_requires=>=6.3'"),
    ('a b', '"a b"', '"a b"', "'a b'"),
    ('a&b|c<d>e^f(g);h!', '"a&b|c<d>e^f(g);h!"', '"a&b|c<d>e^f(g);h!"',
     "'a&b|c<d>e^f(g);h!'"),
    ("it's", '"it\'s"', '"it\'s"', "'it''s'"),
    ('it\u2019s', '"it\u2019s"', '"it\u2019s"', "'it\u2019\u2019s'"),
    ('\u201cx', None, '"\u201cx"', "'\u201cx'"),
    ('$(x)', None, '"$(x)"', "'$(x)'"),
    ('a`b', None, '"a`b"', "'a`b'"),
    ('%PATH%', None, '^"^%PATH^%^"', "'%PATH%'"),
    ('a "b" & c', None, r'^"a \^"b\^" ^& c^"', None),
    (r'a\"b', None, r'^"a\\\^"b^"', None),
    ('a\\b\\', 'a\\b\\', 'a\\b\\', 'a\\b\\'),
    ('a b\\', None, '"a b\\\\"', None),
    ('(a\\', None, '"(a\\\\"', "'(a\\'"),
    ('', None, '""', None),
    ('\u65e5', '"\u65e5"', '"\u65e5"', "'\u65e5'"),
    ('a\nb', None, None, None),
    ('a\x1b[2J', None, None, None),
    ('a\u202eb', None, None, None),
    ('a\0b', None, None, None),
    ('\udcff', None, None, None),
)

#: What no POSIX shell can pass on.
IMPOSSIBLE = ('a\0b', 'a\n', '\n', '\x1b\n', '\ud800')

HOSTILE = (
    '', "it's", '$(false) `false` "!" \\ *', '\n\t\x1b[31m', '-', '-\x01',
    '\xe9 \u2028\U0001f4be', 'not-utf-8-\udcff\udc80a', '%s%%\x01\\033',
    "'\x01'", '"\x01"', '\x01$x`false`', '!!\x01', '\x011', 'a\n b',
    '\x7f\x9b\u200d', '~', '=a', '{a,b}', '#\x01')


def quoted(word, shell):
    try:
        return text.quote(word, shell)
    except text.UnquotableError:
        return None


def words_of(shell, line):
    """The words that a shell makes of a line; nothing else may run."""
    done = subprocess.run(
        [shutil.which(shell), '-c', f"printf '%s\\0' {line}"], check=True,
        capture_output=True,
        env={'LC_ALL': 'C.UTF-8', 'PATH': '/nonexistent'})
    return [os.fsdecode(word) for word in done.stdout.split(b'\0')[:-1]]


class QuoteTestCase(base.TestCase):

    def test_windows_table(self):
        for word, *expected in WINDOWS:
            self.assertEqual(
                expected, [quoted(word, shell) for shell in (
                    'windows', 'cmd', 'powershell')], ascii(word))

    def test_reason_names_the_option_that_helps(self):
        for word, shell, words in (
                ('$x', 'windows', '--shell cmd or powershell'),
                ('"', 'powershell', '--shell cmd'),
                ('\x1b' * 1000, 'windows', 'cannot be typed')):
            error = self.assertRaises(
                text.UnquotableError, text.quote, word, shell)
            self.assertIn(words, str(error))
            self.assertTrue(str(error).isprintable())
            self.assertLess(len(str(error)), 320)

    @base.without_windows('POSIX shell')
    def test_hostile_words_arrive_in_every_posix_shell(self):
        line = text.command_line(HOSTILE, 'sh')
        self.assertTrue(line.isprintable())
        for shell in ('bash', 'dash'):
            self.assertEqual([*HOSTILE], words_of(shell, line), shell)

    @base.without_windows('POSIX shell')
    @hypothesis.given(st.lists(st.text(st.one_of(
        st.sampled_from('\'"\\$`!%#~-= \n\t\r\x00\x01\x1b\x7f\x9b\u2028\udc80'
                        'abc0'),
        st.characters())), min_size=1, max_size=40))
    @hypothesis.settings(max_examples=40, deadline=None)
    def test_any_words_arrive_in_every_posix_shell(self, words):
        words = [word for word in words if quoted(word, 'sh') is not None]
        line = text.command_line(words, 'sh')
        self.assertTrue(line.isprintable())
        for shell in ('bash', 'dash'):
            self.assertEqual(words or [''], words_of(shell, line), shell)

    def test_what_no_shell_can_pass_on_is_refused(self):
        for word in IMPOSSIBLE:
            self.assertIsNone(quoted(word, 'sh'), ascii(word))

    @hypothesis.given(st.text())
    def test_windows_forms_are_one_printable_line(self, word):
        for shell in text.SHELLS[1:]:
            form = quoted(word, shell)
            self.assertTrue(form is None or form.isprintable())

    def test_shell_follows_the_system(self):
        self.assertEqual('windows', text.default_shell('nt'))
        self.assertEqual('sh', text.default_shell('posix'))


class CSVCellTestCase(base.TestCase):

    def test_formulas_become_text(self):
        for value, expected in (
                ('=1+1', "'=1+1"), ('+1', "'+1"), ('-1', "'-1"),
                ('@SUM(A1)', "'@SUM(A1)"), ('\tx', "'\tx"), ('\rx', "'\rx"),
                ('  =1', "'  =1"), ('\uff1d1', "'\uff1d1"), ("'a", "''a"),
                ('-', '-'), ('', ''), ('a=1', 'a=1'), (-1, -1),
                (None, None)):
            self.assertEqual(expected, text.csv_cell(value))

    @hypothesis.given(st.text(st.one_of(
        st.sampled_from("='+-@ \t\r\n"), st.characters())))
    def test_nothing_is_lost_and_no_formula_is_left(self, value):
        cell = text.csv_cell(value)
        self.assertEqual(value, cell[1:] if cell[:1] == "'" else cell)
        self.assertTrue(cell == '-' or cell.lstrip()[:1] not in '=+-@'
                        or not cell.lstrip())


class FileErrorTestCase(base.TestCase):

    def test_windows_has_one_error_for_several_reasons(self):
        exc = PermissionError(errno.EACCES, 'Permission denied')
        self.assertEqual('Permission denied',
                         text.file_error(exc, __file__, 'posix'))
        self.assertIn('another program has it open',
                      text.file_error(exc, __file__, 'nt'))
        self.assertEqual('Is a directory', text.file_error(
            exc, os.path.dirname(__file__), 'nt'))

    def test_error_without_a_number_is_its_text(self):
        self.assertEqual('not a regular file', text.file_error(
            OSError('not a regular file'), 'x', 'nt'))


class ShortenTestCase(base.TestCase):

    def test_bytes_count_and_characters_stay_whole(self):
        self.assertEqual('漢字', text.shorten('漢字', 6))
        self.assertEqual('...', text.shorten('漢字', 5))
        self.assertEqual('漢...', text.shorten('漢字漢', 8))
        self.assertEqual('abc...', text.shorten('abcdefgh', 6))


class SentenceTestCase(base.TestCase):

    def test_text_that_was_cut_ends_already(self):
        self.assertEqual('It is wrong.', text.sentence('It is wrong'))
        self.assertEqual('It is wr...', text.sentence('It is wr...'))


class PrintableTestCase(base.TestCase):

    @hypothesis.given(st.text())
    def test_is_one_bounded_line_without_control_codes(self, words):
        shown = text.escape(words)
        self.assertTrue(shown.isprintable())
        # An escape takes up to ten characters.
        self.assertLessEqual(len(shown), 1200)

    def test_leaves_plain_text_alone(self):
        self.assertEqual('Größe 10.0', text.escape('Größe 10.0'))
