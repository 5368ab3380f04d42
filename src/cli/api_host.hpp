// ApiHost: an API server with everything that it stands on, made from files and addresses: store, encryption,
// identity, audit log, the way to nodes, and a listener, on a thread of its own. `cloudless apiserver` runs
// one alone; ControlPlane runs one beside its roles.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/identity.hpp"
#include "apiserver/server.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "cli/datastore.hpp"
#include "net/address.hpp"
#include "net/in_process.hpp"
#include "net/tls.hpp"

namespace cloudless::cli {

/// A certificate and its key, each a PEM file.
struct CertificateFiles {
  std::string certificate;
  std::string key;
};

struct AuditOptions {
  /// An audit.k8s.io/v1 Policy; without one nothing is recorded.
  std::string policy_file;
  /// "-": standard output. Empty: no audit log.
  std::string log_path;
  int64_t max_megabytes = 100;
  int64_t max_backups = 10;
  int64_t max_days = 0;  // 0: backups are not removed for their age
};

/// Who is believed when it names a user in headers, and as whom the server speaks to extension API servers.
struct FrontProxyFiles {
  std::string client_ca;
  std::vector<std::string> allowed_names;
  std::vector<std::string> username_headers;
  std::vector<std::string> uid_headers;
  std::vector<std::string> group_headers;
  std::vector<std::string> extra_header_prefixes;
  CertificateFiles client;
};

struct ApiHostOptions {
  DatastoreOptions datastore;
  apiserver::ServerOptions server;

  net::IpAddress bind_address;
  uint16_t secure_port = 6443;
  /// The first is the default, others are chosen by name (SNI). Empty: a certificate that signs itself is
  /// made in `certificate_directory`.
  std::vector<CertificateFiles> serving;
  std::string certificate_directory;
  /// Names that the self-signed certificate is good for, besides localhost and the service.
  std::vector<std::string> serving_names;
  std::string client_ca;
  uint32_t streams_per_connection = 250;

  std::vector<std::string> issuers;
  std::vector<std::string> api_audiences;
  std::string signing_key_file;
  std::vector<std::string> verification_key_files;
  Duration max_token_life{0};
  bool extend_token_life = true;
  apiserver::Anonymous anonymous = apiserver::Anonymous::kAllowed;
  apiserver::BootstrapTokens bootstrap_tokens = apiserver::BootstrapTokens::kAccepted;
  std::string token_file;
  std::vector<apiserver::AuthorizationMode> authorization{apiserver::AuthorizationMode::kNode,
                                                          apiserver::AuthorizationMode::kRbac};
  apiserver::admission::ChainOptions admission;
  /// An AdmissionConfiguration, or empty.
  std::string admission_config_file;
  FrontProxyFiles front_proxy;

  /// As whom, and trusting which CA, node agents are reached. Without a CA they are not verified.
  CertificateFiles node_client;
  std::string node_ca;
  /// Which of a node's addresses to take, the best first.
  std::vector<std::string> node_address_types{"InternalIP"};

  /// The rest of the control plane, for componentstatuses.
  std::vector<apiserver::Component> components;

  /// An EncryptionConfiguration. Empty: values are stored as they are.
  std::string encryption_file;
  enum class Encryption { kAsConfigured, kMadeWhereMissing } encryption = Encryption::kAsConfigured;
  AuditOptions audit;
};

class ApiHost {
 public:
  /// All references outlive this.
  ApiHost(ApiHostOptions options, const Clock& clock, Random& random, metrics::Registry& registry,
          Logger log);
  ~ApiHost();

  /// Reads the files and opens the store. Blocking; before start().
  Result<> prepare();
  /// Returns when the API answers. Any loop.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// A way into the server for a role of this process. It is stopped before stop().
  std::unique_ptr<net::InProcessTransport> transport(std::string user, std::vector<std::string> groups);
  /// Where it listens. After start().
  uint16_t port() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace cloudless::cli
