// Objects that the server itself keeps: made where they are missing, brought up to date where they differ.
#pragma once

#include <string>
#include <vector>

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver {

/// Creates what is not there; what is there stays as it is.
runtime::Task<ApiResult<>> ensure(Objects& objects, GroupResource resource, json::object object);
/// Like ensure(), but `members` of what is there are brought up to date. Another server that was faster is no
/// error.
runtime::Task<ApiResult<>> ensure_equal(Objects& objects, GroupResource resource, json::object object,
                                        std::vector<std::string> members);

}  // namespace cloudless::apiserver
