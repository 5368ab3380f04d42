// The events of a watch's answer, as JSON lines or as protobuf frames, taken apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/codec.hpp"

namespace cloudless::apiserver::testing {

struct SeenEvent {
  std::string type;
  std::string object;  // in the watch's format
};

/// All events that `stream` holds as a whole; what is cut off at its end is left out.
std::vector<SeenEvent> events_of(schema::Format format, std::string_view stream);

}  // namespace cloudless::apiserver::testing
