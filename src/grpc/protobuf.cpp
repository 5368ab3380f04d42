#include "grpc/protobuf.hpp"

namespace cloudless::grpc {

Result<> parse(google::protobuf::MessageLite& message, std::string_view bytes) {
  if (bytes.size() > INT32_MAX) {
    return fail(Code::kResourceExhausted, "a message of {} bytes is more than protobuf can read",
                bytes.size());
  }
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kMessageDepth);
  if (message.ParseFromCodedStream(&in) && in.ConsumedEntireMessage()) return {};
  return fail(Code::kInternal,
              "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

}  // namespace cloudless::grpc
