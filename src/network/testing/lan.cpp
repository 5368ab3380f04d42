#include "network/testing/lan.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/strings.hpp"
#include "net/netns.hpp"
#include "network/command.hpp"

namespace cloudless::network::testing {

namespace {

constexpr int kAnswerTimeoutMs = 1000;
constexpr int kStopPollMs = 20;

Result<> in_netns(const std::string& netns, const std::function<Result<>()>& function) {
  return net::run_in_netns(netns, function);
}

int socket_type(Responder::Transport transport) {
  return (transport == Responder::Transport::kTcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
}

std::string answer_to(const std::string& label, const sockaddr_storage& peer) {
  return label + " " +
         net::SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&peer)).address.to_string();
}

std::string word_for(int error) {
  if (error == ECONNREFUSED) return "refused";
  if (error == EHOSTUNREACH || error == ENETUNREACH) return "unreachable";
  return error == ETIMEDOUT ? "timeout" : std::string(strerror(error));
}

std::string exchange(int fd, const net::SocketAddress& to, Responder::Transport transport) {
  timeval timeout{kAnswerTimeoutMs / 1000, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  sockaddr_storage native{};
  const auto size = to.to_native(native);
  if (connect(fd, reinterpret_cast<sockaddr*>(&native), size) != 0)
    return word_for(errno == EINPROGRESS ? ETIMEDOUT : errno);
  if (transport == Responder::Transport::kUdp) send(fd, "x", 1, 0);
  std::array<char, 256> buffer;
  const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
  if (count < 0) return word_for(errno == EAGAIN ? ETIMEDOUT : errno);
  return {buffer.data(), static_cast<size_t>(count)};
}

}  // namespace

bool can_use_namespaces() {
  if (geteuid() != 0) return false;
  const std::string path = "/run/netns/cl-net-probe-" + std::to_string(getpid());
  std::filesystem::create_directories("/run/netns");
  if (!net::make_netns(path)) return false;
  const bool nft = run_command("nft", {"--version"}, "").has_value();
  return net::remove_netns(path).has_value() && nft;
}

Lan::~Lan() {
  for (const std::string& path : paths_) EXPECT_TRUE(net::remove_netns(path)) << path;
}

std::string Lan::add(const std::string& name) {
  std::string path = "/run/netns/cl-net-" + name + "-" + std::to_string(getpid());
  const auto made = net::make_netns(path);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  paths_.push_back(path);
  // Link-local addresses are there at once, not after a second of duplicate detection.
  sh(path, "sysctl -qw net.ipv6.conf.default.accept_dad=0");
  return path;
}

int Lan::status(const std::string& netns, const std::string& command) {
  int status = -1;
  EXPECT_TRUE(in_netns(netns, [&]() -> Result<> {
    status = TRY(run_command("sh", {"-c", command}, "")).status;
    return {};
  }));
  return status;
}

std::string Lan::sh(const std::string& netns, const std::string& command) {
  std::string output;
  EXPECT_TRUE(in_netns(netns, [&]() -> Result<> {
    const CommandOutput result = TRY(run_command("sh", {"-c", command}, ""));
    EXPECT_EQ(result.status, 0) << command << ": " << result.errors;
    output = trim(result.output);
    return {};
  }));
  return output;
}

void Lan::connect(const std::string& a, const std::string& a_interface, const std::string& a_address,
                  const std::string& b, const std::string& b_interface, const std::string& b_address) {
  const std::string b_name = b.substr(b.rfind('/') + 1);
  sh(a, fmt::format("ip link add {} type veth peer name {} netns {}", a_interface, b_interface, b_name));
  for (const auto& [netns, interface, address] :
       {std::tuple(a, a_interface, a_address), std::tuple(b, b_interface, b_address)}) {
    if (!address.empty()) sh(netns, fmt::format("ip addr add {} dev {} nodad", address, interface));
    sh(netns, fmt::format("ip link set {} up", interface));
  }
}

Responder::Responder(const std::string& netns, Transport transport, uint16_t port, std::string label)
    : transport_(transport), label_(std::move(label)) {
  const auto opened = in_netns(netns, [&]() -> Result<> {
    fd_ = socket(AF_INET6, socket_type(transport), 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0)
      return std::unexpected(system_error(errno, "bind"));
    if (transport == Transport::kTcp && listen(fd_, 64) != 0)
      return std::unexpected(system_error(errno, "listen"));
    return {};
  });
  EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
  thread_ = std::thread([this] { serve(); });
}

Responder::~Responder() {
  stopping_ = true;
  thread_.join();
  close(fd_);
}

void Responder::serve() {
  while (!stopping_) {
    pollfd ready{fd_, POLLIN, 0};
    if (poll(&ready, 1, kStopPollMs) <= 0) continue;
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    auto* const native = reinterpret_cast<sockaddr*>(&peer);
    if (transport_ == Transport::kTcp) {
      const int connection = accept4(fd_, native, &size, SOCK_CLOEXEC);
      if (connection < 0) continue;
      const std::string answer = answer_to(label_, peer);
      send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(connection);
    } else {
      char byte = 0;
      if (recvfrom(fd_, &byte, 1, 0, native, &size) < 0) continue;
      const std::string answer = answer_to(label_, peer);
      sendto(fd_, answer.data(), answer.size(), MSG_NOSIGNAL, native, size);
    }
  }
}

std::string ask(const std::string& netns, const std::string& address, uint16_t port,
                Responder::Transport transport) {
  std::string answer;
  EXPECT_TRUE(in_netns(netns, [&]() -> Result<> {
    const net::SocketAddress to{TRY(net::IpAddress::parse(address)), port};
    const int fd = socket(to.address.is_v4() ? AF_INET : AF_INET6, socket_type(transport), 0);
    answer = exchange(fd, to, transport);
    close(fd);
    return {};
  }));
  return answer;
}

}  // namespace cloudless::network::testing
