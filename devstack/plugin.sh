#!/bin/bash
# DevStack plug-in: installs the package, and lets nova-scheduler filter by the
# generation of images. DevStack sources this file at each of its phases.

HYPERV_SCHED_FILTER=HyperVGenerationFilter

function install_hyperv_sched {
    setup_develop "$HYPERV_SCHED_DIR"
}

# Nova's default is not in the file, and a line of one's own replaces it.
function configure_hyperv_sched_nova {
    local available enabled
    available=$(iniget_multiline "$NOVA_CONF" filter_scheduler \
        available_filters)
    enabled=$(iniget "$NOVA_CONF" filter_scheduler enabled_filters)
    if [[ " $available " != *" nova.scheduler.filters.all_filters "* ]]; then
        iniadd "$NOVA_CONF" filter_scheduler available_filters \
            nova.scheduler.filters.all_filters
    fi
    if [[ " $available " != *"hyperv_sched.filters."* ]]; then
        iniadd "$NOVA_CONF" filter_scheduler available_filters \
            "hyperv_sched.filters.$HYPERV_SCHED_FILTER"
    fi
    if [[ ",$enabled," != *",$HYPERV_SCHED_FILTER,"* ]]; then
        # Before the others: only the filter that rejects the last host gives
        # the user a reason.
        iniset "$NOVA_CONF" filter_scheduler enabled_filters \
            "$HYPERV_SCHED_FILTER,${enabled:-$NOVA_FILTERS}"
    fi
}

function configure_hyperv_sched_glance {
    local plugins
    plugins=$(iniget "$GLANCE_IMAGE_IMPORT_CONF" image_import_opts \
        image_import_plugins)
    plugins=${plugins//[\[\]\'\" ]/}
    # It validates what the other plug-ins have made: it is the last.
    if [[ ",$plugins," != *,hyperv_generation,* ]]; then
        iniset "$GLANCE_IMAGE_IMPORT_CONF" image_import_opts \
            image_import_plugins "[${plugins:+$plugins,}hyperv_generation]"
    fi
}

if [[ "$1" == "stack" && "$2" == "install" ]]; then
    install_hyperv_sched
elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
    if is_service_enabled n-sch; then
        configure_hyperv_sched_nova
    fi
    if is_service_enabled g-api && [[ "$HYPERV_SCHED_GLANCE" == "True" ]]; then
        configure_hyperv_sched_glance
    fi
fi
