#include "bootstrap/pki.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/files.hpp"
#include "base/strings.hpp"

namespace cloudless::bootstrap {

namespace {

using pki::AltNames;
using pki::Certificate;

constexpr std::string_view kCa = "ca";
constexpr std::string_view kFrontProxyCa = "front-proxy-ca";
constexpr std::string_view kServiceAccountKey = "sa";
constexpr mode_t kPublicMode = 0644;
constexpr mode_t kSecretMode = 0600;

std::string certificate_file(const std::string& directory, std::string_view base) {
  return fmt::format("{}/{}.crt", directory, base);
}
std::string key_file(const std::string& directory, std::string_view base) {
  return fmt::format("{}/{}.key", directory, base);
}

bool is_ip(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return inet_pton(AF_INET, text.c_str(), raw.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), raw.data()) == 1;
}

// The text form that reading a certificate gives back.
std::string canonical_ip(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  const int family = inet_pton(AF_INET, text.c_str(), raw.data()) == 1 ? AF_INET : AF_INET6;
  if (family == AF_INET6) inet_pton(AF_INET6, text.c_str(), raw.data());
  return inet_ntop(family, raw.data(), out.data(), out.size());
}

// "host", "host:port", "[v6]:port" or a bare IPv6 address.
std::string host_of(const std::string& endpoint) {
  if (endpoint.starts_with('[')) return endpoint.substr(1, endpoint.find(']') - 1);
  if (is_ip(endpoint)) return endpoint;
  return endpoint.substr(0, endpoint.rfind(':'));
}

class AltNameSet {
 public:
  void add(const std::string& name) {
    if (name.empty()) return;
    is_ip(name) ? ips_.insert(canonical_ip(name)) : dns_.insert(to_lower(name));
  }
  AltNames take() const { return {.dns = {dns_.begin(), dns_.end()}, .ips = {ips_.begin(), ips_.end()}}; }

