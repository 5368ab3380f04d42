// `cloudless init phase upload-certs`: hands the control plane's certificates out once more, as kubeadm's
// phase of that name.
#pragma once

#include "cli/command.hpp"

namespace cloudless::cli {

/// Adds `phase upload-certs` below `init`.
void add_upload_certificates_phase(CLI::App& init, Invocation& invocation);

}  // namespace cloudless::cli
