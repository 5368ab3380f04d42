#include "cli/shared_certificates.hpp"

#include <algorithm>

#include "apiserver/encryption/encryption.hpp"
#include "base/encoding.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "bootstrap/cluster_objects.hpp"
#include "bootstrap/token.hpp"
#include "cli/files.hpp"

namespace cloudless::cli {

namespace kubeadm = api::kubeadm::v1beta4;
using api::core::v1::Secret;
using runtime::Task;

namespace {

constexpr size_t kKeyBytes = 32;
constexpr std::string_view kNamespace = "kube-system";
constexpr const char* kDatastoreEndpoint = "datastore-endpoint";
constexpr mode_t kPublicMode = 0644;
constexpr mode_t kSecretMode = 0600;

struct SharedFile {
  std::string name;
  std::string path;
  bool is_required = true;
};

std::vector<SharedFile> shared_files(const NodeLayout& layout, const kubeadm::ClusterConfiguration& cluster) {
  const std::string pki = layout.pki_dir() + "/";
  std::vector<SharedFile> files;
  for (const char* name :
       {"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key"})
    files.push_back({name, pki + name});
  files.push_back({"encryption.yaml", pki + "encryption.yaml", false});
  if (!cluster.etcd.external) return files;
  const auto& external = *cluster.etcd.external;
  if (!external.caFile.empty()) files.push_back({"external-etcd-ca.crt", external.caFile});
  if (!external.certFile.empty()) files.push_back({"external-etcd.crt", external.certFile});
  if (!external.keyFile.empty()) files.push_back({"external-etcd.key", external.keyFile});
  return files;
}

mode_t mode_of(const std::string& name) {
  return name.ends_with(".crt") || name.ends_with(".pub") ? kPublicMode : kSecretMode;
}

// postgres://user:PASSWORD@host/db?password=PASSWORD
std::string without_password(std::string url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos || !url.starts_with("postgres")) return url;
  const size_t user = scheme + 3;
  const size_t at = url.rfind('@', url.find('/', user));
  const size_t colon = url.find(':', user);
  if (at != std::string::npos && colon < at) url.erase(colon, at - colon);
  if (const size_t word = url.find("password="); word != std::string::npos) {
    const size_t end = url.find('&', word);
    url.erase(word, end == std::string::npos ? end : end + 1 - word);
  }
  if (url.ends_with('?') || url.ends_with('&')) url.pop_back();
  return url;
}

// The token that the Secret belongs to, as kubeadm makes it.
bootstrap::BootstrapTokenSpec owner_token(Random& random, WallTime now) {
  bootstrap::BootstrapTokenSpec token;
  token.token = bootstrap::BootstrapTokenId::generate(random);
  token.description = "Proxy for managing TTL for the kubeadm-certs secret";
  token.expires = now + kCertificatesLifetime;
  token.usages.clear();
  token.groups.clear();
  return token;
}

Task<Result<Secret>> make_owner(const client::Client& client, Random& random, WallTime now) {
  co_return co_await client.create(CO_TRY(bootstrap::to_secret(owner_token(random, now))));
}

}  // namespace

std::string make_certificate_key(Random& random) { return hex_encode(random.bytes(kKeyBytes)); }

Result<> check_certificate_key(const std::string& key) {
  const auto bytes = hex_decode(key);
  if (bytes && bytes->size() == kKeyBytes) return {};
  return fail(Code::kInvalid,
              "certificateKey: Invalid value: a certificate key is {} bytes as {} hexadecimal digits",
              kKeyBytes, 2 * kKeyBytes);
}

Result<SharedValues> seal_values(const SharedValues& plain, const std::string& certificate_key) {
  TRY(check_certificate_key(certificate_key));
  const std::string key = TRY(hex_decode(certificate_key));
  SharedValues sealed;
  for (const auto& [name, value] : plain) sealed[name] = TRY(apiserver::encryption::seal(key, "", value));
  return sealed;
}

Result<SharedValues> open_values(const SharedValues& sealed, const std::string& certificate_key) {
  TRY(check_certificate_key(certificate_key));
  const std::string key = TRY(hex_decode(certificate_key));
  SharedValues plain;
  for (const auto& [name, value] : sealed) {
    auto opened = apiserver::encryption::open_sealed(key, "", value);
    if (!opened)
      return fail(Code::kUnauthenticated, "the Secret {}/{} is not encrypted with this --certificate-key: {}",
                  kNamespace, kCertificatesSecret, opened.error().message);
    plain[name] = std::move(*opened);
  }
  return plain;
}

