// Edits of pods that several plugins make.
#pragma once

#include <functional>
#include <string_view>

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver::admission {

inline constexpr std::string_view kMirrorPodAnnotation = "kubernetes.io/config.mirror";

/// Whether the pod mirrors a static pod of a node.
bool is_mirror_pod(const json::object& pod);

/// The list at `name` in `parent`, made where absent.
json::array& make_array(json::object& parent, std::string_view name);

/// Calls `visit` for init containers, then containers (and ephemeral ones where asked for).
void for_each_container(json::object& spec, const std::function<void(json::object& container)>& visit);
void for_each_container(
    const json::object& spec,
    const std::function<void(const json::object& container, std::string_view list)>& visit);

}  // namespace cloudless::apiserver::admission
