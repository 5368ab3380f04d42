// Messages over TCP: two bytes of length, then the message (RFC 1035 section 4.2.2).
#pragma once

#include <string>
#include <string_view>

#include "net/http.hpp"

namespace cloudless::dns {

runtime::Task<Result<>> write_frame(net::ByteStream& stream, std::string_view message);

/// The next message. kUnavailable where the stream ends, kInvalid where it ends within a message.
runtime::Task<Result<std::string>> read_frame(net::ByteStream& stream);

}  // namespace cloudless::dns
