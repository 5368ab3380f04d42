// Plugins that fill in one field each.
#pragma once

#include "apiserver/admission/plugin.hpp"

namespace cloudless::apiserver::admission {

/// DefaultTolerationSeconds: pods stay for five minutes on a node that is not ready or unreachable.
class DefaultTolerationSeconds final : public Plugin {
 public:
  DefaultTolerationSeconds() : Plugin("DefaultTolerationSeconds", {Operation::kCreate, Operation::kUpdate}) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
};

/// TaintNodesByCondition: a new node takes no pods before it is known to be ready.
class TaintNodesByCondition final : public Plugin {
 public:
  TaintNodesByCondition() : Plugin("TaintNodesByCondition", {Operation::kCreate}) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
};

/// StorageObjectInUseProtection: claims and volumes are not removed while they are in use.
class StorageObjectInUseProtection final : public Plugin {
 public:
  StorageObjectInUseProtection() : Plugin("StorageObjectInUseProtection", {Operation::kCreate}) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
};

/// DefaultStorageClass and DefaultIngressClass: objects that name no class get the newest that is marked as
/// default.
class DefaultClass final : public Plugin {
 public:
  /// What gets a class: the object, the field, the classes and the annotation that marks the default.
  struct Kind {
    std::string_view plugin;
    GroupResource object;
    std::string_view field;              // in spec
    std::string_view legacy_annotation;  // on the object; counts as naming a class
    GroupResource classes;
    std::string_view default_annotation;
  };
  static Kind storage_class();
  static Kind ingress_class();

  DefaultClass(Kind kind, Objects& objects)
      : Plugin(kind.plugin, {Operation::kCreate}), kind_(kind), objects_(objects) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;

 private:
  const Kind kind_;
  Objects& objects_;
};

/// RuntimeClass: the overhead and the placement that a pod's runtime class asks for.
class RuntimeClass final : public Plugin {
 public:
  explicit RuntimeClass(Objects& objects) : Plugin("RuntimeClass", {Operation::kCreate}), objects_(objects) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  Objects& objects_;
};

/// PersistentVolumeClaimResize: only claims of classes that allow it grow.
class PersistentVolumeClaimResize final : public Plugin {
 public:
  explicit PersistentVolumeClaimResize(Objects& objects)
      : Plugin("PersistentVolumeClaimResize", {Operation::kUpdate}), objects_(objects) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  Objects& objects_;
};

/// Upstream's --allow-privileged=false, which its validation enforces on pods and on the templates of
/// what makes pods: no container is privileged.
class PrivilegedContainers final : public Plugin {
 public:
  PrivilegedContainers() : Plugin("PrivilegedContainers", {Operation::kCreate, Operation::kUpdate}) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;
};

}  // namespace cloudless::apiserver::admission
