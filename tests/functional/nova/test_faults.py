# SPDX-License-Identifier: Apache-2.0
"""The messages of faults that Nova stores are whole sentences."""

import inspect

from nova import exception
from nova.compute import manager
from nova.compute import utils as compute_utils
from nova.scheduler import utils as scheduler_utils
from oslo_utils.fixture import uuidsentinel
import testtools

from hyperv_sched import compatibility
from hyperv_sched import rules
from hyperv_sched.compute import checks
from hyperv_sched.compute import enforcement
from hyperv_sched.compute import operations

#: Three bytes a character, and more characters than any message repeats.
LONGEST = '漢' * 300

#: A value as it comes every day.
USUAL = '>=10.0'

#: The longest name of a property that a rule repeats.
PROPERTY = 'hypervisor_version_requires'

#: Rules on images that refuse today; the others may come to it.
USED = checks._UNUSABLE


def aborted(error):
    """``_build_and_run_instance`` and ``_build_resources``."""
    return exception.BuildAbortException(
        instance_uuid=uuidsentinel.server, reason=error.format_message())


def retried(error):
    """``_do_build_and_run_instance``, once no attempt is left."""
    try:
        scheduler_utils.populate_retry({'retry': {
            'num_attempts': 3, 'hosts': [], 'exc': ['a traceback'],
            'exc_reason': error.format_message()}}, uuidsentinel.server)
    except exception.MaxRetriesExceeded as exc:
        return exc
    raise AssertionError('there is an attempt left')


def not_rescuable(error):
    """``rescue_instance``."""
    return exception.InstanceNotRescuable(
        instance_id=uuidsentinel.server, reason=f'Driver Error: {error}')


def itself(error):
    """``wrap_instance_fault`` and the events of an action."""
    return error


#: What Nova makes of the exception that refuses each operation.
WRAPPED = {
    'prepare_for_spawn': aborted,
    'spawn': aborted,
    'rescue': not_rescuable,
    'rebuild': itself,
    'evacuate': itself,
    'attach_volume': itself,
    'migrate_disk_and_power_off': itself,
    'finish_migration': itself,
    'finish_revert_migration': itself,
    'check_can_live_migrate_destination': itself,
    'pre_live_migration': itself,
}


class FaultTestCase(testtools.TestCase):

    def fault(self, method, finding):
        """Return the message that Nova stores, which must not be cut."""
        error = enforcement.make_exception(method, finding)
        wrap = WRAPPED[method]
        if isinstance(error, exception.ComputeResourcesUnavailable):
            wrap = retried
        fault = wrap(error)
        kept = compute_utils.exception_to_dict(fault)['message']
        self.assertEqual(fault.format_message(), kept)
        return kept

    @staticmethod
    def here(cause):
        return rules.CATALOGUE['HV501'].finding(cause.image, cause=cause)

    def findings(self, value):
        """Yield each rule that can be a cause, and the refusals with it."""
        for rule in rules.CATALOGUE.values():
            cause = rule.finding(uuidsentinel.image, value, value, PROPERTY)
            if rule.code in ('HV503', 'HV504'):
                yield cause, cause
            elif rule.code < 'HV500':
                unusable = checks.image_unusable(cause)
                here = self.here(cause)
                for finding in (unusable, here,
                                checks.rebuild_refused(unusable),
                                checks.rebuild_refused(here)):
                    yield cause, finding
        for finding in (
                checks.image_not_found(uuidsentinel.image),
                checks.image_not_downloadable(uuidsentinel.image),
                checks.image_unreadable(
                    uuidsentinel.image, RuntimeError(value))):
            yield finding, finding

    def test_longest_values_leave_room_for_code_cause_and_fix(self):
        for cause, finding in self.findings(LONGEST):
            for method in WRAPPED:
                fault = self.fault(method, finding)
                self.assertIn(finding.code, fault)
                self.assertIn(cause.code, fault)
                # As much as no value is part of.
                words = rules.CATALOGUE[cause.code].message
                if cause is not finding:
                    self.assertIn(words.partition('{')[0][:20], fault)
                self.assertTrue(
                    fault.endswith(finding.fix) or fault.endswith(
                        f' More: hyperv-sched rule show {cause.code}'),
                    fault)

    def test_usual_values_leave_room_for_the_whole_cause(self):
        for cause, finding in self.findings(USUAL):
            for method in WRAPPED:
                if method in ('prepare_for_spawn', 'spawn') and (
                        finding.code == 'HV501'):
                    # Nova's own words leave little room: see below.
                    continue
                if cause.code < 'HV400' and cause.code not in USED:
                    continue
                fault = self.fault(method, finding)
                self.assertIn(cause.message, fault)
                self.assertNotIn('...', fault)

    def test_cause_of_a_host_fits_after_the_prefix_of_the_last_attempt(self):
        for code, value in (('HV401', 'QEMU'), ('HV402', '6.2'),
                            ('HV403', None), ('HV404', '6.3')):
            cause = rules.CATALOGUE[code].finding('-', value, '>=10.0')
            self.assertIn(f'{code} {cause.message}. Another host may do',
                          self.fault('spawn', self.here(cause)))

    def test_every_operation_is_wrapped(self):
        self.assertEqual(set(operations.OPERATIONS), set(WRAPPED))

    def test_source_of_the_manager_wraps_errors_like_these_tests(self):
        source = inspect.getsource(manager)
        for words in (
                'raise exception.BuildAbortException('
                'instance_uuid=instance.uuid, reason=e.format_message())',
                'reason=_("Driver Error: %s") % e)',
                "retry['exc_reason'] = e.kwargs['reason']"):
            self.assertIn(''.join(words.split()), ''.join(source.split()))


class NoValidHostTestCase(testtools.TestCase):

    def test_summary_and_prefix_of_nova_fill_255_bytes(self):
        reason = 'x' * compatibility.MAX_SUMMARY
        for size, whole in ((0, True), (1, False)):
            fault = exception.NoValidHost(reason=reason + 'x' * size)
            kept = compute_utils.exception_to_dict(fault)['message']
            self.assertEqual(whole, kept == fault.format_message())
