# SPDX-License-Identifier: Apache-2.0
"""What the catalogue promises, word for word.

Severities decide exit codes, and codes never change their meaning: a line is
changed on purpose, or not at all.
"""

import dataclasses

from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.validators import fixes
from tests.unit import base

#: Code, name, severity (and the second one), scope, what the rule prevents; of
#: a rule over the file, whether "image convert" refuses it.
TABLE = """
HV101 unknown-generation          error         hyperv      scheduling
HV102 hypervisor-type-missing     error         hyperv      -
HV103 hypervisor-type-conflict    error         hyperv      scheduling
HV104 version-syntax              error         hyperv      scheduling
HV105 version-unsatisfiable       error         hyperv/gen2 -
HV106 version-admits-old-hosts    warning       gen2        -
HV107 disk-format-unsupported     error         hyperv      build
HV108 disk-format-vhd             warning       gen2        -
HV109 architecture-not-64bit      error         gen2        scheduling
HV110 secure-boot-generation      error         gen1        scheduling
HV111 secure-boot-os-type         error         gen2        scheduling
HV112 secure-boot-linux-version   error         gen2        build-before-2016
HV113 vtpm-prerequisites          error/warning hyperv      build-before-2016
HV114 firmware-type-conflict      error         gen2/gen1   -
HV115 disk-bus-ide                error         gen2        -
HV116 os-type-case                warning       hyperv      -
HV117 serial-port-number          error         hyperv      build
HV118 names-disagree              error         hyperv      -
HV119 property-ignored            info          hyperv      -
HV120 version-not-portable        warning       hyperv      -
HV121 vm-mode                     error         hyperv      -
HV122 trait-missing               info          gen2        -
HV123 property-misspelt           warning       any         -
HV124 value-refused-by-nova       error         hyperv      -
HV125 trait-unavailable           error         hyperv      -
HV126 version-ignored             warning       any         -
HV127 os-type-mismatch            warning       hyperv      -
HV128 architecture-unavailable    error         hyperv      scheduling
HV129 remotefx-version          error         gen2        build-before-2016
HV201 label-mismatch              error         hyperv      - converted
HV202 container-vhd               error         gen2        build converted
HV203 container-not-vhdx          error         hyperv      build converted
HV204 format-unknown              error         hyperv      build converted
HV205 empty-file                  error         hyperv      build refused
HV206 vhdx-has-parent             error         hyperv      - refused
HV207 vhdx-dirty-log              error         hyperv      - refused
HV208 vhdx-truncated              error         hyperv      - refused
HV209 vhdx-no-valid-header        error         hyperv      - refused
HV210 vhdx-header-copy-damaged    warning       hyperv      - converted
HV211 vhdx-no-valid-region-table  error         hyperv      - refused
HV212 vhdx-region-copy-damaged    warning       hyperv      - converted
HV213 vhdx-unsupported-version    error         hyperv      - refused
HV214 vhdx-unknown-required       error         hyperv      - refused
HV215 vhdx-malformed              error         hyperv      - refused
HV216 vhdx-bat-overlap            error         hyperv      - refused
HV217 vhdx-incomplete             error         hyperv      - refused
HV218 vhdx-header-equal-sequence  warning       hyperv      - converted
HV219 vhdx-no-log-region          warning       hyperv      - converted
HV220 sector-4k                   warning       gen2        - converted
HV221 trailing-vhd-footer         warning       hyperv      - converted
HV222 iso-not-a-disk              warning       hyperv      - converted
HV223 fixed-vhd                   warning       gen1        - converted
HV224 min-disk-too-small          warning       hyperv      - converted
HV225 vhd-malformed               error         hyperv      - refused
HV226 content-not-read            unknown       hyperv      - converted
HV227 iso-without-uefi            error         gen2        - converted
HV228 inspection-stopped          unknown       hyperv      - converted
HV229 vhd-footer-copy             warning/error gen1/gen2   - refused
HV230 container-needs-other-file  error         hyperv      - refused
HV231 container-encrypted         error         hyperv      - refused
HV232 container-malformed         error         hyperv      - refused
HV233 container-truncated         error         hyperv      - refused
HV234 container-not-closed        warning       hyperv      - converted
HV235 container-snapshots         info          hyperv      - converted
HV236 container-not-read          unknown       hyperv      - converted
HV301 no-partition-table          error/warning gen2        -
HV302 mbr-partitioned             error/warning gen2        -
HV303 gpt-missing                 error/warning gen2        -
HV304 gpt-damaged                 error/warning gen2        -
HV305 gpt-primary-damaged         warning       gen2        -
HV306 gpt-backup-damaged          warning       gen2        -
HV307 gpt-no-protective-mbr       error         gen2        -
HV308 gpt-overlap                 error         gen2        -
HV309 gpt-partition-out-of-range  error         gen2        -
HV310 gpt-beyond-disk             warning       gen2        -
HV311 hybrid-mbr                  warning       gen2        -
HV312 gpt-pmbr-active             warning       gen2        -
HV313 gpt-pmbr-signature          warning       gen2        -
HV314 gpt-many-entries            warning       gen2        -
HV315 partition-cut-off           error         hyperv      -
HV321 esp-missing                 error         gen2        -
HV322 esp-type-missing            warning       gen2        -
HV323 esp-hidden-from-firmware    error         gen2        -
HV324 esp-not-fat                 error         gen2        -
HV325 fat32-too-few-clusters      error         gen2        -
HV326 fat-damaged                 error         gen2        -
HV327 fat-sector-size             warning       gen2        -
HV328 fat-larger-than-partition   warning       gen2        -
HV331 loader-missing              error         gen2        -
HV332 loader-wrong-arch           error         gen2        -
HV333 loader-not-efi-app          error         gen2        -
HV334 shim-second-stage-missing   error         gen2        -
HV335 loader-unsigned             error         gen2        -
HV336 loader-not-trusted          error         gen2        -
HV337 loader-2023-only            warning       gen2        -
HV338 loader-revoked              error         gen2        -
HV339 second-stage-not-trusted    error         gen2        -
HV340 signature-invalid           error/unknown gen2        -
HV341 generation-mismatch         error/warning gen1        -
HV342 boot-configuration-missing  warning       gen2        -
HV343 boot-target-missing         warning       gen2        -
HV344 bcd-missing                 error         gen2        -
HV345 os-volume-encrypted         warning       gen2        -
HV346 nothing-to-boot             warning       gen1        -
HV347 hyperv-drivers-missing      warning       gen2        -
HV401 host-not-hyperv             error         host        -
HV402 host-too-old                error         host        -
HV403 host-version-unknown        error         host        -
HV404 version-requirement-unmet   error         host        -
HV405 request-invalid             error         host        scheduling
HV406 host-trait-missing          error         host        -
HV407 host-unavailable            warning       host        -
HV408 host-without-generation-2-trait warning       host        -
HV409 image-without-host          error         host        -
HV410 image-with-few-hosts        info          host        -
HV501 generation-unsupported-here error         server      build
HV502 image-unusable              error         server      build
HV503 device-bus-ide              error         server      build
HV504 rescue-generation           error         server      build
HV505 rebuild-generation          error         server      build
HV506 host-older-release          error         server      build
HV507 server-without-destination  warning       server      -
HV508 server-on-unsuitable-host   warning       server      -
HV509 image-unavailable           error         server      build
"""


