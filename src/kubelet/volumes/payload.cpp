#include "kubelet/volumes/payload.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "kubelet/pod/resources.hpp"

namespace cloudless::kubelet {

namespace {

// A path in a volume is relative and stays inside; the atomic writer's own names begin with "..".
Result<> check_path(const std::string& path) {
  if (path.empty() || path.front() == '/')
    return fail(Code::kInvalid, "invalid path: must be relative path: {}", path);
  for (const std::string_view piece : split(path, '/')) {
    if (piece == "..") return fail(Code::kInvalid, "invalid path: must not contain '..': {}", path);
  }
  if (path.starts_with("..")) return fail(Code::kInvalid, "invalid path: must not start with '..': {}", path);
  return {};
}

const core::Container* container_named(const core::Pod& pod, const std::string& name) {
  for (const core::Container& container : pod.spec.containers) {
    if (container.name == name) return &container;
  }
  for (const core::Container& container : pod.spec.initContainers) {
    if (container.name == name) return &container;
  }
  return nullptr;
}

// The user that all containers run as, if it is one: then a token is readable by that user alone.
std::optional<int64_t> common_user(const core::Pod& pod) {
  std::optional<int64_t> common;
  const auto shared = pod.spec.securityContext ? pod.spec.securityContext->runAsUser : std::nullopt;
  for (const auto* list : {&pod.spec.initContainers, &pod.spec.containers}) {
    for (const core::Container& container : *list) {
      const auto own = container.securityContext && container.securityContext->runAsUser
                           ? container.securityContext->runAsUser
                           : shared;
      if (!own || (common && *common != *own)) return std::nullopt;
      common = own;
    }
  }
  return common;
}

class PayloadMaker {
 public:
  PayloadMaker(const core::Pod& pod, const VolumeObjects& objects, const DownwardFacts& facts)
      : pod_(pod), objects_(objects), facts_(facts) {}

  Result<Payload> run(const core::Volume& volume) {
    if (volume.configMap) {
      const auto& source = *volume.configMap;
      mode_ = static_cast<uint32_t>(source.defaultMode.value_or(kDefaultFileMode));
      TRY(add_config_map(source.name, source.items, source.optional.value_or(false)));
    } else if (volume.secret) {
      const auto& source = *volume.secret;
      mode_ = static_cast<uint32_t>(source.defaultMode.value_or(kDefaultFileMode));
      TRY(add_secret(source.secretName, source.items, source.optional.value_or(false)));
    } else if (volume.downwardAPI) {
      mode_ = static_cast<uint32_t>(volume.downwardAPI->defaultMode.value_or(kDefaultFileMode));
      TRY(add_downward(volume.downwardAPI->items));
    } else if (volume.projected) {
      mode_ = static_cast<uint32_t>(volume.projected->defaultMode.value_or(kDefaultFileMode));
      for (const core::VolumeProjection& source : volume.projected->sources) TRY(add_projection(source));
    }
    return std::move(payload_);
  }

 private:
  Result<> add_projection(const core::VolumeProjection& source) {
    if (source.configMap)
      TRY(add_config_map(source.configMap->name, source.configMap->items,
                         source.configMap->optional.value_or(false)));
    if (source.secret)
      TRY(add_secret(source.secret->name, source.secret->items, source.secret->optional.value_or(false)));
    if (source.downwardAPI) TRY(add_downward(source.downwardAPI->items));
    if (source.serviceAccountToken) TRY(add_token(*source.serviceAccountToken));
    return {};
  }

  Result<> add(const std::string& path, std::string content, std::optional<int32_t> mode) {
    TRY(check_path(path));
    payload_[path] = {std::move(content), mode ? static_cast<uint32_t>(*mode) : mode_};
    return {};
  }

