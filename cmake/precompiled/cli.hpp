// For the commands.
#pragma once

#include <CLI/CLI.hpp>

#include "objects.hpp"
