#include "kubelet/sources/object_watches.hpp"

#include "api/meta_v1.hpp"
#include "client/informer.hpp"
#include "kubelet/volumes/payload.hpp"

namespace cloudless::kubelet {

namespace {

using Metadata = api::meta::v1::PartialObjectMetadata;

void add(const ObjectNames& some, ObjectNames& all) {
  all.config_maps.insert(some.config_maps.begin(), some.config_maps.end());
  all.secrets.insert(some.secrets.begin(), some.secrets.end());
}

}  // namespace

struct ObjectWatches::Watch {
  Watch(const client::Client& client, const Key& key, Random& random, const Logger& log)
      : informer(client,
                 key.secret ? client::resource_of<core::Secret>() : client::resource_of<core::ConfigMap>(),
                 {.ns = key.ns, .field_selector = "metadata.name=" + key.name, .metadata_only = true}, random,
                 log) {}

  client::Informer<Metadata> informer;
  std::set<std::string> uids;  // of the pods that it is for
  runtime::CancelState cancel;
};

ObjectNames names_in_pod(const core::Pod& pod) {
  ObjectNames names;
  for (const auto* list : {&pod.spec.initContainers, &pod.spec.containers}) {
    for (const core::Container& container : *list) add(names_in_environment(container), names);
  }
  for (const core::Volume& volume : pod.spec.volumes) add(needs_of(volume).names, names);
  for (const core::LocalObjectReference& secret : pod.spec.imagePullSecrets)
    names.secrets.insert(secret.name);
  return names;
}

ObjectWatches::ObjectWatches(const client::Client& client, runtime::TaskScope& scope, Random& random,
                             Changed changed, Logger log)
    : client_(client), scope_(scope), random_(random), changed_(std::move(changed)), log_(std::move(log)) {}

ObjectWatches::~ObjectWatches() = default;

void ObjectWatches::follow(const core::Pod& pod) {
  const std::string& ns = pod.metadata.namespace_;
  const ObjectNames names = names_in_pod(pod);
  std::set<Key> wanted;
  for (const std::string& name : names.config_maps) wanted.insert({false, ns, name});
  for (const std::string& name : names.secrets) wanted.insert({true, ns, name});
  std::set<Key>& known = keys_[pod.metadata.uid];
  for (const Key& key : known) {
    if (!wanted.contains(key)) release(pod.metadata.uid, key);
  }
  for (const Key& key : wanted) {
    if (!known.contains(key)) follow(pod.metadata.uid, key);
  }
  known = std::move(wanted);
}

void ObjectWatches::forget(const std::string& uid) {
  const auto known = keys_.extract(uid);
  if (known.empty()) return;
  for (const Key& key : known.mapped()) release(uid, key);
}

void ObjectWatches::follow(const std::string& uid, const Key& key) {
  std::shared_ptr<Watch>& watch = watches_[key];
  if (!watch) {
    watch = std::make_shared<Watch>(client_, key, random_, log_);
    watch->informer.add_handler([this, key](const auto&, const auto&) { tell(key); });
    scope_.spawn(run(watch));
  }
  watch->uids.insert(uid);
}

void ObjectWatches::release(const std::string& uid, const Key& key) {
  const auto found = watches_.find(key);
  if (found == watches_.end()) return;
  found->second->uids.erase(uid);
  if (!found->second->uids.empty()) return;
  found->second->cancel.cancel();
  watches_.erase(found);
}

void ObjectWatches::tell(const Key& key) {
  const auto found = watches_.find(key);
  if (found == watches_.end()) return;
  const std::set<std::string> uids = found->second->uids;  // whoever is told may follow and forget
  for (const std::string& uid : uids) changed_(uid);
}

runtime::Task<void> ObjectWatches::run(std::shared_ptr<Watch> watch) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const runtime::LinkedCancel link(context.cancel, watch->cancel);
  co_await runtime::run_in({context.executor, &watch->cancel}, watch->informer.run());
}

}  // namespace cloudless::kubelet
