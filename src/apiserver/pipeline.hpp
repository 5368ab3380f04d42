// The stages of a request, as interfaces:
//
//     Authenticator -> Impersonator -> Authorizer -> AdmissionPlugin (mutate) -> schema validation
//                   -> AdmissionPlugin (validate) -> registry -> ValueTransformer -> store
//
// The server is constructed with implementations; it knows none by name. All are called from every loop that
// serves connections, so they are thread-safe.
#pragma once

#include <boost/json/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/request_info.hpp"
#include "apiserver/status.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "net/http.hpp"
#include "runtime/task.hpp"

namespace cloudless::apiserver {

/// Who asks (k8s.io/apiserver/pkg/authentication/user).
struct UserInfo {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;

  bool in_group(std::string_view group) const;
};

inline constexpr std::string_view kGroupMasters = "system:masters";
inline constexpr std::string_view kGroupAuthenticated = "system:authenticated";
inline constexpr std::string_view kGroupUnauthenticated = "system:unauthenticated";
inline constexpr std::string_view kUserAnonymous = "system:anonymous";
/// The server's own writes: bootstrap objects, CRD status.
inline constexpr std::string_view kUserApiServer = "system:apiserver";

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// Who sent the request; nothing where this authenticator finds no credential of its kind (the next one is
  /// asked); kUnauthenticated where there is one that does not hold.
  virtual runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) = 0;
};

/// What is to be allowed (k8s.io/apiserver/pkg/authorization/authorizer).
struct Attributes {
  UserInfo user;
  std::string verb;
  bool is_resource_request = false;
  std::string group;
  std::string version;
  std::string resource;
  std::string subresource;
  std::string namespace_;
  std::string name;
  std::string path;  // for what is no resource
  std::string label_selector;
  std::string field_selector;
};

Attributes make_attributes(const UserInfo& user, const RequestInfo& info);

struct Decision {
  enum class Kind { kAllow, kDeny, kNoOpinion };
  Kind kind = Kind::kNoOpinion;
  std::string reason;

  bool allowed() const { return kind == Kind::kAllow; }
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  /// kDeny ends the search; kNoOpinion leaves it to the next authorizer, and is a refusal after the last.
  virtual runtime::Task<Decision> authorize(const Attributes& attributes) = 0;
};

/// Changes who asks where the Impersonate-* headers say so and the user may.
class Impersonator {
 public:
  virtual ~Impersonator() = default;
  /// The user to go on with: `user` itself where nothing is asked for; 403 where it is not permitted.
  virtual runtime::Task<ApiResult<UserInfo>> impersonate(const net::Headers& headers,
                                                         const UserInfo& user) = 0;
};

/// A stored object, decoded, in its storage version. Never changed.
using ObjectPtr = std::shared_ptr<const boost::json::object>;

/// The objects of this server from the inside: no authentication, authorization or admission. Reads come from
/// the watch caches and are at least as new as what this server last wrote.
class Objects {
 public:
  virtual ~Objects() = default;
  /// 404 where there is none. `namespace_` is empty for cluster-scoped resources.
  virtual runtime::Task<ApiResult<ObjectPtr>> get(const GroupResource& resource, std::string_view namespace_,
                                                  std::string_view name) = 0;
  /// All of a namespace, or of all with an empty one; in order of their keys.
  virtual runtime::Task<ApiResult<std::vector<ObjectPtr>>> list(const GroupResource& resource,
                                                                std::string_view namespace_) = 0;
  /// Changes with every change of the resource's objects, so that what is computed from them can be kept.
  virtual runtime::Task<ApiResult<uint64_t>> revision(const GroupResource& resource) = 0;

  /// Writes go through defaulting, validation and the resource's strategy. They return what was stored.
  virtual runtime::Task<ApiResult<ObjectPtr>> create(const GroupResource& resource,
                                                     boost::json::object object) = 0;
  /// With metadata.resourceVersion only that version is replaced.
  virtual runtime::Task<ApiResult<ObjectPtr>> update(const GroupResource& resource,
                                                     std::string_view subresource,
                                                     boost::json::object object) = 0;
  virtual runtime::Task<ApiResult<>> remove(const GroupResource& resource, std::string_view namespace_,
                                            std::string_view name) = 0;
};

enum class Operation { kCreate, kUpdate, kDelete, kConnect };
std::string_view to_string(Operation operation);  // "CREATE", ...

