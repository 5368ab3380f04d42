// For the parts that handle API objects: the common headers, HTTP and the most used kinds.
#pragma once

#include "api/core_v1.hpp"
#include "api/meta_v1.hpp"
#include "api/registry.hpp"
#include "common.hpp"
#include "net/http.hpp"
#include "schema/json.hpp"
