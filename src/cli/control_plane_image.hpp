// The image that static pods of the control plane run: this very program with the libraries that it is linked
// to, as they are loaded now, and nothing else.
#pragma once

#include <string>

#include "base/result.hpp"

namespace cloudless::cli {

/// With the program's version as its tag.
std::string control_plane_image_name();

/// An OCI archive. Blocking; as large as the program.
Result<std::string> make_control_plane_image();

}  // namespace cloudless::cli
