# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import rules
from hyperv_sched.cli import boot_runs
from hyperv_sched.cli import boot_stages
from hyperv_sched.cli.boot_stages import Stage
from tests.unit import base


class AgreementTestCase(base.TestCase):

    def test_loader_may_wait_at_an_error(self):
        findings = [rule_finding('HV344')]
        for stage, predicted, expected in (
                (Stage.LOADER, False, None), (Stage.KERNEL, False, False),
                (Stage.PROMPT, False, True), (Stage.LOADER, True, True),
                (Stage.KERNEL, None, None)):
            self.assertIs(expected, boot_runs._agree(
                boot_stages.Result(stage), predicted, findings))
        self.assertIs(False, boot_runs._agree(
            boot_stages.Result(Stage.LOADER), False,
            [*findings, rule_finding('HV336')]))


def rule_finding(code):
    return rules.CATALOGUE[code].finding('x')
