# Headers that nearly every file reads, parsed once. Four fifths of an ordinary file's compile time went into them.
# A source still includes what it uses: with CLOUDLESS_PCH=OFF everything builds too.
#
#   cloudless_precompiled(TARGET [HEADER...])   the standard library, fmt, Boost.JSON, base/ and runtime/; with HEADERs
#                                               that the target alone reads all over, one of its own
#   cloudless_precompiled_test(TARGET)          GoogleTest too; not optimized
#
# A precompiled header fits only where it was made with the same options and macros, so every target gets those of
# cloudless_common.
option(CLOUDLESS_PCH "Precompile the common headers" ON)

add_library(cloudless_common INTERFACE)
target_link_libraries(cloudless_common INTERFACE Boost::json fmt::fmt spdlog::spdlog Threads::Threads)

set(precompiled_dir ${CMAKE_SOURCE_DIR}/cmake/precompiled)

function(cloudless_precompiled_library name header)
  add_library(${name} OBJECT ${precompiled_dir}/empty.cpp)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE cloudless_common ${ARGN})
  target_precompile_headers(${name} PRIVATE ${precompiled_dir}/${header})
endfunction()

if(CLOUDLESS_PCH)
  cloudless_precompiled_library(cloudless_pch common.hpp)
  cloudless_precompiled_library(cloudless_test_pch test.hpp GTest::gtest GTest::gmock)
  target_compile_options(cloudless_test_pch PRIVATE -O0)
endif()

function(cloudless_precompiled target)
  target_link_libraries(${target} PRIVATE cloudless_common)
  if(CLOUDLESS_PCH AND ARGN)
    target_precompile_headers(${target} PRIVATE ${precompiled_dir}/common.hpp ${ARGN})
  elseif(CLOUDLESS_PCH)
    target_precompile_headers(${target} REUSE_FROM cloudless_pch)
  endif()
endfunction()

function(cloudless_precompiled_test target)
  target_link_libraries(${target} PRIVATE cloudless_common)
  # What is to be fast is what they test; optimizing the tests themselves only takes time.
  target_compile_options(${target} PRIVATE -O0)
  if(CLOUDLESS_PCH)
    target_precompile_headers(${target} REUSE_FROM cloudless_test_pch)
  endif()
endfunction()
