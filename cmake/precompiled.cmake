# Headers that nearly every file of a part reads, parsed once: four fifths of an ordinary file's compile time went into
# them. A source still includes what it uses; with CLOUDLESS_PCH=OFF everything builds too.
#
#   cloudless_precompiled(TARGET SET)        SET is a header of cmake/precompiled/, without its ending
#   cloudless_precompiled_test(TARGET SET)   with GoogleTest, not optimized
#
# A precompiled header fits only where it was made with the same options and macros, so every target gets those of
# cloudless_common.
option(CLOUDLESS_PCH "Precompile the common headers" ON)

add_library(cloudless_common INTERFACE)
target_link_libraries(cloudless_common INTERFACE Boost::json fmt::fmt spdlog::spdlog Threads::Threads)

function(cloudless_precompiled_set name)
  set(dir ${CMAKE_SOURCE_DIR}/cmake/precompiled)
  add_library(cloudless_${name}_pch OBJECT ${dir}/empty.cpp)
  target_include_directories(cloudless_${name}_pch PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(cloudless_${name}_pch PRIVATE cloudless_common ${ARGN})
  target_precompile_headers(cloudless_${name}_pch PRIVATE ${dir}/${name}.hpp)
endfunction()

if(CLOUDLESS_PCH)
  cloudless_precompiled_set(common)
  foreach(set objects apiserver)
    cloudless_precompiled_set(${set})
    add_dependencies(cloudless_${set}_pch generate_api)
  endforeach()
  foreach(set common_test objects_test)
    cloudless_precompiled_set(${set} GTest::gtest GTest::gmock)
    target_compile_options(cloudless_${set}_pch PRIVATE -O0)
  endforeach()
  cloudless_precompiled_set(cli CLI11::CLI11)
  add_dependencies(cloudless_cli_pch generate_api)
  add_dependencies(cloudless_objects_test_pch generate_api)
endif()

function(cloudless_precompiled target set)
  target_link_libraries(${target} PRIVATE cloudless_common)
  if(CLOUDLESS_PCH)
    target_precompile_headers(${target} REUSE_FROM cloudless_${set}_pch)
  endif()
endfunction()

function(cloudless_precompiled_test target set)
  # What is to be fast is what they test; optimizing the tests themselves only takes time.
  target_compile_options(${target} PRIVATE -O0)
  set(tests_of_apiserver objects)
  set(tests_of_cli objects)
  if(DEFINED tests_of_${set})
    set(set ${tests_of_${set}})
  endif()
  cloudless_precompiled(${target} ${set}_test)
endfunction()