def _conversion(rule):
    if not rule.code.startswith('HV2'):
        return ()
    return 'refused' if rule.prevents_conversion else 'converted',


class CatalogueTestCase(base.TestCase):

    def test_catalogue_is_the_table(self):
        self.assertEqual(
            [tuple(line.split()) for line in TABLE.strip().splitlines()],
            [(rule.code, rule.name, '/'.join(rule.severities),
              '/'.join(rule.scopes).replace('generation-', 'gen'),
              rule.prevents or '-', *_conversion(rule))
             for rule in rules.CATALOGUE.values()])

    def test_rule_over_the_file_prevents_conversion_by_default(self):
        rule = dataclasses.replace(
            rules.CATALOGUE['HV236'], code='HV299', converts=False)
        self.assertTrue(rule.prevents_conversion)
        self.assertFalse(dataclasses.replace(
            rule, code='HV399').prevents_conversion)

    def test_second_severities(self):
        self.assertEqual(
            {'HV229': ('warning', 'error'), 'HV340': ('error', 'unknown'),
             **dict.fromkeys(
                 ('HV113', 'HV301', 'HV302', 'HV303', 'HV304', 'HV341'),
                 ('error', 'warning'))},
            {rule.code: rule.severities for rule in rules.CATALOGUE.values()
             if len(rule.severities) > 1})

    def test_every_rule_says_why(self):
        for rule in rules.CATALOGUE.values():
            self.assertTrue(rule.reasons, rule.code)

    def test_what_a_fault_has_says_what_its_reader_can_do(self):
        self.assertEqual(
            ['HV401', 'HV402', 'HV403', 'HV404', 'HV405', 'HV501', 'HV502',
             'HV503', 'HV504', 'HV505', 'HV506', 'HV509'],
            [rule.code for rule in rules.CATALOGUE.values() if rule.failure])

    def test_rules_over_images_have_checks(self):
        self.assertEqual(
            {'HV122', 'HV226'},
            {rule.code for rule in rules.CATALOGUE.values()
             if rule.code < 'HV4' and not rule.clauses})

    def test_remedies_correct_the_wrong_examples(self):
        corrected = set()
        for rule in rules.CATALOGUE.values():
            if rule.remedy is None:
                continue
            for example in rule.examples[0]:
                content = example.pop('content', None)
                values = fixes.properties(
                    example, validators.validate, content)
                if not values:
                    # The right value would be a guess.
                    continue
                document = image_document.normalize({**example, **values})
                document['min_disk'] = int(document.get('min_disk', 0))
                self.assertNotIn(rule.code, {
                    finding.code for finding in validators.validate({
                        **document, **({'content': content} if content
                                       else {})})}, example)
                corrected.add(rule.code)
        self.assertLessEqual(
            {'HV101', 'HV102', 'HV103', 'HV106', 'HV112', 'HV115', 'HV116',
             'HV118', 'HV121', 'HV124', 'HV224', 'HV341'}, corrected)
