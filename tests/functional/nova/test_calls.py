# SPDX-License-Identifier: Apache-2.0
"""Calls of a driver in Nova's source, and the signatures of the mixin.

Signatures differ between releases, and so do the arguments that Nova passes
by name. The mixin must receive those that it checks in any case.
"""

import inspect

from nova.virt import driver as nova_driver
import testtools

from hyperv_sched.compute import driver
from tests import calls

#: Expressions in Nova's source by the parameter of the mixin.
EXPRESSIONS = {
    'context': {'context', 'ctxt', 'ctx', 'orig_context'},
    'instance': {'instance'},
    'image_meta': {'image_meta', 'rescue_image_meta'},
    'block_device_info': {
        'block_device_info', 'block_dev_info', 'new_block_device_info'},
    'network_info': {'network_info', 'net_info'},
    'flavor': {'flavor'},
    'image_id': {'image_id'},
    'disk_bus': {"self['disk_bus']"},
    'provider_tree': {'prov_tree'},
    'nodename': {'nodename'},
}

#: The parameters that each method of the mixin reads.
READ = {
    'prepare_for_spawn': {'instance'},
    'spawn': {'context', 'instance', 'image_meta', 'block_device_info'},
    'rebuild': {'context', 'instance', 'image_meta', 'block_device_info'},
    'rescue': {'context', 'instance', 'image_meta', 'network_info',
               'block_device_info'},
    'migrate_disk_and_power_off': {'context', 'instance', 'flavor'},
    'finish_migration': {'context', 'instance', 'block_device_info'},
    'finish_revert_migration': {'context', 'instance'},
    'check_can_live_migrate_destination': {'context', 'instance'},
    'check_can_live_migrate_source': {'context', 'instance'},
    'pre_live_migration': {'context', 'instance'},
    'attach_volume': {'context', 'instance', 'disk_bus'},
    'snapshot': {'context', 'instance', 'image_id'},
    'reboot': {'context', 'instance'},
    'power_on': {'context', 'instance'},
    'update_provider_tree': {'provider_tree', 'nodename'},
}


class CallsTestCase(testtools.TestCase):

    def test_every_enforced_method_is_in_the_table(self):
        self.assertEqual(set(READ), {
            name for name in vars(driver.EnforcedDriverMixin)
            if not name.startswith('_') and name != 'capabilities'})

    def test_checked_arguments_are_in_every_call_of_nova(self):
        for method, needed in READ.items():
            signature = inspect.signature(
                getattr(driver.EnforcedDriverMixin, method))
            sites = calls.of(method)
            self.assertNotEqual([], sites, method)
            for args, kwargs in sites:
                bound = signature.bind('self', *args, **kwargs).arguments
                bound.update(bound.pop('kwargs', {}))
                for name in needed:
                    self.assertIn(bound.get(name), EXPRESSIONS[name],
                                  (method, args, kwargs))

    def test_parameters_have_the_order_of_nova(self):
        for method in READ:
            ours = [
                name for name, parameter in _parameters(
                    driver.EnforcedDriverMixin, method).items()
                if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
            nova = list(_parameters(nova_driver.ComputeDriver, method))
            self.assertEqual(nova[:len(ours)], ours, method)

    def test_power_on_is_called_with_the_arguments_of_nova(self):
        sites = calls.of('power_on')
        self.assertNotEqual([], sites)
        for args, _ in sites:
            for name, word in zip(
                    ('context', 'instance', 'network_info',
                     'block_device_info'), args, strict=False):
                self.assertIn(word, EXPRESSIONS[name], args)


def _parameters(owner, method):
    return inspect.signature(getattr(owner, method)).parameters