/// What admission looks at, and in admit() may change.
struct AdmissionRequest {
  Operation operation = Operation::kCreate;
  std::string group;
  std::string version;
  std::string resource;
  std::string subresource;
  std::string kind;  // of the object
  std::string namespace_;
  std::string name;  // may be empty on create with generateName
  const UserInfo& user;
  bool dry_run = false;
  /// The object to be stored; null for delete. For connect, the options made from the query.
  boost::json::object* object = nullptr;
  /// The object as stored; null for create. For deletecollection null.
  const boost::json::object* old_object = nullptr;
  /// CreateOptions, UpdateOptions, DeleteOptions; null where there are none.
  const boost::json::object* options = nullptr;
  /// Texts for Warning headers.
  std::vector<std::string>& warnings;
  /// For the audit log.
  std::map<std::string, std::string>& audit_annotations;

  GroupResource group_resource() const { return {group, resource}; }
};

/// One admission plugin. All admit() run first, in order, then defaulting and validation, then all
/// validate().
class AdmissionPlugin {
 public:
  virtual ~AdmissionPlugin() = default;
  /// Upstream's name of the plugin: "NamespaceLifecycle".
  virtual std::string_view name() const = 0;
  virtual bool handles(Operation operation) const = 0;
  /// May change *request.object; an error refuses the request.
  virtual runtime::Task<ApiResult<>> admit(AdmissionRequest& request) = 0;
  /// An error refuses the request.
  virtual runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) = 0;
};

/// Who asks, on what, for handlers below.
struct CreateContext {
  const UserInfo& user;
  std::string namespace_;
  std::string name;  // of the parent, for a subresource
  bool dry_run = false;
};

/// A resource, or a subresource, that is only created and never stored: TokenReview, SubjectAccessReview,
/// serviceaccounts/token.
class VirtualResource {
 public:
  virtual ~VirtualResource() = default;
  /// The answer to `object`, which is decoded and defaulted but not validated.
  virtual runtime::Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                                               boost::json::object object) = 0;
};

/// Turns values into what the store keeps, and back: encryption at rest.
class ValueTransformer {
 public:
  virtual ~ValueTransformer() = default;
  /// `key` is the store's key; it is authenticated with the value.
  virtual Result<std::string> to_storage(std::string_view key, std::string value) = 0;
  struct Plain {
    std::string value;
    bool stale = false;  // written with a key that is not the first: rewritten at the next update
  };
  virtual Result<Plain> from_storage(std::string_view key, std::string stored) = 0;
};

/// One request for the audit log (audit.k8s.io/v1 Event, stages RequestReceived to ResponseComplete in one).
struct AuditRecord {
  std::string audit_id;
  std::string request_uri;
  Attributes attributes;
  std::optional<UserInfo> impersonated_user;
  std::vector<std::string> source_ips;
  std::string user_agent;
  WallTime received;
  WallTime completed;
  int response_code = 0;
  std::optional<ApiStatus> failure;
  SharedBytes request_body;   // JSON; empty unless wanted
  SharedBytes response_body;  // JSON; empty unless wanted
  std::map<std::string, std::string> annotations;
};

class Auditor {
 public:
  virtual ~Auditor() = default;
  enum class Level { kNone, kMetadata, kRequest, kRequestResponse };
  virtual Level level(const Attributes& attributes) const = 0;
  /// Must not block; drops and counts what it cannot take.
  virtual void record(Level level, AuditRecord record) = 0;
};

/// The way to a node's agent, for logs, exec, attach, port-forward and proxy, and to what else the server
/// calls.
class NodeConnector {
 public:
  virtual ~NodeConnector() = default;
  /// A transport to the agent of `node` (a v1 Node). Requests have the agent's paths ("/containerLogs/...").
  virtual runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(const boost::json::object& node) = 0;
  /// A transport to a pod's or a Service's address, for the proxy subresources.
  virtual runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(std::string_view scheme,
                                                                         std::string_view host,
                                                                         uint16_t port) = 0;
  /// A transport to an extension API server (kube-aggregator), with this server's front-proxy certificate.
  struct Extension {
    std::string host;
    uint16_t port = 443;
    std::string server_name;  // that the certificate has to have
    std::string ca_bundle;    // PEM; empty: the system's
    bool verify = true;
  };
  virtual runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(const Extension& extension) = 0;
};

}  // namespace cloudless::apiserver
