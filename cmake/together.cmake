# The parts that a program runs whatever its command, side by side in memory. The linker would lay functions that several
# libraries have (templates) into the first of them, all over 25 MB of which the kernel maps 64 KB wherever one is touched.
#
#   cloudless_together(cloudless base runtime net grpc store etcd)
function(cloudless_together target)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  set(order ${CMAKE_CURRENT_BINARY_DIR}/${target}.order)
  set(libraries ${ARGN})
  list(TRANSFORM libraries PREPEND cloudless_)
  set(files)
  foreach(library ${libraries})
    list(APPEND files $<TARGET_FILE:${library}>)
  endforeach()
  add_custom_command(
    OUTPUT ${order}
    COMMAND ${CMAKE_SOURCE_DIR}/cmake/together.sh ${CMAKE_NM} ${order} ${files}
    DEPENDS ${CMAKE_SOURCE_DIR}/cmake/together.sh ${libraries} ${files}
    VERBATIM
    COMMENT "Ordering the functions of ${target}")
  add_custom_target(${target}_order DEPENDS ${order})
  add_dependencies(${target} ${target}_order)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${order})
  target_link_options(${target} PRIVATE -Wl,--symbol-ordering-file=${order} -Wl,--no-warn-symbol-ordering)
endfunction()
