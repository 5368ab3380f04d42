// objects.hpp and what nearly every test includes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "objects.hpp"
