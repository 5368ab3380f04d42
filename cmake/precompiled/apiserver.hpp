// For the API server's own files.
#pragma once

#include "apiserver/json_fields.hpp"
#include "apiserver/request/call.hpp"
#include "objects.hpp"
