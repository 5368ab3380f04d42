# A part is a folder of src/: its .cpp files make one static library, its *_test.cpp files one test program,
# each X_fuzz.cpp one fuzz target NAME_X_fuzz (scripts/fuzz.sh runs them).
#
#   cloudless_part(store DEPS base runtime LIBS SQLite::SQLite3)
#
# What lies in testing/ is for tests: library NAME_testing, which the part's own tests link and those of others name in
# TEST_DEPS (apiserver_testing).
#
# SERIAL_TESTS: tests that change the machine (namespaces, rules, containers) run alone.
#
# PRECOMPILED: the set of precompiled headers (cmake/precompiled.cmake), common unless named.
#
# DEPS are parts, public; LIBS are libraries; TEST_DEPS and TEST_LIBS are for the test program alone.
function(cloudless_part name)
  cmake_parse_arguments(PART "SERIAL_TESTS" "PRECOMPILED" "DEPS;LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  if(NOT PART_PRECOMPILED)
    set(PART_PRECOMPILED common)
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "(_(test|fuzz|bench)\\.cpp|/main/[^/]*|/testing/[^/]*)$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cpp$")
  file(GLOB testing CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/testing/*.cpp)
  list(FILTER testing EXCLUDE REGEX "_test\\.cpp$")

  set(target cloudless_${name})
  set(deps ${PART_DEPS})
  list(TRANSFORM deps PREPEND cloudless_)
  if(sources)
    add_library(${target} STATIC ${sources})
    cloudless_precompiled(${target} ${PART_PRECOMPILED})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${target} ${scope} ${deps} ${PART_LIBS} fmt::fmt Threads::Threads)

  set(test_deps ${PART_TEST_DEPS})
  if(testing)
    add_library(${target}_testing STATIC ${testing})
    cloudless_precompiled_test(${target}_testing ${PART_PRECOMPILED})
    target_link_libraries(${target}_testing PUBLIC ${target} ${PART_TEST_LIBS})
    list(APPEND test_deps ${name}_testing)
  endif()
  if(tests)
    list(TRANSFORM test_deps PREPEND cloudless_)
    add_executable(${name}_test ${tests})
    cloudless_precompiled_test(${name}_test ${PART_PRECOMPILED})
    target_link_libraries(${name}_test PRIVATE ${target} ${test_deps} ${PART_TEST_LIBS}
                          GTest::gtest GTest::gmock GTest::gtest_main)
    include(GoogleTest)
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}." 
                         PROPERTIES TIMEOUT 300 RUN_SERIAL ${PART_SERIAL_TESTS})
  endif()

  # Built always, so that none rots: with CLOUDLESS_FUZZ they search, else they replay what tests/fuzz holds.
  foreach(fuzzer ${fuzzers})
    get_filename_component(fuzz_name ${fuzzer} NAME_WE)
    set(fuzz_name ${name}_${fuzz_name})
    add_executable(${fuzz_name} ${fuzzer})
    target_link_libraries(${fuzz_name} PRIVATE ${target})
    if(CLOUDLESS_FUZZ)
      target_link_options(${fuzz_name} PRIVATE -fsanitize=fuzzer)
    else()
      target_compile_options(${fuzz_name} PRIVATE -O0)
      target_link_libraries(${fuzz_name} PRIVATE cloudless_fuzz_replay)
      add_test(NAME fuzz.${fuzz_name} COMMAND ${fuzz_name} ${CMAKE_SOURCE_DIR}/tests/fuzz/${fuzz_name})
    endif()
  endforeach()
endfunction()
