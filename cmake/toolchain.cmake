# Compiler and linker settings that hold for the whole tree.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wno-missing-field-initializers -fno-omit-frame-pointer
                    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
# Line tables suffice for stack traces and profiles; full debug info doubles the build's size and time.
add_compile_options(-gline-tables-only)
add_link_options(-fuse-ld=lld)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-ffunction-sections -fdata-sections)
  # What a program touches is what it costs in memory: what runs once at start lies together, equal functions are one,
  # and relative relocations take a bit each.
  add_link_options(-Wl,--gc-sections -Wl,--icf=safe -Wl,-z,keep-text-section-prefix -Wl,-z,pack-relative-relocs)
endif()

if(CLOUDLESS_SANITIZE)
  add_compile_options(-fsanitize=${CLOUDLESS_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CLOUDLESS_SANITIZE})
endif()
if(CLOUDLESS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # ccache trusts its own hash of a precompiled header rather than what the header says of macros and times.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
