#include "apiserver/testing/raw_client.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace cloudless::apiserver::testing {

namespace {

// Much more than any answer takes: it ends a test that would wait for ever.
constexpr timeval kPatience{.tv_sec = 120, .tv_usec = 0};
constexpr int kReceiveBytes = 4096;

}  // namespace

RawClient::RawClient(const std::string& url) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof kReceiveBytes);
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), heard_(std::move(other.heard_)) {}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

void RawClient::send(std::string_view bytes) {
  EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

void RawClient::get(const std::string& target) {
  send("GET " + target + " HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
}

std::string RawClient::receive(const std::function<bool(const std::string&)>& enough) {
  char buffer[16384];
  while (!enough || !enough(heard_)) {
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count <= 0) break;
    heard_.append(buffer, static_cast<size_t>(count));
  }
  return heard_;
}

void RawClient::vanish() {
  sock_filter drop_all{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &drop_all};
  EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
}

}  // namespace cloudless::apiserver::testing
