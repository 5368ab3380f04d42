#include "apiserver/testing/watch_events.hpp"

#include <boost/json.hpp>

#include <cstdint>

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver::testing {

namespace {

// A protobuf field of length-delimited bytes, taken from the front of `bytes`.
std::string_view take_field(std::string_view& bytes) {
  size_t at = 1;
  size_t size = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.at(at++));
    size |= size_t{byte & 0x7fU} << shift;
    if (byte < 0x80) break;
  }
  const std::string_view field = bytes.substr(at, size);
  bytes.remove_prefix(at + size);
  return field;
}

// Frames: four bytes of length, then WatchEvent{1: type, 2: RawExtension{1: object}}.
std::vector<SeenEvent> protobuf_events(std::string_view stream) {
  std::vector<SeenEvent> events;
  while (stream.size() >= 4) {
    size_t size = 0;
    for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(stream[i]);
    if (stream.size() < 4 + size) break;
    std::string_view frame = stream.substr(4, size);
    stream.remove_prefix(4 + size);
    const std::string_view type = take_field(frame);
    std::string_view extension = take_field(frame);
    events.push_back({std::string(type), std::string(take_field(extension))});
  }
  return events;
}

std::vector<SeenEvent> json_events(std::string_view stream) {
  std::vector<SeenEvent> events;
  for (size_t end; (end = stream.find('\n')) != std::string_view::npos; stream.remove_prefix(end + 1)) {
    const json::value event = json::parse(stream.substr(0, end));
    events.push_back(
        {std::string(text_at(event.get_object(), {"type"})), json::serialize(event.at("object"))});
  }
  return events;
}

}  // namespace

std::vector<SeenEvent> events_of(schema::Format format, std::string_view stream) {
  return format == schema::Format::kProtobuf ? protobuf_events(stream) : json_events(stream);
}

}  // namespace cloudless::apiserver::testing
