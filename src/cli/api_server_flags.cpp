#include "cli/api_server_flags.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "apiserver/registry/service_addresses.hpp"
#include "base/strings.hpp"
#include "cli/flag_set.hpp"

namespace cloudless::cli {

namespace {

using Takes = FlagSet::Takes;

// Where upstream's controller manager and scheduler answer /healthz.
constexpr uint16_t kControllerManagerPort = 10257;
constexpr uint16_t kSchedulerPort = 10259;
// Upstream's, where none is given.
constexpr const char* kDefaultServiceRange = "10.0.0.0/24";

// What the flags say, before it is judged.
struct Flags {
  std::vector<std::string> etcd_servers;
  std::string datastore_endpoint;
  std::string etcd_prefix = "/registry";
  std::string storage_backend;
  DatastoreOptions etcd;
  Duration compaction_interval = std::chrono::minutes(5);
  Duration event_ttl = std::chrono::hours(1);

  std::string bind_address = "0.0.0.0";
  std::string advertise_address;
  int64_t secure_port = 6443;
  std::string tls_cert_file;
  std::string tls_private_key_file;
  std::vector<std::string> sni;
  std::string cert_dir = "/var/run/kubernetes";
  std::string client_ca_file;
  int64_t streams = 250;
  apiserver::InFlightLimits in_flight;

  std::vector<std::string> issuers;
  std::vector<std::string> key_files;
  std::string signing_key_file;
  std::vector<std::string> api_audiences;
  Duration max_token_life{0};
  bool extend_tokens = true;
  bool anonymous = true;
  bool bootstrap_tokens = false;
  std::string token_file;
  std::vector<std::string> authorization{"AlwaysAllow"};
  std::vector<std::string> enable_plugins;
  std::vector<std::string> disable_plugins;
  bool allow_privileged = false;
  std::string admission_config_file;

  FrontProxyFiles proxy;
  CertificateFiles kubelet;
  std::string kubelet_ca;
  std::vector<std::string> address_types{"Hostname", "InternalDNS", "InternalIP", "ExternalDNS",
                                         "ExternalIP"};