Result<SharedValues> read_shared_values(const NodeLayout& layout,
                                        const kubeadm::ClusterConfiguration& cluster) {
  SharedValues values;
  for (const SharedFile& file : shared_files(layout, cluster)) {
    auto text = read_file(file.path);
    if (text) {
      values[file.name] = std::move(*text);
    } else if (file.is_required || text.error().code != Code::kNotFound) {
      return wrap(text.error(), "upload the control plane's certificates");
    }
  }
  if (cluster.etcd.external) values[kDatastoreEndpoint] = join(cluster.etcd.external->endpoints, ",");
  return values;
}

Result<> store_shared_values(const SharedValues& values, const NodeLayout& layout,
                             kubeadm::ClusterConfiguration& cluster) {
  TRY(make_directories(layout.pki_dir()));
  for (const SharedFile& file : shared_files(layout, cluster)) {
    const auto found = values.find(file.name);
    if (found == values.end()) continue;
    TRY(make_directories(file.path.substr(0, file.path.rfind('/'))));
    TRY(write_file(file.path, found->second, mode_of(file.name)));
  }
  const auto endpoint = values.find(kDatastoreEndpoint);
  if (endpoint == values.end() || !cluster.etcd.external) return {};
  cluster.etcd.external->endpoints.clear();
  for (const std::string_view text : split(endpoint->second, ','))
    cluster.etcd.external->endpoints.emplace_back(text);
  return {};
}

std::vector<std::string> missing_shared_files(const NodeLayout& layout) {
  std::vector<std::string> missing;
  for (const SharedFile& file : shared_files(layout, {})) {
    if (file.is_required && !read_file(file.path)) missing.push_back(file.path);
  }
  return missing;
}

Task<Result<>> upload_shared_values(const client::Client& client, SharedValues sealed, Random& random,
                                    WallTime now) {
  CO_TRY(co_await bootstrap::ensure_objects(client, bootstrap::certificate_reader_objects()));
  const Secret owner = CO_TRY(co_await make_owner(client, random, now));
  Secret secret;
  secret.metadata.namespace_ = kNamespace;
  secret.metadata.name = kCertificatesSecret;
  auto& reference = secret.metadata.ownerReferences.emplace_back();
  reference.apiVersion = "v1";
  reference.kind = "Secret";
  reference.name = owner.metadata.name;
  reference.uid = owner.metadata.uid;
  reference.controller = true;
  reference.blockOwnerDeletion = true;
  secret.type = "Opaque";
  secret.data = std::move(sealed);
  // What an earlier upload has left goes: its key is another one.
  const auto removed =
      co_await client.remove<Secret>(std::string(kNamespace), std::string(kCertificatesSecret));
  if (!removed && removed.error().code != Code::kNotFound) co_return std::unexpected(removed.error());
  const auto created = co_await client.create(secret);
  if (!created) co_return wrap(created.error(), "create the Secret {}/{}", kNamespace, kCertificatesSecret);
  co_return {};
}

Task<Result<SharedValues>> download_shared_values(const client::Client& client) {
  const auto secret = co_await client.get<Secret>(std::string(kNamespace), std::string(kCertificatesSecret));
  if (secret) co_return SharedValues(secret->data.begin(), secret->data.end());
  if (secret.error().code != Code::kNotFound) co_return std::unexpected(secret.error());
  co_return fail(
      Code::kNotFound,
      "the Secret {}/{} is not there: it lives for two hours. Make it again on a control-plane node with "
      "'cloudless init phase upload-certs --upload-certs', which prints a new certificate key",
      kNamespace, kCertificatesSecret);
}

kubeadm::ClusterConfiguration published_configuration(kubeadm::ClusterConfiguration cluster) {
  if (cluster.etcd.external) {
    for (std::string& endpoint : cluster.etcd.external->endpoints) endpoint = without_password(endpoint);
  }
  return cluster;
}

Result<> check_takes_control_planes(const kubeadm::ClusterConfiguration& cluster) {
  std::string reasons;
  if (!cluster.etcd.external)
    reasons +=
        "\n* The cluster's store is SQLite on its first control-plane node, which no other API server can "
        "share. "
        "Start the cluster with `init --datastore-endpoint postgres://...` or with an etcd; `cloudless store "
        "export` "
        "and `import` carry what is there over";
  if (cluster.controlPlaneEndpoint.empty())
    reasons +=
        "\n* The cluster has no stable controlPlaneEndpoint address: nodes would know the first API server "
        "alone. Start "
        "it with `init --control-plane-endpoint NAME-OR-ADDRESS`";
  if (reasons.empty()) return {};
  return fail(Code::kInvalid, "unable to add a new control plane instance to this cluster:{}", reasons);
}

}  // namespace cloudless::cli
