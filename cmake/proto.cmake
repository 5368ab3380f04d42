# C++ from .proto files, as libraries of their own: the generated code is large, needs no warnings, and is compiled once.
# Paths are relative to proto/.
#
#   cloudless_proto(cloudless_cri_proto cri/cri.proto cri/containerd_events.proto)
#       messages, included as "cri/cri.pb.h". Without descriptors and reflection, which nothing here needs and which
#       every start would pay for.
#   cloudless_proto_stubs(cloudless_etcd_stubs cloudless_etcd_proto etcd/rpc.proto)
#       clients by the gRPC library over the same messages, included as "etcd/rpc.grpc.pb.h": for tests and benchmarks,
#       whose reference it is.
function(cloudless_generate proto outputs_name)
  set(out ${CMAKE_BINARY_DIR}/generated/proto)
  string(REGEX REPLACE "\\.proto$" "" stem ${proto})
  set(outputs)
  foreach(ending ${ARGN})
    list(APPEND outputs ${out}/${stem}.${ending})
  endforeach()
  set(${outputs_name} ${outputs} PARENT_SCOPE)
endfunction()

function(cloudless_proto target)
  set(out ${CMAKE_BINARY_DIR}/generated/proto)
  set(sources)
  foreach(proto ${ARGN})
    cloudless_generate(${proto} outputs pb.cc pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc -I${CMAKE_SOURCE_DIR}/proto --cpp_out=lite:${out} ${proto}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${proto}
      COMMENT "Generating C++ from proto/${proto}")
    list(APPEND sources ${outputs})
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf-lite)
endfunction()

function(cloudless_proto_stubs target messages)
  set(out ${CMAKE_BINARY_DIR}/generated/proto)
  set(sources)
  foreach(proto ${ARGN})
    cloudless_generate(${proto} outputs grpc.pb.cc grpc.pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc -I${CMAKE_SOURCE_DIR}/proto --grpc_out=${out}
              --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${proto}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${proto}
      COMMENT "Generating gRPC stubs from proto/${proto}")
    list(APPEND sources ${outputs})
  endforeach()
  add_library(${target} STATIC ${sources})
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC ${messages} PkgConfig::GRPC)
endfunction()
