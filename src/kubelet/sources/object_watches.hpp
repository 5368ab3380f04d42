// ObjectWatches: tells which pods of this node a change of a config map or secret concerns. One watch per
// object that some pod names, narrowed to its name as the Node authorizer asks for, and of metadata alone:
// who is told reads the object anew.
//
// Belongs to one executor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "api/core_v1.hpp"
#include "client/client.hpp"
#include "kubelet/pod/environment.hpp"
#include "runtime/scope.hpp"

namespace cloudless::kubelet {

/// What a pod's volumes, environments and image pull secrets name.
ObjectNames names_in_pod(const core::Pod& pod);

class ObjectWatches {
 public:
  /// Told the uid of a pod that names a changed object; also once when the watch of it begins.
  using Changed = std::function<void(const std::string& uid)>;

  /// References outlive this, and the scope has ended when this is destroyed.
  ObjectWatches(const client::Client& client, runtime::TaskScope& scope, Random& random, Changed changed,
                Logger log);
  ~ObjectWatches();

  /// Watches what `pod` names now, and nothing else for it.
  void follow(const core::Pod& pod);
  void forget(const std::string& uid);

  size_t watch_count() const { return watches_.size(); }

 private:
  struct Watch;
  struct Key {
    bool secret;
    std::string ns;
    std::string name;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  void follow(const std::string& uid, const Key& key);
  void release(const std::string& uid, const Key& key);
  void tell(const Key& key);
  static runtime::Task<void> run(std::shared_ptr<Watch> watch);

  const client::Client& client_;
  runtime::TaskScope& scope_;
  Random& random_;
  const Changed changed_;
  const Logger log_;
  std::map<Key, std::shared_ptr<Watch>> watches_;
  std::map<std::string, std::set<Key>> keys_;  // by pod uid
};

}  // namespace cloudless::kubelet