  Result<> add_keys(const std::map<std::string, std::string>& data, const std::vector<core::KeyToPath>& items,
                    bool optional, std::string_view what) {
    if (items.empty()) {
      for (const auto& [key, content] : data) TRY(add(key, content, std::nullopt));
      return {};
    }
    for (const core::KeyToPath& item : items) {
      const auto found = data.find(item.key);
      if (found == data.end()) {
        if (optional) continue;
        return fail(Code::kInvalid, "references non-existent {} key: {}", what, item.key);
      }
      TRY(add(item.path, found->second, item.mode));
    }
    return {};
  }

  Result<> add_config_map(const std::string& name, const std::vector<core::KeyToPath>& items, bool optional) {
    const auto found = objects_.named.config_maps.find(name);
    if (found == objects_.named.config_maps.end()) {
      if (optional) return {};
      return fail(Code::kNotFound, "configmap \"{}\" not found", name);
    }
    std::map<std::string, std::string> data = found->second.data;
    data.insert(found->second.binaryData.begin(), found->second.binaryData.end());
    return add_keys(data, items, optional, "config");
  }

  Result<> add_secret(const std::string& name, const std::vector<core::KeyToPath>& items, bool optional) {
    const auto found = objects_.named.secrets.find(name);
    if (found == objects_.named.secrets.end()) {
      if (optional) return {};
      return fail(Code::kNotFound, "secret \"{}\" not found", name);
    }
    return add_keys(found->second.data, items, optional, "secret");
  }

  Result<> add_downward(const std::vector<core::DownwardAPIVolumeFile>& items) {
    for (const core::DownwardAPIVolumeFile& item : items) {
      if (item.fieldRef) {
        TRY(add(item.path, TRY(pod_field(pod_, item.fieldRef->fieldPath, facts_)), item.mode));
      } else if (item.resourceFieldRef) {
        const core::Container* container = container_named(pod_, item.resourceFieldRef->containerName);
        if (!container)
          return fail(Code::kInvalid, "container {} not found", item.resourceFieldRef->containerName);
        TRY(add(item.path, TRY(resource_field(*container, *item.resourceFieldRef, facts_.node_allocatable)),
                item.mode));
      }
    }
    return {};
  }

  Result<> add_token(const core::ServiceAccountTokenProjection& projection) {
    const auto token = objects_.tokens.find(token_key(projection));
    if (token == objects_.tokens.end()) return fail(Code::kUnavailable, "no token for {}", projection.path);
    TRY(add(projection.path, token->second, std::nullopt));
    PayloadFile& file = payload_[projection.path];
    const bool has_group = pod_.spec.securityContext && pod_.spec.securityContext->fsGroup;
    file.uid = common_user(pod_);
    if (file.uid || has_group) file.mode = 0600;
    return {};
  }

  const core::Pod& pod_;
  const VolumeObjects& objects_;
  const DownwardFacts& facts_;
  uint32_t mode_ = kDefaultFileMode;
  Payload payload_;
};

}  // namespace

std::string token_key(const core::ServiceAccountTokenProjection& projection) {
  return fmt::format("{}\n{}", projection.audience, projection.expirationSeconds.value_or(3600));
}

VolumeNeeds needs_of(const core::Volume& volume) {
  VolumeNeeds needs;
  if (volume.configMap) needs.names.config_maps.insert(volume.configMap->name);
  if (volume.secret) needs.names.secrets.insert(volume.secret->secretName);
  if (!volume.projected) return needs;
  for (const core::VolumeProjection& source : volume.projected->sources) {
    if (source.configMap) needs.names.config_maps.insert(source.configMap->name);
    if (source.secret) needs.names.secrets.insert(source.secret->name);
    if (source.serviceAccountToken) needs.tokens.push_back(*source.serviceAccountToken);
  }
  return needs;
}

bool has_payload(const core::Volume& volume) {
  return volume.configMap || volume.secret || volume.downwardAPI || volume.projected;
}

Result<Payload> make_payload(const core::Pod& pod, const core::Volume& volume, const VolumeObjects& objects,
                             const DownwardFacts& facts) {
  return PayloadMaker(pod, objects, facts).run(volume);
}

}  // namespace cloudless::kubelet
