// For the files that speak gRPC.
#pragma once

#include <grpcpp/grpcpp.h>

#include "common.hpp"
