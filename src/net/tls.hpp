// TLS for servers and clients: TLS 1.2 and later, ALPN, SNI, client certificates.
//
// A config is shared by all connections and thread-safe. What came from files is read again when a file has
// changed: new handshakes use the new certificates, running connections keep theirs. A file
// that cannot be read or does not fit leaves the last good state in use.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/result.hpp"

struct ssl_st;

namespace cloudless::net {

/// How often, at most, a handshake looks whether the files have changed.
inline constexpr Duration kTlsReloadInterval = std::chrono::seconds(1);

/// PEM text, in a file or at hand. Both empty: absent.
struct PemSource {
  std::string path;
  std::string text;

  static PemSource file(std::string path) { return {std::move(path), {}}; }
  static PemSource inline_text(std::string text) { return {{}, std::move(text)}; }
  bool empty() const { return path.empty() && text.empty(); }
};

/// A certificate with its chain, leaf first, and its private key.
struct TlsIdentity {
  PemSource certificate;
  PemSource key;
};

enum class ClientCertificates {
  kIgnored,
  kOptional,  // verified where given; one that does not verify is no certificate, and Peer says why
  kRequired,
};

struct TlsServerOptions {
  /// The first is the default; others are taken when the name asked for by SNI is among their names.
  std::vector<TlsIdentity> identities;
  /// CAs (a bundle) that client certificates are verified against.
  PemSource client_ca;
  ClientCertificates client_certificates = ClientCertificates::kIgnored;
  /// Offered by ALPN, in order of preference.
  std::vector<std::string> alpn = {"h2", "http/1.1"};
};

class TlsServerConfig {
 public:
  static Result<std::shared_ptr<TlsServerConfig>> make(TlsServerOptions options, Logger log = {});
  ~TlsServerConfig();

  /// Puts other certificates in place for handshakes to come. Nothing changes on error. Any thread.
  Result<> update(TlsServerOptions options);
  /// Reads the files again if one of them has changed. Any thread.
  void reload_if_changed(SteadyTime now);
  /// A server-side SSL object, to be freed by SSL_free; its handshake has not begun.
  Result<ssl_st*> new_session();

 private:
  struct State;
  explicit TlsServerConfig(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct TlsClientOptions {
  /// CAs that the server's certificate is verified against; the system's where absent.
  PemSource ca;
  /// Presented to servers that ask; absent where both sources are empty.
  TlsIdentity identity;
  /// The name to verify and to send by SNI, instead of the host that is connected to.
  std::string server_name;
  /// Accepts any certificate, as kubectl's --insecure-skip-tls-verify.
  bool insecure_skip_verify = false;
  std::vector<std::string> alpn = {"h2", "http/1.1"};
};

class TlsClientConfig {
 public:
  static Result<std::shared_ptr<TlsClientConfig>> make(TlsClientOptions options, Logger log = {});
  ~TlsClientConfig();

  Result<> update(TlsClientOptions options);
  void reload_if_changed(SteadyTime now);
  /// A client-side SSL object that verifies `host` (a name or an IP address) unless options say otherwise. It
  /// offers `alpn`, or the options' list where that is empty.
  Result<ssl_st*> new_session(const std::string& host, const std::vector<std::string>& alpn = {});

 private:
  struct State;
  explicit TlsClientConfig(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::net
