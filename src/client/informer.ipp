// Informer<T>'s bodies (informer.hpp).
#pragma once

namespace cloudless::client {

template <class T>
Result<> Informer<T>::replace_one(const boost::json::value& object) {
  auto decoded = std::make_shared<const T>(TRY(decode_object<T>(object)));
  listed_[object_key(namespace_of(*decoded), name_of(*decoded))] = std::move(decoded);
  return {};
}

template <class T>
void Informer<T>::end_replace() {
  std::vector<std::string> gone;
  for (const auto& [key, object] : cache_.all()) {
    // What observe() put in after the list was taken is not in the list and not gone.
    const bool newer = revision_of(resource_version_of(*object)) > reached();
    if (!listed_.contains(key) && !newer) gone.push_back(key);
  }
  for (const std::string& key : gone) erase(key);
  for (auto& [key, object] : std::exchange(listed_, {})) {
    const Ptr before = cache_.get(key);
    if (before && resource_version_of(*before) == resource_version_of(*object)) continue;
    if (before && revision_of(resource_version_of(*before)) > reached()) continue;
    put(key, object);
  }
}

template <class T>
Result<> Informer<T>::apply(EventType type, const boost::json::value& object) {
  auto decoded = std::make_shared<const T>(TRY(decode_object<T>(object)));
  const std::string key = object_key(namespace_of(*decoded), name_of(*decoded));
  const Ptr before = cache_.get(key);
  const bool is_older =
      before && revision_of(resource_version_of(*before)) > revision_of(resource_version_of(*decoded));
  if (is_older) return {};
  if (type == EventType::kDeleted) {
    erase(key);
  } else {
    put(key, std::move(decoded));
  }
  return {};
}

template <class T>
void Informer<T>::observe(const boost::json::value& answer) {
  auto decoded = decode_object<T>(answer);
  if (!decoded || name_of(*decoded).empty()) return;
  const int64_t revision = revision_of(resource_version_of(*decoded));
  if (!synced() || revision <= reached()) return;
  const std::string key = object_key(namespace_of(*decoded), name_of(*decoded));
  const Ptr before = cache_.get(key);
  if (before && revision_of(resource_version_of(*before)) >= revision) return;
  put(key, std::make_shared<const T>(std::move(*decoded)));
}

template <class T>
void Informer<T>::observe_deleted(const std::string& key, const std::string& uid, WallTime now) {
  const Ptr before = cache_.get(key);
  if (!before || uid_of(*before) != uid || is_deleting(*before)) return;
  T deleting = *before;
  mark_deleting(deleting, now);
  put(key, std::make_shared<const T>(std::move(deleting)));
}

}  // namespace cloudless::client