 private:
  std::set<std::string> dns_;
  std::set<std::string> ips_;
};

bool contains_all(const std::vector<std::string>& have, const std::vector<std::string>& want) {
  return std::ranges::all_of(want,
                             [&](const auto& name) { return std::ranges::find(have, name) != have.end(); });
}

const StoredPair& pair_of(const PkiView& view, std::string_view base) {
  static const StoredPair kNothing;
  const auto at = view.find(base);
  return at == view.end() ? kNothing : at->second;
}

// Plans one leaf; `ca_is_new` where its CA is about to be made.
Result<std::optional<PkiAction>> plan_leaf(const LeafSpec& spec, const PkiView& view, bool ca_is_new,
                                           WallTime now) {
  const StoredPair& leaf = pair_of(view, spec.base);
  const StoredPair& ca = pair_of(view, spec.ca);
  std::optional<std::string> why;
  if (!leaf.certificate || !leaf.has_key) {
    why = "missing";
  } else if (ca_is_new) {
    why = "its CA is new";
  } else {
    why = renewal_reason(*leaf.certificate, *ca.certificate, spec.alt_names, now);
  }
  if (!why) return std::nullopt;
  if (ca_is_new || ca.has_key) return PkiAction{PkiAction::Kind::kIssue, spec.base, *why};
  // An external CA: what is there stays in use, whoever holds the CA's key renews it.
  if (leaf.certificate && leaf.has_key && leaf.certificate->not_after() > now) return std::nullopt;
  return fail(Code::kInvalid, "{}.crt has to be made ({}), but {}.key is not there: put either in place",
              spec.base, *why, spec.ca);
}

Result<> write_pair(const std::string& directory, std::string_view base, const Certificate& certificate,
                    const pki::PrivateKey& key) {
  // The key first: a crash in between leaves a pair that does not fit together, which reading notices.
  TRY(write_file(key_file(directory, base), key.to_pem(), kSecretMode));
  return write_file(certificate_file(directory, base), certificate.to_pem(), kPublicMode);
}

Result<StoredPair> read_pair(const std::string& directory, std::string_view base) {
  StoredPair pair;
  auto certificate = read_file(certificate_file(directory, base));
  auto key = read_file(key_file(directory, base));
  for (const auto* file : {&certificate, &key}) {
    if (!*file && file->error().code != Code::kNotFound) return std::unexpected(file->error());
  }
  if (certificate) {
    auto parsed = Certificate::from_pem(*certificate);
    if (!parsed) return wrap(parsed.error(), "read {}", certificate_file(directory, base));
    pair.certificate = *parsed;
  }
  if (key) {
    auto parsed = pki::PrivateKey::from_pem(*key);
    if (!parsed) return wrap(parsed.error(), "read {}", key_file(directory, base));
    // A key beside another key's certificate counts as none, so that a leaf is made anew.
    pair.has_key = !pair.certificate || parsed->public_key() == pair.certificate->public_key();
  }
  return pair;
}

Result<PkiView> read_view(const PkiOptions& options, const std::vector<LeafSpec>& leaves) {
  PkiView view;
  for (const CaSpec& ca : ca_specs()) view[ca.base] = TRY(read_pair(options.directory, ca.base));
  for (const LeafSpec& leaf : leaves) view[leaf.base] = TRY(read_pair(options.directory, leaf.base));
  view[std::string(kServiceAccountKey)] = TRY(read_pair(options.directory, kServiceAccountKey));
  return view;
}

Result<> make_signing_key(const PkiOptions& options) {
  const auto key = TRY(pki::PrivateKey::generate(options.key_type));
  TRY(write_file(key_file(options.directory, kServiceAccountKey), key.to_pem(), kSecretMode));
  return write_file(fmt::format("{}/{}.pub", options.directory, kServiceAccountKey),
                    key.public_key().to_pem(), kPublicMode);
}

Result<> make_leaf(const PkiOptions& options, const LeafSpec& spec, WallTime now) {
  const pki::Ca ca = TRY(load_ca(options.directory, spec.ca));
  const auto key = TRY(pki::PrivateKey::generate(options.key_type));
  const pki::CertificateSpec certificate{.subject = spec.subject,
                                         .alt_names = spec.alt_names,
                                         .usages = spec.usages,
                                         .not_before = now - pki::kBackdate,
                                         .not_after = now + options.certificate_lifetime};
  return write_pair(options.directory, spec.base, TRY(pki::issue(ca, certificate, key.public_key())), key);
}

Result<> perform(const PkiOptions& options, const std::vector<LeafSpec>& leaves, const PkiAction& action,
                 WallTime now) {
  switch (action.kind) {
    case PkiAction::Kind::kMakeCa: {
      const auto specs = ca_specs();
      const auto spec = std::ranges::find(specs, action.base, &CaSpec::base);
      const auto ca = TRY(pki::make_ca(options.key_type, spec->common_name, now, options.ca_lifetime));
      return write_pair(options.directory, action.base, ca.certificate, ca.key);
    }
    case PkiAction::Kind::kMakeSigningKey:
      return make_signing_key(options);
    case PkiAction::Kind::kIssue:
      return make_leaf(options, *std::ranges::find(leaves, action.base, &LeafSpec::base), now);
  }
  return {};
}

}  // namespace

std::vector<CaSpec> ca_specs() {
  return {{std::string(kCa), "kubernetes"}, {std::string(kFrontProxyCa), "front-proxy-ca"}};
}

Result<std::string> first_address(std::string_view subnet) {
  const std::string address(subnet.substr(0, subnet.find('/')));
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (subnet.find('/') == std::string_view::npos || inet_pton(family, address.c_str(), raw.data()) != 1)
    return fail(Code::kInvalid, "\"{}\" is not a subnet such as 10.96.0.0/12", subnet);
  raw[family == AF_INET ? 3 : 15] |= 1;
  std::array<char, INET6_ADDRSTRLEN> text{};
  return std::string(inet_ntop(family, raw.data(), text.data(), text.size()));
}

Result<AltNames> apiserver_alt_names(const PkiOptions& options) {
  AltNameSet names;
  for (const char* name :
       {"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1"})
    names.add(name);
  names.add("kubernetes.default.svc." + options.dns_domain);
  names.add(options.node_name);
  names.add(options.advertise_address);
  for (const auto subnet : split(options.service_subnet, ',')) names.add(TRY(first_address(subnet)));
  if (!options.control_plane_endpoint.empty()) names.add(host_of(options.control_plane_endpoint));
  for (const std::string& name : options.extra_sans) names.add(name);
  return names.take();
}

