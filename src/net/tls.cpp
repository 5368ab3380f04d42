#include "net/tls.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include "net/address.hpp"

namespace cloudless::net {

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using ContextPtr = std::shared_ptr<SSL_CTX>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "unknown TLS error";
}

Result<std::string> load(const PemSource& source) {
  if (source.path.empty()) return source.text;
  std::ifstream file(source.path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) return std::unexpected(system_error(errno, "read " + source.path));
  return content.str();
}

BioPtr memory(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePtr next_certificate(BIO* pem) {
  return CertificatePtr(PEM_read_bio_X509(pem, nullptr, nullptr, nullptr));
}

// The password callback that gives none, so that an encrypted key fails instead of asking the terminal.
int no_password(char*, int, int, void*) { return -1; }

Result<> use_identity(SSL_CTX* context, const TlsIdentity& identity) {
  const std::string certificate_text = TRY(load(identity.certificate));
  const std::string key_text = TRY(load(identity.key));
  const BioPtr certificates = memory(certificate_text);
  const CertificatePtr leaf = next_certificate(certificates.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return fail(Code::kInvalid, "TLS certificate: {}", openssl_reason());
  }
  while (CertificatePtr issuer = next_certificate(certificates.get())) {
    SSL_CTX_add0_chain_cert(context, issuer.release());
  }
  ERR_clear_error();
  const KeyPtr key(PEM_read_bio_PrivateKey(memory(key_text).get(), nullptr, no_password, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return fail(Code::kInvalid, "TLS private key: {}", openssl_reason());
  }
  return {};
}

// Certificates of `source` into the context's trust store, and, for a server, into the list of CAs that it
// names to clients.
enum class NameToClients { kNo, kYes };
Result<> trust(SSL_CTX* context, const PemSource& source, NameToClients name_to_clients) {
  const std::string text = TRY(load(source));
  const BioPtr pem = memory(text);
  size_t count = 0;
  while (const CertificatePtr authority = next_certificate(pem.get())) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get());
    if (name_to_clients == NameToClients::kYes) SSL_CTX_add_client_CA(context, authority.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(Code::kInvalid, "no certificate in CA bundle {}", source.path);
  return {};
}

// RFC 7301's list: each name with its length before it.
std::string alpn_wire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

ContextPtr new_context(const SSL_METHOD* method) {
  ContextPtr context(SSL_CTX_new(method), Freed<SSL_CTX_free>());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return context;
}

// When files were written last, to see that one has changed.
class FileTimes {
 public:
  void note(const PemSource& source) {
    if (!source.path.empty()) times_[source.path] = modified(source.path);
  }
  bool changed() const {
    for (const auto& [path, time] : times_) {
      if (modified(path) != time) return true;
    }
    return false;
  }

 private:
  static std::pair<int64_t, uint64_t> modified(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_ino};
  }
  std::map<std::string, std::pair<int64_t, uint64_t>> times_;
};

// A certificate served by SNI, and the contexts of one generation of a server's options.
struct ServerContexts {
  std::vector<ContextPtr> contexts;
  std::string alpn;
};

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                unsigned int in_length, void* argument) {
  const auto* contexts = static_cast<const ServerContexts*>(argument);
  unsigned char* chosen = nullptr;
  const auto* ours = reinterpret_cast<const unsigned char*>(contexts->alpn.data());
  if (SSL_select_next_proto(&chosen, out_length, ours, static_cast<unsigned int>(contexts->alpn.size()), in,
                            in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int select_by_name(SSL* ssl, int*, void* argument) {
  const auto* contexts = static_cast<const ServerContexts*>(argument);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  for (size_t i = 1; i < contexts->contexts.size(); ++i) {
    X509* leaf = SSL_CTX_get0_certificate(contexts->contexts[i].get());
    if (X509_check_host(leaf, name, 0, 0, nullptr) == 1) {
      SSL_set_SSL_CTX(ssl, contexts->contexts[i].get());
      break;
    }
  }
  return SSL_TLSEXT_ERR_OK;
}

int verify_mode(ClientCertificates mode) {
  switch (mode) {
    case ClientCertificates::kIgnored:
      return SSL_VERIFY_NONE;
    case ClientCertificates::kOptional:
      return SSL_VERIFY_PEER;
    case ClientCertificates::kRequired:
      return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return SSL_VERIFY_NONE;
}

// The handshake goes on; who asks for the certificate learns that it did not verify.
int verify_later(int, X509_STORE_CTX*) { return 1; }

Result<ContextPtr> server_context(const TlsServerOptions& options, const TlsIdentity& identity,
                                  ServerContexts& contexts) {
  ContextPtr context = new_context(TLS_server_method());
  TRY(use_identity(context.get(), identity));
  if (options.client_certificates != ClientCertificates::kIgnored) {
    TRY(trust(context.get(), options.client_ca, NameToClients::kYes));
  }
  SSL_CTX_set_verify(context.get(), verify_mode(options.client_certificates),
                     options.client_certificates == ClientCertificates::kOptional ? verify_later : nullptr);
  // Sessions are not resumed: a resumed session would carry a client certificate that has expired or whose CA
  // has gone since.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, &contexts);
  SSL_CTX_set_tlsext_servername_callback(context.get(), select_by_name);
  SSL_CTX_set_tlsext_servername_arg(context.get(), &contexts);
  return context;
}

Result<std::shared_ptr<ServerContexts>> server_contexts(const TlsServerOptions& options, FileTimes& times) {
  if (options.identities.empty()) return fail(Code::kInvalid, "a TLS server needs a certificate");
  auto contexts = std::make_shared<ServerContexts>();
  contexts->alpn = alpn_wire(options.alpn);
  times.note(options.client_ca);
  for (const TlsIdentity& identity : options.identities) {
    times.note(identity.certificate);
    times.note(identity.key);
    contexts->contexts.push_back(TRY(server_context(options, identity, *contexts)));
  }
  return contexts;
}

Result<ContextPtr> client_context(const TlsClientOptions& options, FileTimes& times) {
  ContextPtr context = new_context(TLS_client_method());
  for (const PemSource* source : {&options.ca, &options.identity.certificate, &options.identity.key}) {
    times.note(*source);
  }
  if (options.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    TRY(trust(context.get(), options.ca, NameToClients::kNo));
  }
  if (!options.identity.certificate.empty()) TRY(use_identity(context.get(), options.identity));
  SSL_CTX_set_verify(context.get(), options.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     nullptr);
  return context;
}

// Options, what was made of them, and when to look again: the part that both kinds of config share.
template <class Options, class Made>
class Reloading {
 public:
  using Make = Result<Made> (*)(const Options&, FileTimes&);
  Reloading(Make make, Logger log) : make_(make), log_(std::move(log)) {}

  Result<> update(Options options) {
    FileTimes times;
    Made made = TRY(make_(options, times));
    const std::lock_guard lock(mutex_);
    options_ = std::move(options);
    made_ = std::move(made);
    times_ = std::move(times);
    return {};
  }

  void reload_if_changed(SteadyTime now) {
    const std::lock_guard lock(mutex_);
    if (now < next_look_) return;
    next_look_ = now + kTlsReloadInterval;
    if (!times_.changed()) return;
    FileTimes times;
    Result<Made> made = make_(options_, times);
    if (!made) {
      log_.warn("certificate files have changed but cannot be used; the ones before stay in use",
                {{"error", made.error()}});
      return;
    }
    made_ = std::move(*made);
    times_ = std::move(times);
    log_.info("certificate files were read again");
  }

  Made made() const {
    const std::lock_guard lock(mutex_);
    return made_;
  }
  Options options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

 private:
  const Make make_;
  const Logger log_;
  mutable std::mutex mutex_;
  Options options_;
  Made made_;
  FileTimes times_;
  SteadyTime next_look_{};
};

// The generation that an SSL object uses lives as long as that object.
int generation_index() {
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* generation, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::shared_ptr<ServerContexts>*>(generation);
      });
  return index;
}

}  // namespace

struct TlsServerConfig::State : Reloading<TlsServerOptions, std::shared_ptr<ServerContexts>> {
  explicit State(Logger log) : Reloading(server_contexts, std::move(log)) {}
};

TlsServerConfig::TlsServerConfig(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsServerConfig::~TlsServerConfig() = default;

Result<std::shared_ptr<TlsServerConfig>> TlsServerConfig::make(TlsServerOptions options, Logger log) {
  auto state = std::make_unique<State>(std::move(log));
  TRY(state->update(std::move(options)));
  return std::shared_ptr<TlsServerConfig>(new TlsServerConfig(std::move(state)));
}

Result<> TlsServerConfig::update(TlsServerOptions options) { return state_->update(std::move(options)); }
void TlsServerConfig::reload_if_changed(SteadyTime now) { state_->reload_if_changed(now); }

Result<ssl_st*> TlsServerConfig::new_session() {
  const std::shared_ptr<ServerContexts> generation = state_->made();
  SSL* ssl = SSL_new(generation->contexts.front().get());
  if (!ssl) return fail(Code::kResourceExhausted, "new TLS session: {}", openssl_reason());
  SSL_set_ex_data(ssl, generation_index(), new std::shared_ptr(generation));
  SSL_set_accept_state(ssl);
  return ssl;
}

struct TlsClientConfig::State : Reloading<TlsClientOptions, ContextPtr> {
  explicit State(Logger log) : Reloading(client_context, std::move(log)) {}
};

TlsClientConfig::TlsClientConfig(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsClientConfig::~TlsClientConfig() = default;

Result<std::shared_ptr<TlsClientConfig>> TlsClientConfig::make(TlsClientOptions options, Logger log) {
  auto state = std::make_unique<State>(std::move(log));
  TRY(state->update(std::move(options)));
  return std::shared_ptr<TlsClientConfig>(new TlsClientConfig(std::move(state)));
}

Result<> TlsClientConfig::update(TlsClientOptions options) { return state_->update(std::move(options)); }
void TlsClientConfig::reload_if_changed(SteadyTime now) { state_->reload_if_changed(now); }

Result<ssl_st*> TlsClientConfig::new_session(const std::string& host, const std::vector<std::string>& alpn) {
  const TlsClientOptions options = state_->options();
  SSL* ssl = SSL_new(state_->made().get());
  if (!ssl) return fail(Code::kResourceExhausted, "new TLS session: {}", openssl_reason());
  SSL_set_connect_state(ssl);
  const std::string wire = alpn_wire(alpn.empty() ? options.alpn : alpn);
  SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wire.data()),
                      static_cast<unsigned int>(wire.size()));
  const std::string& name = options.server_name.empty() ? host : options.server_name;
  const Result<IpAddress> literal = IpAddress::parse(name);
  if (!literal) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (options.insecure_skip_verify) return ssl;
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
  if (literal) {
    X509_VERIFY_PARAM_set1_ip_asc(verify, literal->to_string().c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(verify, name.data(), name.size());
  }
  return ssl;
}

}  // namespace cloudless::net
