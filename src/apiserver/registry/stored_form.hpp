// What other API servers have written: kube-apiserver stores built-in kinds as protobuf unless it is told
// otherwise, and both read what the other writes, as values say themselves what they are. Some values have
// been written in an earlier version of their kind and never again.
//
//   6b 38 73 00 ...   protobuf in its envelope (schema/protobuf.hpp)
//   { ...             JSON
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::apiserver {

bool is_stored_protobuf(std::string_view stored);
/// The same object as JSON, in the version that its kind is stored in. kDataLoss for what cannot be read.
Result<std::string> json_of_stored_protobuf(std::string_view stored);
/// `object`, decoded from the store, in the version that its kind is stored in; nothing where it is already.
std::optional<boost::json::object> in_storage_version(const boost::json::object& object);

}  // namespace cloudless::apiserver