Result<std::vector<LeafSpec>> leaf_specs(const PkiOptions& options) {
  const pki::Usages server{"digital signature", "key encipherment", "server auth"};
  const pki::Usages client{"digital signature", "key encipherment", "client auth"};
  return std::vector<LeafSpec>{
      {"apiserver", std::string(kCa), {"kube-apiserver", {}}, TRY(apiserver_alt_names(options)), server},
      {"apiserver-kubelet-client",
       std::string(kCa),
       {"kube-apiserver-kubelet-client", {"kubeadm:cluster-admins"}},
       {},
       client},
      {"front-proxy-client", std::string(kFrontProxyCa), {"front-proxy-client", {}}, {}, client},
  };
}

WallTime renewal_time(const Certificate& certificate) {
  const auto life = certificate.not_after() - certificate.not_before();
  return certificate.not_after() - life / 3;
}

std::optional<std::string> renewal_reason(const Certificate& certificate, const Certificate& ca,
                                          const AltNames& wanted, WallTime now) {
  if (certificate.authority_key_id() != ca.subject_key_id()) return "its CA has changed";
  const AltNames have = certificate.alt_names();
  if (!contains_all(have.dns, wanted.dns) || !contains_all(have.ips, wanted.ips)) return "it lacks a name";
  // One that ends with its CA would be made anew again and again, for nothing.
  if (now >= renewal_time(certificate) && certificate.not_after() < ca.not_after()) return "it expires soon";
  return std::nullopt;
}

Result<std::vector<PkiAction>> plan_pki(const PkiOptions& options, const PkiView& view, WallTime now) {
  std::vector<PkiAction> actions;
  std::set<std::string> new_cas;
  for (const CaSpec& ca : ca_specs()) {
    const StoredPair& stored = pair_of(view, ca.base);
    if (stored.certificate && stored.certificate->not_after() <= now)
      return fail(Code::kInvalid, "{}.crt expired on {}: replace it and its key, nothing it signed is valid",
                  ca.base, format_rfc3339(stored.certificate->not_after()));
    if (stored.certificate) continue;
    if (stored.has_key)
      return fail(Code::kInvalid, "{}.key is there without {}.crt: put its certificate back, or move it away",
                  ca.base, ca.base);
    actions.push_back({PkiAction::Kind::kMakeCa, ca.base, "missing"});
    new_cas.insert(ca.base);
  }
  if (!pair_of(view, kServiceAccountKey).has_key)
    actions.push_back({PkiAction::Kind::kMakeSigningKey, std::string(kServiceAccountKey), "missing"});
  for (const LeafSpec& leaf : TRY(leaf_specs(options))) {
    auto action = TRY(plan_leaf(leaf, view, new_cas.contains(leaf.ca), now));
    if (action) actions.push_back(std::move(*action));
  }
  return actions;
}

Result<std::vector<PkiAction>> ensure_pki(const PkiOptions& options, WallTime now) {
  const auto leaves = TRY(leaf_specs(options));
  auto actions = TRY(plan_pki(options, TRY(read_view(options, leaves)), now));
  for (const PkiAction& action : actions) TRY(perform(options, leaves, action, now));
  return actions;
}

Result<pki::Ca> load_ca(const std::string& directory, std::string_view base) {
  auto certificate = TRY(Certificate::from_pem(TRY(read_file(certificate_file(directory, base)))));
  auto key = TRY(pki::PrivateKey::from_pem(TRY(read_file(key_file(directory, base)))));
  if (key.public_key() != certificate.public_key())
    return fail(Code::kInvalid, "{}.key is not the key of {}.crt in {}", base, base, directory);
  return pki::Ca{std::move(certificate), std::move(key)};
}

Result<Credential> issue_client(const pki::Ca& ca, const pki::Subject& subject, pki::KeyType key_type,
                                WallTime now, Duration lifetime) {
  const auto key = TRY(pki::PrivateKey::generate(key_type));
  const pki::CertificateSpec spec{.subject = subject,
                                  .alt_names = {},
                                  .usages = {"digital signature", "key encipherment", "client auth"},
                                  .not_before = now - pki::kBackdate,
                                  .not_after = now + lifetime};
  return Credential{TRY(pki::issue(ca, spec, key.public_key())).to_pem(), key.to_pem()};
}

}  // namespace cloudless::bootstrap
