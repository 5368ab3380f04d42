// Passing another server's answer through: body by pieces, upgraded connections by bytes, both ways at once.
#pragma once

#include "net/http.hpp"

namespace cloudless::apiserver {

/// What goes on with a request that is passed through: everything but who asks and how this hop is framed.
net::Headers forwarded_headers(const net::Headers& headers);

/// Sends `answer` as the response. Returns when both sides are done or one has gone.
runtime::Task<Result<>> pass_through(net::Response answer, net::ResponseWriter& response);

}  // namespace cloudless::apiserver
