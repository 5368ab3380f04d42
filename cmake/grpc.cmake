# C++ from .proto files, as a library of its own: the generated code is large, needs no warnings, and is compiled once.
#
#   cloudless_grpc(cloudless_cri_proto cri/cri.proto cri/containerd_events.proto)
#
# Paths are relative to proto/; headers are included as "cri/cri.pb.h" and "cri/cri.grpc.pb.h".
function(cloudless_grpc target)
  set(out ${CMAKE_BINARY_DIR}/generated/proto)
  set(sources)
  foreach(proto ${ARGN})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(generated ${out}/${stem}.pb.cc ${out}/${stem}.pb.h ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
    add_custom_command(
      OUTPUT ${generated}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc -I${CMAKE_SOURCE_DIR}/proto --cpp_out=${out} --grpc_out=${out}
              --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${proto}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${proto}
      COMMENT "Generating C++ from proto/${proto}")
    list(APPEND sources ${out}/${stem}.pb.cc ${out}/${stem}.grpc.pb.cc)
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC PkgConfig::GRPC protobuf::libprotobuf)
endfunction()
