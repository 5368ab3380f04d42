// TLS on a descriptor: OpenSSL reads and writes the socket itself through a BIO that never raises SIGPIPE,
// and the coroutine waits where OpenSSL says that it would block.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/stream_internal.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// The largest plaintext of one TLS record (RFC 8446 section 5.1).
constexpr size_t kRecordBytes = 16 * 1024;

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

bool retry(int error_number) {
  return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR;
}

int bio_write(BIO* bio, const char* data, size_t size, size_t* written) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::send(descriptor_of(bio), data, size, MSG_NOSIGNAL);
  if (count < 0 && retry(errno)) BIO_set_retry_write(bio);
  *written = count > 0 ? static_cast<size_t>(count) : 0;
  return count > 0 ? 1 : 0;
}

int bio_read(BIO* bio, char* data, size_t size, size_t* read) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(descriptor_of(bio), data, size, 0);
  if (count < 0 && retry(errno)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  *read = count > 0 ? static_cast<size_t>(count) : 0;
  return count > 0 ? 1 : 0;
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

std::string der(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(certificate, &bytes);
  if (length <= 0) return {};
  std::string text(reinterpret_cast<char*>(bytes), static_cast<size_t>(length));
  OPENSSL_free(bytes);
  return text;
}

class TlsStream final : public DescriptorStream {
 public:
  TlsStream(Descriptor descriptor, SSL* ssl) : DescriptorStream(std::move(descriptor)), ssl_(ssl) {
    BIO* bio = BIO_new(socket_method());
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor_.fd())));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
  }
  ~TlsStream() override {
    // The peer learns of an orderly end where it takes the alert at once; nobody waits for it.
    if (!failed_ && !descriptor_.aborted() && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
    ERR_clear_error();
    SSL_free(ssl_);
  }

  Task<Result<>> handshake() {
    for (;;) {
      ERR_clear_error();
      const int status = SSL_do_handshake(ssl_);
      if (status == 1) co_return {};
      CO_TRY(co_await wait_for(SSL_get_error(ssl_, status), "TLS handshake"));
    }
  }

  Task<Result<size_t>> read_some(std::span<char> buffer) override {
    for (;;) {
      if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the connection was closed on this side");
      ERR_clear_error();
      size_t count = 0;
      const int status = SSL_read_ex(ssl_, buffer.data(), buffer.size(), &count);
      if (status == 1) co_return count;
      const int reason = SSL_get_error(ssl_, status);
      if (reason == SSL_ERROR_ZERO_RETURN) co_return size_t{0};
      CO_TRY(co_await wait_for(reason, "TLS read"));
    }
  }

  Task<Result<>> write_all(std::span<const std::string_view> pieces) override {
    std::string record;
    for (const std::string_view piece : pieces) {
      // Small pieces share a record: each one costs 20 bytes and more, and a system call.
      if (record.size() + piece.size() <= kRecordBytes) {
        record += piece;
        continue;
      }
      CO_TRY(co_await write_record(record));
      record.clear();
      if (piece.size() < kRecordBytes) {
        record = piece;
      } else {
        CO_TRY(co_await write_record(piece));
      }
    }
    co_return co_await write_record(record);
  }

  Task<Result<>> close_write() override {
    for (;;) {
      ERR_clear_error();
      const int status = SSL_shutdown(ssl_);
      if (status >= 0) break;
      CO_TRY(co_await wait_for(SSL_get_error(ssl_, status), "TLS close"));
    }
    co_return {};
  }

  std::string alpn() const override {
    const unsigned char* name = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(ssl_, &name, &length);
    return std::string(reinterpret_cast<const char*>(name), length);
  }
  bool tls() const override { return true; }

  std::vector<std::string> peer_certificates() const override {
    std::vector<std::string> chain;
    if (SSL_get_verify_mode(ssl_) == SSL_VERIFY_NONE || SSL_get_verify_result(ssl_) != X509_V_OK)
      return chain;
    X509* leaf = SSL_get0_peer_certificate(ssl_);
    if (!leaf) return chain;
    chain.push_back(der(leaf));
    STACK_OF(X509)* presented = SSL_get_peer_cert_chain(ssl_);
    for (int i = 0; i < sk_X509_num(presented); ++i) {
      X509* certificate = sk_X509_value(presented, i);
      if (X509_cmp(certificate, leaf) != 0) chain.push_back(der(certificate));
    }
    return chain;
  }

  std::string peer_certificate_error() const override {
    if (SSL_get_verify_mode(ssl_) == SSL_VERIFY_NONE || !SSL_get0_peer_certificate(ssl_)) return {};
    const long verified = SSL_get_verify_result(ssl_);
    return verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified);
  }

  // Bytes on the socket may be a record of the protocol itself (a session ticket), so look inside.
  bool idle_and_dead() const override {
    ERR_clear_error();
    char byte = 0;
    const int status = SSL_peek(ssl_, &byte, 1);
    return status > 0 || SSL_get_error(ssl_, status) != SSL_ERROR_WANT_READ;
  }

 private:
  Task<Result<>> write_record(std::string_view bytes) {
    while (!bytes.empty()) {
      if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the connection was closed on this side");
      ERR_clear_error();
      size_t count = 0;
      const int status = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count);
      if (status == 1) {
        bytes.remove_prefix(count);
      } else {
        CO_TRY(co_await wait_for(SSL_get_error(ssl_, status), "TLS write"));
      }
    }
    co_return {};
  }

  Task<Result<>> wait_for(int reason, std::string_view doing) {
    if (reason == SSL_ERROR_WANT_READ) co_return co_await descriptor_.readable();
    if (reason == SSL_ERROR_WANT_WRITE) co_return co_await room();
    failed_ = true;
    co_return fail(Code::kUnavailable, "{} with {}: {}", doing, peer_.to_string(), explain(reason));
  }

  // In Go's words where people search for them.
  std::string explain(int reason) {
    const long verified = SSL_get_verify_result(ssl_);
    const unsigned long code = ERR_peek_error();
    ERR_clear_error();
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      return std::string("failed to verify certificate: ") + X509_verify_cert_error_string(verified);
    }
    if (code == 0 && reason == SSL_ERROR_SYSCALL)
      return errno ? system_error(errno, "socket").message : "EOF";
    const char* text = ERR_reason_error_string(code);
    return text ? text : "unknown error";
  }

  SSL* ssl_;
  bool failed_ = false;
};

}  // namespace

Task<Result<std::unique_ptr<Stream>>> accept_tls(runtime::EventLoop& loop, int fd, TlsServerConfig& config) {
  Descriptor descriptor(loop, fd);
  config.reload_if_changed(loop.clock().steady_now());
  SSL* ssl = CO_TRY(config.new_session());
  auto stream = std::make_unique<TlsStream>(std::move(descriptor), ssl);
  CO_TRY(co_await stream->handshake());
  co_return stream;
}

Task<Result<std::unique_ptr<Stream>>> connect_tls(std::unique_ptr<Stream> plain, TlsClientConfig& config,
                                                  const std::string& host,
                                                  const std::vector<std::string>& alpn) {
  auto* socket = dynamic_cast<DescriptorStream*>(plain.get());
  if (!socket || plain->tls()) co_return fail(Code::kInvalid, "TLS needs a plain socket below it");
  const runtime::EventLoop* loop = co_await current_loop();
  config.reload_if_changed(loop->clock().steady_now());
  SSL* ssl = CO_TRY(config.new_session(host, alpn));
  auto stream = std::make_unique<TlsStream>(socket->release(), ssl);
  CO_TRY(co_await stream->handshake());
  co_return stream;
}

}  // namespace cloudless::net