  std::string service_range;
  std::string node_ports = "30000-32767";
  std::string endpoint_reconciler = "lease";
  std::string encryption_file;
  AuditOptions audit;
  std::string audit_format = "json";
  std::string logging_format = "text";
  int64_t verbosity = 0;
};

void bind_storage(FlagSet& set, Flags& flags) {
  set.list("etcd-servers", flags.etcd_servers, "etcd servers to connect with (scheme://ip:port), by commas");
  set.text("datastore-endpoint", flags.datastore_endpoint,
           "sqlite://FILE or postgres://..., in the place of --etcd-servers");
  set.text("etcd-prefix", flags.etcd_prefix, "What all keys in etcd start with");
  set.text("etcd-cafile", flags.etcd.ca_file, "CA that the etcd servers are verified by");
  set.text("etcd-certfile", flags.etcd.cert_file, "Certificate to show the etcd servers");
  set.text("etcd-keyfile", flags.etcd.key_file, "Its key");
  set.text("storage-backend", flags.storage_backend, "etcd3");
  set.duration("etcd-compaction-interval", flags.compaction_interval,
               "How often old revisions are compacted; 0 leaves it to others");
  set.duration("event-ttl", flags.event_ttl, "How long events are kept");
  set.text("encryption-provider-config", flags.encryption_file,
           "EncryptionConfiguration: which resources are stored encrypted");
}

void bind_serving(FlagSet& set, Flags& flags) {
  set.text("bind-address", flags.bind_address, "The address to listen on");
  set.text("advertise-address", flags.advertise_address,
           "The address that the cluster reaches this server by");
  set.number("secure-port", flags.secure_port, "The port to serve HTTPS on");
  set.text("tls-cert-file", flags.tls_cert_file, "The server's certificate, with what signed it behind it");
  set.text("tls-private-key-file", flags.tls_private_key_file, "Its key");
  set.repeated("tls-sni-cert-key", flags.sni, "CERTIFICATE,KEY for the names that the certificate holds");
  set.text("cert-dir", flags.cert_dir,
           "Where a certificate that signs itself is made, when --tls-cert-file is not given");
  set.text("client-ca-file", flags.client_ca_file, "CA that users' certificates are verified by");
  set.number("http2-max-streams-per-connection", flags.streams, "Requests at once on one HTTP/2 connection");
  set.number("max-requests-inflight", flags.in_flight.reading,
             "Requests that read and are worked on at once; more are refused with 429. 0: no limit");
  set.number("max-mutating-requests-inflight", flags.in_flight.mutating, "The same of requests that write");
}

void bind_identity(FlagSet& set, Flags& flags) {
  set.repeated("service-account-issuer", flags.issuers,
               "Issuer of service account tokens; the first signs, all are accepted");
  set.repeated("service-account-key-file", flags.key_files,
               "Keys that service account tokens are verified by");
  set.text("service-account-signing-key-file", flags.signing_key_file,
           "The key that signs service account tokens");
  set.list("api-audiences", flags.api_audiences, "Audiences of the API (default: the issuers)");
  set.duration("service-account-max-token-expiration", flags.max_token_life,
               "The longest life that a token may ask for");
  set.truth("service-account-extend-token-expiration", flags.extend_tokens,
            "Let pods' tokens outlive what they ask for");
  set.truth("anonymous-auth", flags.anonymous, "Whether requests without a credential are system:anonymous");
  set.truth("enable-bootstrap-token-auth", flags.bootstrap_tokens,
            "Whether bootstrap tokens of kube-system are accepted");
  set.text("token-auth-file", flags.token_file, "CSV of tokens: token,user,uid,\"group1,group2\"");
  set.list("authorization-mode", flags.authorization, "Of Node, RBAC, AlwaysAllow, AlwaysDeny, in order");
  set.list("enable-admission-plugins", flags.enable_plugins, "Admission plugins besides the default ones");
  set.list("disable-admission-plugins", flags.disable_plugins, "Default admission plugins to leave out");
  set.text("admission-control-config-file", flags.admission_config_file,
           "AdmissionConfiguration: what PodSecurity asks for where namespaces say nothing");
  set.truth("allow-privileged", flags.allow_privileged, "Whether pods may have privileged containers");
}

void bind_proxies(FlagSet& set, Flags& flags) {
  FrontProxyFiles& proxy = flags.proxy;
  set.text("requestheader-client-ca-file", proxy.client_ca, "CA of proxies that name users in headers");
  set.list("requestheader-allowed-names", proxy.allowed_names, "Common names of those proxies; empty: any");
  set.list("requestheader-username-headers", proxy.username_headers, "Headers that name the user");
  set.list("requestheader-uid-headers", proxy.uid_headers, "Headers that hold the user's uid");
  set.list("requestheader-group-headers", proxy.group_headers, "Headers that name the user's groups");
  set.list("requestheader-extra-headers-prefix", proxy.extra_header_prefixes,
           "What headers with more about the user begin with");
  set.text("proxy-client-cert-file", proxy.client.certificate, "Certificate to show extension API servers");
  set.text("proxy-client-key-file", proxy.client.key, "Its key");
  set.text("kubelet-client-certificate", flags.kubelet.certificate, "Certificate to show node agents");
  set.text("kubelet-client-key", flags.kubelet.key, "Its key");
  set.text("kubelet-certificate-authority", flags.kubelet_ca, "CA that node agents are verified by");
  set.list("kubelet-preferred-address-types", flags.address_types, "Which address of a node to take first");
}

void bind_rest(FlagSet& set, Flags& flags) {
  set.text("service-cluster-ip-range", flags.service_range, "CIDR of Services' addresses");
  set.text("service-node-port-range", flags.node_ports, "Ports that NodePorts are of");
  set.text("endpoint-reconciler-type", flags.endpoint_reconciler,
           "none: the endpoints of the kubernetes Service are left alone");
  set.text("audit-policy-file", flags.audit.policy_file, "Which requests are recorded");
  set.text("audit-log-path", flags.audit.log_path, "Where to record them; '-' is standard output");
  set.number("audit-log-maxage", flags.audit.max_days, "Days that old audit logs are kept");
  set.number("audit-log-maxbackup", flags.audit.max_backups, "Old audit logs that are kept");
  set.number("audit-log-maxsize", flags.audit.max_megabytes, "Megabytes before an audit log is rotated");
  set.text("audit-log-format", flags.audit_format, "json");
  set.text("logging-format", flags.logging_format, "text or json");
  set.number("v", flags.verbosity, "4 and more: log more");
}

// Known upstream, without meaning here: tuning of its caches, queues and loggers, and its feature switches.
void bind_ineffective(FlagSet& set) {
  set.without_effect(Takes::kValue, {"admission-control",
                                     "apiserver-count",
                                     "audit-log-batch-buffer-size",
                                     "audit-log-batch-max-size",
                                     "audit-log-batch-max-wait",
                                     "audit-log-batch-throttle-burst",
                                     "audit-log-batch-throttle-qps",
                                     "audit-log-mode",
                                     "audit-log-truncate-max-batch-size",
                                     "audit-log-truncate-max-event-size",
                                     "audit-log-version",
                                     "cloud-config",
                                     "cloud-provider",
                                     "cors-allowed-origins",
                                     "coordinated-leadership-lease-duration",
                                     "default-not-ready-toleration-seconds",
                                     "default-unreachable-toleration-seconds",
                                     "default-watch-cache-size",
                                     "delete-collection-workers",
                                     "emulated-version",
                                     "etcd-count-metric-poll-period",
                                     "etcd-db-metric-poll-interval",
                                     "etcd-healthcheck-timeout",
                                     "etcd-readycheck-timeout",
                                     "etcd-servers-overrides",
                                     "external-hostname",
                                     "feature-gates",
                                     "goaway-chance",
                                     "identity-lease-duration-seconds",
                                     "identity-lease-renew-interval-seconds",
                                     "kubelet-port",
                                     "kubelet-read-only-port",
                                     "kubelet-timeout",
                                     "kubernetes-service-node-port",
                                     "lease-reuse-duration-seconds",
                                     "livez-grace-period",
                                     "log-flush-frequency",
                                     "log-json-info-buffer-size",
                                     "log-json-split-stream",
                                     "log-text-info-buffer-size",
                                     "log-text-split-stream",
                                     "master-service-namespace",
                                     "max-connection-bytes-per-sec",
                                     "min-compatibility-version",
                                     "min-request-timeout",
                                     "peer-advertise-ip",
                                     "peer-advertise-port",
                                     "peer-ca-file",
                                     "request-timeout",
                                     "runtime-config",
                                     "service-account-api-audiences",
                                     "service-account-jwks-uri",
                                     "show-hidden-metrics-for-version",
                                     "disabled-metrics",
                                     "allow-metric-labels",
                                     "allow-metric-labels-manifest",
                                     "shutdown-delay-duration",
                                     "storage-media-type",
                                     "strict-transport-security-directives",
                                     "tls-cipher-suites",
                                     "tls-min-version",
                                     "tracing-config-file",
                                     "vmodule",
                                     "watch-cache-sizes",
                                     "shutdown-watch-termination-grace-period",
                                     "debug-socket-path",
                                     "stderrthreshold",
                                     "log-backtrace-at",
                                     "log-dir",
                                     "log-file",
                                     "log-file-max-size"});
  set.without_effect(Takes::kTruth, {"aggregator-reject-forwarding-redirects",
                                     "audit-log-compress",
                                     "audit-log-truncate-enabled",
                                     "contention-profiling",

                                     "emulation-forward-compatible",
                                     "enable-aggregator-routing",
                                     "enable-garbage-collector",
                                     "enable-logs-handler",
                                     "enable-priority-and-fairness",
                                     "encryption-provider-config-automatic-reload",
                                     "permit-address-sharing",
                                     "permit-port-sharing",
                                     "profiling",
                                     "runtime-config-emulation-forward-compatible",
                                     "service-account-lookup",
                                     "shutdown-send-retry-after",

                                     "unsupported-kube-api-over-localhost",
                                     "watch-cache",
                                     "alsologtostderr",
                                     "logtostderr",
                                     "add-dir-header",
                                     "one-output",
                                     "skip-headers",
                                     "skip-log-headers"});
}

// What users rely on for who may do what: better not started than started without.
void bind_refused(FlagSet& set) {
  set.refused({"oidc-issuer-url", "oidc-client-id", "oidc-ca-file", "oidc-groups-claim", "oidc-groups-prefix",
               "oidc-required-claim", "oidc-signing-algs", "oidc-username-claim", "oidc-username-prefix",
               "authentication-config", "authentication-token-webhook-config-file",
               "authentication-token-webhook-cache-ttl", "authentication-token-webhook-version"},
              "authentication by OIDC or webhook is not supported");
  set.refused({"authorization-config", "authorization-policy-file", "authorization-webhook-config-file",
               "authorization-webhook-cache-authorized-ttl", "authorization-webhook-cache-unauthorized-ttl",
               "authorization-webhook-version"},
              "authorization by webhook or ABAC is not supported; use Node,RBAC");
  set.refused({"egress-selector-config-file"}, "egress selection is not supported");
  set.refused({"audit-webhook-config-file", "audit-webhook-mode", "audit-webhook-version",
               "audit-webhook-initial-backoff", "audit-webhook-batch-buffer-size",
               "audit-webhook-batch-max-size", "audit-webhook-batch-max-wait",
               "audit-webhook-batch-throttle-burst", "audit-webhook-batch-throttle-qps"},
              "audit webhooks are not supported; use --audit-log-path");
  set.refused({"service-account-signing-endpoint"},
              "signing by another process is not supported; use --service-account-signing-key-file");
}

void bind_all(FlagSet& set, Flags& flags) {
  bind_storage(set, flags);
  bind_serving(set, flags);
  bind_identity(set, flags);
  bind_proxies(set, flags);
  bind_rest(set, flags);
  bind_ineffective(set);
  bind_refused(set);
}

Result<std::vector<apiserver::AuthorizationMode>> modes_of(const std::vector<std::string>& names) {
  using apiserver::AuthorizationMode;
  static const std::map<std::string, AuthorizationMode, std::less<>> kModes{
      {"AlwaysAllow", AuthorizationMode::kAlwaysAllow},
      {"AlwaysDeny", AuthorizationMode::kAlwaysDeny},
      {"Node", AuthorizationMode::kNode},
      {"RBAC", AuthorizationMode::kRbac}};
  if (names.empty()) return fail(Code::kInvalid, "at least one authorization-mode must be passed");
  std::vector<AuthorizationMode> modes;
  for (const std::string& name : names) {
    const auto found = kModes.find(name);
    if (name == "Webhook" || name == "ABAC")
      return fail(Code::kInvalid, "authorization-mode {} is not supported; use Node,RBAC", quote(name));
    if (found == kModes.end())
      return fail(Code::kInvalid, "authorization-mode {} is not a valid mode", quote(name));
    if (std::ranges::find(modes, found->second) != modes.end()) {
      return fail(Code::kInvalid, "authorization-mode [{}] has mode specified more than once",
                  join(names, " "));
    }
    modes.push_back(found->second);
  }
  return modes;
}

struct PortRange {
  uint16_t first;
  uint16_t last;
};

// "30000-32767", "30000+2767" or one port (k8s.io/apimachinery/pkg/util/net.PortRange).
Result<PortRange> parse_ports(std::string_view text) {
  const size_t mark = text.find_first_of("-+");
  const auto number = [](std::string_view digits) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : int64_t{-1};
  };
  const int64_t first = number(text.substr(0, mark));
  int64_t last = mark == std::string_view::npos ? first : number(text.substr(mark + 1));
  if (last >= 0 && mark != std::string_view::npos && text[mark] == '+') last += first;
  if (first < 1 || last < first || last > 65535) {
    return fail(Code::kInvalid, "--service-node-port-range {}: not a range of ports such as 30000-32767",
                quote(text));
  }
  return PortRange{static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
}

Result<net::IpAddress> address_of(std::string_view flag, const std::string& text) {
  auto address = net::IpAddress::parse(text);
  if (!address) return fail(Code::kInvalid, "--{}: {} is not an IP address", flag, quote(text));
  return address;
}

Result<> apply_storage(const Flags& flags, ApiHostOptions& host) {
  if (flags.etcd_servers.empty() && flags.datastore_endpoint.empty())
    return fail(Code::kInvalid, "--etcd-servers must be specified");
  if (!flags.etcd_servers.empty() && !flags.datastore_endpoint.empty())
    return fail(Code::kInvalid, "--etcd-servers and --datastore-endpoint exclude each other");
  if (!flags.storage_backend.empty() && flags.storage_backend != "etcd3") {
    return fail(Code::kInvalid,
                "--storage-backend invalid, allowed values: etcd3. If not specified, it will "
                "default to 'etcd3'");
  }
  host.datastore = flags.etcd;
  for (const std::string& server : flags.etcd_servers) {
    if (!server.starts_with("http://") && !server.starts_with("https://")) {
      return fail(Code::kInvalid, "--etcd-servers {}: each is http://HOST:PORT or https://HOST:PORT",
                  quote(server));
    }
  }
  host.datastore.endpoint =
      flags.etcd_servers.empty() ? flags.datastore_endpoint : join(flags.etcd_servers, ",");
  const std::string& prefix = flags.etcd_prefix;
  host.server.storage_root = prefix.starts_with('/') ? prefix : "/" + prefix;
  host.server.compaction_interval = flags.compaction_interval;
  host.server.event_ttl = std::chrono::duration_cast<std::chrono::seconds>(flags.event_ttl);
  host.encryption_file = flags.encryption_file;
  return {};
}

Result<> apply_serving(const Flags& flags, ApiServerPlan& plan) {
  ApiHostOptions& host = plan.host;
  if (flags.secure_port < 1 || flags.secure_port > 65535) {
    return fail(Code::kInvalid,
                "--secure-port {} must be between 1 and 65535, inclusive. It cannot be "
                "turned off with 0",
                flags.secure_port);
  }
  host.bind_address = TRY(address_of("bind-address", flags.bind_address));
  host.secure_port = static_cast<uint16_t>(flags.secure_port);
  host.server.advertise_port = host.secure_port;
  if (flags.tls_cert_file.empty() != flags.tls_private_key_file.empty())
    return fail(Code::kInvalid, "--tls-cert-file and --tls-private-key-file must be specified together");
  if (!flags.tls_cert_file.empty()) host.serving = {{flags.tls_cert_file, flags.tls_private_key_file}};
  for (const std::string& text : flags.sni) {
    // ":names" behind the files restricts to some of the certificate's names, which TLS does by itself.
    const std::string_view files = std::string_view(text).substr(0, text.find(':'));
    const auto parts = split(files, ',');
    if (parts.size() != 2)
      return fail(Code::kInvalid,
                  "--tls-sni-cert-key: expected comma separated certificate and key file paths");
    host.serving.push_back({std::string(parts[0]), std::string(parts[1])});
  }
  host.certificate_directory = flags.cert_dir;
  host.client_ca = flags.client_ca_file;
  if (flags.in_flight.reading < 0)
    return fail(Code::kInvalid, "--max-requests-inflight can not be negative value");
  if (flags.in_flight.mutating < 0)
    return fail(Code::kInvalid, "--max-mutating-requests-inflight can not be negative value");
  host.server.in_flight = flags.in_flight;
  host.streams_per_connection = static_cast<uint32_t>(std::clamp<int64_t>(flags.streams, 1, 100'000));
  if (flags.endpoint_reconciler == "none") return {};
  // A server that listens on one address is reached by it.
  std::string advertised = flags.advertise_address;
  if (advertised.empty() && !host.bind_address.is_unspecified()) advertised = host.bind_address.to_string();
  if (!advertised.empty()) advertised = TRY(address_of("advertise-address", advertised)).to_string();
  plan.find_advertise_address = advertised.empty();
  host.server.advertise_address = advertised;
  return {};
}

Result<> apply_identity(const FlagSet& set, const Flags& flags, ApiServerPlan& plan) {
  ApiHostOptions& host = plan.host;
  if (flags.issuers.empty() || flags.issuers.front().empty())
    return fail(Code::kInvalid, "--service-account-issuer is a required flag");
  if (flags.signing_key_file.empty()) {
    return fail(Code::kInvalid,
                "--service-account-signing-key-file and --service-account-issuer are required flags");
  }
  if (flags.key_files.empty()) return fail(Code::kInvalid, "--service-account-key-file is a required flag");
  host.issuers = flags.issuers;
  host.signing_key_file = flags.signing_key_file;
  host.verification_key_files = flags.key_files;
  host.api_audiences = flags.api_audiences;
  host.max_token_life = flags.max_token_life;
  host.extend_token_life = flags.extend_tokens;
  host.authorization = TRY(modes_of(flags.authorization));
  const bool allows_all = std::ranges::find(host.authorization, apiserver::AuthorizationMode::kAlwaysAllow) !=
                          host.authorization.end();
  if (flags.anonymous && allows_all && !set.given("anonymous-auth")) {
    plan.notices.emplace_back("anonymous requests are refused, as --authorization-mode allows everything");
  }
  const bool anonymous = flags.anonymous && (!allows_all || set.given("anonymous-auth"));
  host.anonymous = anonymous ? apiserver::Anonymous::kAllowed : apiserver::Anonymous::kRefused;
  host.bootstrap_tokens =
      flags.bootstrap_tokens ? apiserver::BootstrapTokens::kAccepted : apiserver::BootstrapTokens::kRefused;
  host.token_file = flags.token_file;
  host.admission.disabled =
      TRY(apiserver::admission::disabled_plugins(flags.enable_plugins, flags.disable_plugins));
  for (const std::string& name : apiserver::admission::missing_plugins(flags.enable_plugins))
    plan.notices.push_back(fmt::format("admission plugin {} does not exist here and has no effect", name));
  host.admission_config_file = flags.admission_config_file;
  host.admission.privileged = flags.allow_privileged ? apiserver::admission::Privileged::kAllowed
                                                     : apiserver::admission::Privileged::kRefused;
  return {};
}

Result<> apply_rest(const Flags& flags, ApiServerPlan& plan) {
  ApiHostOptions& host = plan.host;
  host.front_proxy = flags.proxy;
  host.node_client = flags.kubelet;
  host.node_ca = flags.kubelet_ca;
  host.node_address_types = flags.address_types;
  if (flags.service_range.empty()) {
    plan.notices.push_back(fmt::format(
        "--service-cluster-ip-range is not given; Services get addresses of {}", kDefaultServiceRange));
  }
  host.server.service_cidr = flags.service_range.empty() ? kDefaultServiceRange : flags.service_range;
  const auto services = apiserver::parse_service_ranges(host.server.service_cidr);
  if (!services) return wrap(services.error(), "--service-cluster-ip-range");
  const PortRange ports = TRY(parse_ports(flags.node_ports));
  host.server.first_node_port = ports.first;
  host.server.last_node_port = ports.last;
  if (flags.audit_format != "json") {
    return fail(Code::kInvalid, "--audit-log-format {}: the audit log is written as json",
                quote(flags.audit_format));
  }
  host.audit = flags.audit;
  host.components = {{"controller-manager", kControllerManagerPort}, {"scheduler", kSchedulerPort}};
  if (flags.logging_format != "text" && flags.logging_format != "json")
    return fail(Code::kInvalid, "logging-format: unsupported log format: {}", quote(flags.logging_format));
  plan.log.format = flags.logging_format;
  plan.log.level = flags.verbosity >= 4 ? "debug" : "info";
  return {};
}

}  // namespace

Result<ApiServerPlan> plan_api_server(std::span<const std::string> arguments) {
  Flags flags;
  FlagSet set;
  bind_all(set, flags);
  TRY(set.parse(arguments));
  ApiServerPlan plan;
  TRY(apply_storage(flags, plan.host));
  TRY(apply_serving(flags, plan));
  TRY(apply_identity(set, flags, plan));
  TRY(apply_rest(flags, plan));
  for (const std::string& name : set.ineffective())
    plan.notices.push_back(fmt::format("--{} has no effect here", name));
  return plan;
}

std::string api_server_help() {
  Flags flags;
  FlagSet set;
  bind_all(set, flags);
  return set.help();
}

}  // namespace cloudless::cli
