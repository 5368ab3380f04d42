#include "gossip/message.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/encoding.hpp"

namespace cloudless::gossip {

namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;

void put_number(std::string& out, uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

void put_name(std::string& out, std::string_view name) {
  put_number(out, static_cast<uint32_t>(name.size()), 1);
  out += name;
}

void put_address(std::string& out, const net::SocketAddress& address) {
  const bool absent = address == net::SocketAddress();
  const std::string_view ip = absent ? std::string_view() : address.address.bytes();
  put_number(out, static_cast<uint32_t>(ip.size()), 1);
  out += ip;
  put_number(out, address.port, 2);
}

// Takes pieces off the front; after the first shortage everything is empty and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

  std::string_view take(size_t count) {
    if (count > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view piece = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return piece;
  }
  uint32_t number(int bytes) {
    uint32_t value = 0;
    for (const char byte : take(static_cast<size_t>(bytes))) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }
  std::string name() {
    const uint32_t size = number(1);
    if (size > kMaxName) ok_ = false;
    return std::string(take(size));
  }
  net::SocketAddress address() {
    const uint32_t size = number(1);
    if (size != 0 && size != 4 && size != 16) ok_ = false;
    const std::string_view ip = take(size);
    const auto port = static_cast<uint16_t>(number(2));
    if (!ok_ || size == 0) return {};
    return {net::IpAddress::from_bytes(ip), port};
  }
  void reject() { ok_ = false; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

Member read_claim(Reader& reader) {
  Member claim;
  const uint32_t state = reader.number(1);
  if (state > static_cast<uint32_t>(MemberState::kLeft)) reader.reject();
  claim.state = static_cast<MemberState>(state);
  claim.incarnation = reader.number(4);
  claim.name = reader.name();
  claim.address = reader.address();
  if (claim.name.empty()) reader.reject();
  return claim;
}

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

CipherContext new_context() { return {EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free}; }

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

size_t encoded_size(const Member& claim) { return 1 + 4 + 1 + claim.name.size() + 1 + 16 + 2; }

std::string encode(const Message& message) {
  std::string out;
  put_number(out, static_cast<uint8_t>(message.type), 1);
  put_number(out, message.sequence, 4);
  put_name(out, message.sender);
  put_name(out, message.target);
  put_address(out, message.target_address);
  put_number(out, static_cast<uint32_t>(message.claims.size()), 1);
  for (const Member& claim : message.claims) {
    put_number(out, static_cast<uint8_t>(claim.state), 1);
    put_number(out, claim.incarnation, 4);
    put_name(out, claim.name);
    put_address(out, claim.address);
  }
  return out;
}

Result<Message> decode(std::string_view payload) {
  if (payload.size() > kMaxPayload)
    return fail(Code::kInvalid, "a gossip message of {} bytes is too long", payload.size());
  Reader reader(payload);
  Message message;
  const uint32_t type = reader.number(1);
  if (type < static_cast<uint32_t>(MessageType::kPing) || type > static_cast<uint32_t>(MessageType::kGossip))
    reader.reject();
  message.type = static_cast<MessageType>(type);
  message.sequence = reader.number(4);
  message.sender = reader.name();
  message.target = reader.name();
  message.target_address = reader.address();
  const uint32_t claims = reader.number(1);
  if (claims > kMaxClaims) reader.reject();
  for (uint32_t i = 0; i < claims && reader.ok(); ++i) message.claims.push_back(read_claim(reader));
  if (!reader.ok() || !reader.at_end() || message.sender.empty())
    return fail(Code::kInvalid, "a malformed gossip message");
  return message;
}

std::string derive_key(std::string_view cluster_secret) {
  return hmac_sha256(cluster_secret, "cloudless gossip v1");
}

std::string seal(std::string_view key, std::string_view payload, Random& random) {
  std::string packet(1, static_cast<char>(kVersion));
  packet += random.bytes(kNonceSize);
  const size_t head = packet.size();
  packet.resize(head + payload.size() + kTagSize);
  const CipherContext context = new_context();
  int size = 0;
  unsigned char* const out = bytes_of(packet);
  EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key), out + 1);
  EVP_EncryptUpdate(context.get(), nullptr, &size, out, 1);
  EVP_EncryptUpdate(context.get(), out + head, &size, bytes_of(payload), static_cast<int>(payload.size()));
  EVP_EncryptFinal_ex(context.get(), out + head + size, &size);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, out + head + payload.size());
  return packet;
}

Result<std::string> open_sealed(std::string_view key, std::string_view packet) {
  const auto refuse = [] {
    return fail(Code::kPermissionDenied, "a packet that is not sealed under our key");
  };
  constexpr size_t kHead = 1 + kNonceSize;
  if (packet.size() < kHead + kTagSize || packet[0] != static_cast<char>(kVersion)) return refuse();
  const std::string_view body = packet.substr(kHead, packet.size() - kHead - kTagSize);
  std::string tag(packet.substr(packet.size() - kTagSize));
  std::string payload(body.size(), '\0');
  const CipherContext context = new_context();
  int size = 0;
  EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key), bytes_of(packet) + 1);
  EVP_DecryptUpdate(context.get(), nullptr, &size, bytes_of(packet), 1);
  EVP_DecryptUpdate(context.get(), bytes_of(payload), &size, bytes_of(body), static_cast<int>(body.size()));
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data());
  if (EVP_DecryptFinal_ex(context.get(), bytes_of(payload) + size, &size) != 1) return refuse();
  return payload;
}

}  // namespace cloudless::gossip
