// What every client of gRPC's callback interface calls once it has a channel. For .cpp files alone, of parts
// that link gRPC.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

namespace cloudless::net {

/// gRPC 1.51 ends its callback queue with the last channel that has used it, and at times drops the queue's
/// last reference twice when it does, which aborts the program. A channel that stays for good keeps the
/// queue; the first one given does, for the whole process.
inline void keep_callback_queue(const std::shared_ptr<grpc::Channel>& channel) {
  [[maybe_unused]] static const auto* const kept = new std::shared_ptr<grpc::Channel>(channel);
}

}  // namespace cloudless::net
